"""How an anomaly is learned: what a person may set, and what the presets stand for. Needs no torch.

Where AnomalyDiffusion's paper and its released code differ, ``paper`` follows the paper and ``code`` the code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from core.images.square_crop import Framing
from core.training.example_crops import Augmentation

MAX_NORMALS, ALL_NORMALS = 64, 1_000_000
"""Good photos lent to an engine that learns: enough for minutes, or all there are, as published."""

PresetName = Literal["flawsmith", "paper", "code"]
ShapeView = Literal["window", "whole"]
"""What the mask embedding is shown: a mask's largest piece in a window of its own, or the mask on its whole photo."""


class LearningParams(BaseModel):
    """Base of what a person may set of learning, whatever is learned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def max_normals(self) -> int:
        """Good photos that are learned from at most, as set or by the preset; of more, some from all over the list."""
        return MAX_NORMALS

    def budget(self, subjects: int, labels: int = 1) -> int:
        """Steps at most, as a run counts them, for so many defects of so many labels, or photos of good parts.

        0 where only reading them tells.
        """
        raise NotImplementedError


class AnomalyLearningParams(LearningParams):
    """What a person may set when an anomaly is learned."""

    preset: PresetName = Field(
        "flawsmith",
        title="Preset",
        description="flawsmith: minutes; paper and code: AnomalyDiffusion as published and as released, for a GPU.",
    )
    steps: int = Field(
        0, ge=0, le=2_000_000, title="Steps", description="Training steps at most; 0: by the number of examples."
    )
    adapt: bool = Field(
        False,
        title="Adapt to the product",
        description="First train a small adapter (LoRA) on the product's photos; it is saved with the concept.",
    )
    adapt_steps: int = Field(
        240, ge=1, le=100_000, title="Adapter steps", description="Training steps on the product's photos."
    )
    rank: int = Field(16, ge=1, le=256, title="Rank", description="Rank of the adapter: more can change more.")
    shapes: int = Field(
        0,
        ge=0,
        le=256,
        title="Mask shapes",
        description="Learn the shapes of the masks too and draw so many new ones, for placement from learned shapes; "
        "0: none.",
    )
    shape_steps: int = Field(
        0, ge=0, le=1_000_000, title="Steps of mask shapes", description="Training steps for them; 0: by the preset."
    )
    normals: int = Field(
        0,
        ge=0,
        le=1_000_000,
        title="Good photos",
        description="Learned from at most, taken from all over the list; 0: 64, and all with the published presets.",
    )
    spatial: bool = Field(
        True,
        title="Spatial embedding (e_s)",
        description="Words from the mask say where the anomaly lies; off, only for comparison.",
    )
    masked_loss: bool = Field(
        True,
        title="Masked loss",
        description="The loss counts where the anomaly is (eq. 5); off, over the whole view, only for comparison.",
    )
    start_word: str = Field(
        "",
        title="Start word",
        description="A word the model knows, to start from; empty takes the label's name where it knows that.",
    )
    seed: int = Field(0, ge=0, title="Seed", description="Same photos, same settings, same seed: same concept.")
    backbone: str = Field(
        "auto",
        title="Model",
        description="auto, sd15, mini, a model folder, a .safetensors file or a hub id that was fetched.",
    )

    @property
    def max_normals(self) -> int:
        """As set, or by the preset."""
        return self.normals or (MAX_NORMALS if self.preset == "flawsmith" else ALL_NORMALS)

    def budget(self, subjects: int, labels: int = 1) -> int:
        """Steps at most for so many defects of so many labels, those of adapting and of mask shapes among them."""
        preset, shapes = PRESETS[self.preset], self.shapes * labels
        adapting = self.adapt_steps if self.adapt else 0
        shaping = (self.shape_steps or preset.shape_steps) + shapes if shapes else 0
        return adapting + (self.steps or preset.budget(subjects, labels)) + shaping


@dataclass(frozen=True)
class LearningPreset:
    """What a preset stands for.

    ``anomaly_tokens`` ↔ k, ``mask_tokens`` ↔ n, ``loss_mask`` says how the mask comes to latent size. ``views`` are
    drawn and encoded for each defect; with ``fresh`` they are drawn anew every so many steps, as an augmentation in
    each step would. ``steps`` and ``per_defect`` make the budget; ``validate`` stops early; ``whole`` photos are seen,
    not the defects' surroundings. The mask embedding ↔ e_m has ``shape_tokens`` ↔ k' and is drawn with
    ``shape_sampling`` (steps of DDIM, eta) in ``shape_view``.
    """

    anomaly_tokens: int
    mask_tokens: int
    encoder: Literal["small", "fpn"]
    prompts: tuple[str, ...]
    normal_prompt: str
    motion: Augmentation
    margin: float
    loss_mask: Literal["max", "bilinear"]
    area_weight: bool
    lr: float
    encoder_rate: float
    adapter_rate: float
    batch: int
    views: int
    steps: int
    per_defect: int
    most_steps: int
    warmup: int = 0
    clip: float = 0.0
    fresh: int = 0
    background: float = 0.0
    validate: bool = False
    whole: bool = False
    shape_steps: int = 300
    shape_tokens: int = 4
    shape_sampling: tuple[int, float] = (20, 0.0)
    shape_view: ShapeView = "window"

    def framing(self, side: int) -> Framing:
        """What of a photo a model of ``side`` pixels sees."""
        return Framing(side, self.margin, side, self.whole)

    def budget(self, defects: int, labels: int = 1) -> int:
        """Steps for so many defects to learn from; labels that are learned together share what they have in common."""
        return min(round(self.most_steps * math.sqrt(labels)), self.steps + self.per_defect * defects)


_TEMPLATES = (
    "a photo of a {}", "a rendering of a {}", "a cropped photo of the {}", "the photo of a {}",
    "a photo of a clean {}", "a photo of a dirty {}", "a dark photo of the {}", "a photo of my {}",
    "a photo of the cool {}", "a close-up photo of a {}", "a bright photo of the {}",
    "a cropped photo of a {}", "a photo of the {}", "a good photo of the {}", "a photo of one {}",
    "a close-up photo of the {}", "a rendition of the {}", "a photo of the clean {}", "a rendition of a {}",
    "a photo of a nice {}", "a good photo of a {}", "a photo of the nice {}", "a photo of the small {}",
    "a photo of the weird {}", "a photo of the large {}", "a photo of a cool {}", "a photo of a small {}",
)  # fmt: skip
"""Of textual inversion (Gal et al. 2022), which AnomalyDiffusion's code draws from."""

