"""How the two branches are learned: what a person may set, and what the presets stand for. Needs no torch.

Where DualAnoDiff's paper and its released code differ, ``paper`` follows the paper and ``code`` the code.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import Field, field_validator

from core.images.square_crop import Framing
from core.training.example_crops import Augmentation
from core.training.learning_settings import MAX_NORMALS, LearningParams

PresetName = Literal["flawsmith", "paper", "code"]
PresetSwitch = Literal["preset", "on", "off"]
LearnFrom = Literal["preset", "whole", "window"]


class DualLearningParams(LearningParams):
    """What a person may set when a picture and its anomalous part are learned together."""

    preset: PresetName = Field(
        "flawsmith",
        title="Preset",
        description="flawsmith: minutes; paper and code: DualAnoDiff as published and as released, for a GPU.",
    )
    steps: int = Field(
        0, ge=0, le=2_000_000, title="Steps", description="Training steps at most; 0: by the number of examples."
    )
    normals: int = Field(
        0,
        ge=0,
        le=1_000_000,
        title="Good photos",
        description="Shown beside the anomalies at most, taken from all over the list; 0: 64 with flawsmith; the "
        "published presets show none.",
    )
    saim: bool = Field(
        True,
        title="Interaction (SAIM)",
        description="The branches share what they see after every attention layer; off, only for comparison.",
    )
    saim_zero: PresetSwitch = Field(
        "preset",
        title="Zero-initialised SAIM",
        description="on: the interaction has no effect at first; off: it starts at random, as in the released code.",
    )
    bcm: bool = Field(
        True,
        title="Background compensation (BCM)",
        description="Show the model the background around the part; where the part fills the photo there is none.",
    )
    nested: bool = Field(
        True,
        title="Nested prompts",
        description="'a vfx with sks' for the whole and 'sks' for the part; off: the label's name for both.",
    )
    object_word: str = Field("vfx", title="Word for the product", description="Stands for x in 'a x with y'.")
    anomaly_word: str = Field(
        "sks",
        title="Word for the anomaly",
        description="Stands for y in 'a x with y'; a word that the model's vocabulary lacks is learned.",
    )
    text_adapter: PresetSwitch = Field(
        "preset",
        title="Adapt the text encoder",
        description="Learn a small adapter (LoRA) of the text encoder too, as the paper does.",
    )
    sight: LearnFrom = Field(
        "preset",
        title="Learn from",
        description="whole: the whole photo, to make whole new pictures; window: the anomaly's surroundings, for "
        "small defects on large photos.",
    )
    rank: int = Field(32, ge=1, le=256, title="Rank", description="Rank of the adapters: more can change more.")
    batch: int = Field(0, ge=0, le=64, title="Batch", description="Pairs a step; 0: the preset's.")
    checkpointing: bool = Field(
        False,
        title="Save memory",
        description="Gradient checkpointing: about a third slower, and a good deal less memory.",
    )
    objects: Literal["auto", "foreground", "u2net"] = Field(
        "auto",
        title="Foreground segmenter",
        description="What finds the part: u2net (rembg, with its weights on this machine), foreground (no "
        "weights); auto takes u2net where it is there.",
    )
    seed: int = Field(0, ge=0, title="Seed", description="Same photos, same settings, same seed: same concept.")
    backbone: str = Field(
        "auto",
        title="Model",
        description="auto, sd15, mini, a model folder, a .safetensors file or a hub id that was fetched.",
    )

    @field_validator("object_word", "anomaly_word")
    @classmethod
    def _a_word(cls, word: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9 ]{0,31}", word.strip()):
            raise ValueError("expected 1 to 32 of a-z, 0-9 and blanks, beginning with a letter")
        return word.strip()

    @property
    def max_normals(self) -> int:
        """As set, or by the preset."""
        return self.normals or MAX_NORMALS

    def budget(self, subjects: int, labels: int = 1) -> int:
        """Training steps at most for so many defects of so many labels."""
        return self.steps or PRESETS[self.preset].budget(subjects, labels, self.bcm)

    def is_on(self, name: Literal["saim_zero", "text_adapter"]) -> bool:
        """Whether this is on, where need be as the preset has it."""
        said: PresetSwitch = getattr(self, name)
        known: bool = getattr(PRESETS[self.preset], name)
        return known if said == "preset" else said == "on"

    @property
    def learns_whole_photos(self) -> bool:
        """Whether whole photos are learned from."""
        return PRESETS[self.preset].whole if self.sight == "preset" else self.sight == "whole"


FLIPS = Augmentation(1.0, quarter_turns=False, max_rotation=0.0, scale=(1.0, 1.0), shift=0.0)
"""What whole photos are varied by."""


@dataclass(frozen=True)
class DualPreset:
    """What a preset stands for.

    ``vectors`` learned for each word, 0: the words as the vocabulary has them. ``scale`` ↔ gamma at the start,
    ``inject`` and ``nonlinear`` say how the background comes in (Compensation). A window is at
    least ``min_crop_share`` of the model's side in photo pixels. ``normal_share``: share of the lessons that are
    good photos with an empty part. ``anomaly_loss_weight`` is how many times as much the loss counts where the
    anomaly is. ``sampling`` (steps, guidance, sampler) are those that pairs are made with.
    """

    vectors: int
    text_adapter: bool
    saim_zero: bool
    scale: float
    inject: Literal["add", "blend"]
    nonlinear: bool
    whole: bool
    augmentation: Augmentation
    margin: float
    min_crop_share: float
    lr: float
    rates: tuple[tuple[str, float], ...]
    weight_decay: float
    batch: int
    views: int
    normal_share: float
    anomaly_loss_weight: float
    steps: int
    per_defect: int
    most_steps: int
    sampling: tuple[int, float, Literal["ddim", "dpmpp_2m"]]
    warmup: int = 0
    clip: float = 1.0
    redraw_every: int = 0
    validate: bool = False
    flips: Augmentation = FLIPS
    bcm_reads: Literal["input", "output"] = "input"
    epochs: int = 0
    epochs_with_bcm: int = 0
    batch_with_bcm: int = 0

    @property
    def augmentation_of_crops(self) -> Augmentation:
        """How views vary: whole photos are only flipped, so that what lies where stays true."""
        return self.flips if self.whole else self.augmentation

    def framing(self, side: int, margin: float, whole: bool) -> Framing:
        """What of a photo a model of ``side`` pixels sees, learning and drawing."""
        return Framing(side, margin, self.min_crop_share * side, whole, whole_pixels=False)

    def budget(self, defects: int, labels: int = 1, bcm: bool = False) -> int:
        """Steps for so many defects to learn from; labels that are learned together share what they have in common.

        ``epochs``, where the preset has some, pass over all of them.
        """
        if epochs := self.epochs_with_bcm if bcm else self.epochs:
            return epochs * -(-defects // self.batch)
        return min(round(self.most_steps * math.sqrt(labels)), self.steps + self.per_defect * defects)


PRESETS: dict[PresetName, DualPreset] = {
    "flawsmith": DualPreset(
        vectors=4, text_adapter=False, saim_zero=True, scale=0.1, inject="add", nonlinear=True, whole=False,
        augmentation=Augmentation(quarter_turns=False, max_rotation=4.0, scale=(0.9, 1.15), shift=0.1),
        margin=1.0, min_crop_share=0.5, lr=1e-3,
        rates=(("word.", 4.0), ("saim.", 0.2), ("bcm.", 0.2), ("text.", 0.2)), weight_decay=1e-4,
        batch=2, views=8, normal_share=0.25, anomaly_loss_weight=4.0, steps=400, per_defect=40, most_steps=1_000,
        sampling=(20, 1.5, "dpmpp_2m"), warmup=20, validate=True,
    ),
    "paper": DualPreset(
        vectors=0, text_adapter=True, saim_zero=False, scale=0.1, inject="add", nonlinear=True, whole=True,
        augmentation=FLIPS, margin=0.0, min_crop_share=1.0, lr=5e-6, rates=(), weight_decay=1e-2, batch=4, views=4,
        normal_share=0.0, anomaly_loss_weight=1.0, steps=5_000, per_defect=0, most_steps=5_000,
        sampling=(50, 2.5, "ddim"), redraw_every=200, bcm_reads="output", epochs=5_000, epochs_with_bcm=2_000,
    ),
    "code": DualPreset(
        vectors=0, text_adapter=True, saim_zero=False, scale=0.0, inject="blend", nonlinear=False, whole=True,
        augmentation=FLIPS, margin=0.0, min_crop_share=1.0, lr=2e-5, rates=(), weight_decay=1e-2, batch=4, views=4,
        normal_share=0.0, anomaly_loss_weight=1.0, steps=5_000, per_defect=0, most_steps=5_000,
        sampling=(100, 2.5, "ddim"), redraw_every=200, flips=replace(FLIPS, flip_rows=True),
        batch_with_bcm=2,
    ),
}  # fmt: skip