PRESETS: dict[PresetName, LearningPreset] = {
    "flawsmith": LearningPreset(
        anomaly_tokens=8, mask_tokens=4, encoder="small",
        prompts=("a photo of a surface with a {}",), normal_prompt="a photo of a surface",
        motion=Augmentation(), margin=0.5, loss_mask="max", area_weight=True,
        lr=5e-3, encoder_rate=0.4, adapter_rate=0.1, batch=4, views=12,
        steps=200, per_defect=25, most_steps=900, warmup=20, clip=1.0, background=0.02, validate=True,
    ),
    "paper": LearningPreset(
        anomaly_tokens=8, mask_tokens=4, encoder="fpn", prompts=("{}",), normal_prompt="",
        motion=Augmentation(flip=False, quarter_turns=False, max_rotation=180.0, scale=(1.0, 1.5), shift=0.25),
        margin=0.0, whole=True, loss_mask="bilinear", area_weight=False,
        lr=5e-3, encoder_rate=1.0, adapter_rate=0.1, batch=4, views=8, steps=300_000, per_defect=0,
        most_steps=300_000, fresh=200, shape_steps=30_000, shape_view="whole",
    ),
    "code": LearningPreset(
        anomaly_tokens=4, mask_tokens=4, encoder="fpn", prompts=_TEMPLATES, normal_prompt="",
        motion=Augmentation(0.5, flip_rows=True, quarter_turns=False, max_rotation=20.0, scale=(1.0, 1.5), shift=0.25),
        margin=0.0, whole=True, loss_mask="bilinear", area_weight=False,
        lr=2e-2, encoder_rate=1.0, adapter_rate=0.1, batch=4, views=8, steps=300_000, per_defect=0,
        most_steps=300_000, fresh=200, shape_steps=30_000, shape_tokens=16, shape_sampling=(100, 1.0),
        shape_view="whole",
    ),
}  # fmt: skip
