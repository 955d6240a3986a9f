"""What a person may set of drawing by a prompt. Needs no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from core.engines.api import EngineParams
from core.errors import InputError
from core.images import ContextRectangle


class InpaintParams(EngineParams):
    """Form and bounds of the ``inpaint`` engine."""

    prompt: str = Field(
        "{label}", title="Prompt", description="What to draw, in words; {label} stands for the anomaly's label."
    )
    negative: str = Field("", title="Negative prompt", description="What guidance steers away from, in words.")
    reference: Literal["none", "example"] = Field(
        "none",
        title="Reference picture",
        description="A real anomaly of the label that the model sees beside the photo (FLUX.2 klein, Kontext, "
        "Qwen-Image-Edit Plus).",
    )
    drawing: Literal["auto", "mask", "instruction"] = Field(
        "auto",
        title="Drawing",
        description="Inside the mask, or by an instruction for its surroundings, where the mask becomes what changed; "
        "auto draws inside the mask where the model can.",
    )
    guidance: float = Field(
        0.0,
        ge=0,
        le=30,
        title="Guidance",
        description="How strongly the prompt is followed; 1 is without guidance, 0 what suits the model.",
    )
    strength: float = Field(
        1.0,
        ge=0.05,
        le=1,
        title="Strength",
        description="1 draws the masked area from noise; lower values keep shapes and tones of the photo.",
    )
    steps: int = Field(
        0,
        ge=0,
        le=250,
        title="Steps",
        description="Steps of the sampler: more is finer and slower; 0 suits the model.",
    )
    sampler: Literal["ddim", "dpmpp_2m", "lcm", "tcd"] = Field(
        "ddim",
        title="Sampler",
        description="DDIM (SDXL and inpainting U-Nets: their own); DPM-Solver++(2M), which needs fewer steps; "
        "LCM and TCD for models and LoRAs distilled to draw in a few.",
    )
    eta: float = Field(
        0.0, ge=0, le=1, title="Eta", description="Noise that DDIM adds at each step: 0 is none, 1 is as much as DDPM."
    )
    margin: float = Field(
        0.5, ge=0, le=4, title="Context", description="Surroundings the model sees, as a share of the mask's box."
    )
    context: str = Field(
        "",
        title="Context rectangle",
        description="What the model sees instead, in photo pixels about the mask: 800x600, or 800x600+40-20 off its "
        "middle; the canvas draws it (key 2). Empty: by the share above.",
    )
    side: int = Field(
        0,
        ge=0,
        le=1536,
        title="Working size",
        description="Longer side, in pixels, of the picture the model draws; 0 uses the size it was trained at.",
    )
    feather: float = Field(
        3.0, ge=0, le=64, title="Feather", description="Pixels inside the mask over which the drawing fades in."
    )
    seam: Literal["feather", "poisson"] = Field(
        "feather", title="Seam", description="Fade at the mask's edge, or clone the drawing's gradients (Poisson)."
    )
    backbone: str = Field(
        "auto",
        title="Model",
        description="auto, sd15, mini, a model folder (its path, or its name in the models folder), a .safetensors "
        "file or a hub id that was fetched.",
    )

    adapter: str = Field(
        "",
        title="Adapter",
        description="A LoRA or textual inversion for the model: a file's path, or its name in the models folder; "
        "empty for none. A textual inversion's word comes last in the prompt, or where you write it: <file_name>.",
    )
    adapter_weight: float = Field(
        1.0, ge=-2, le=2, title="Adapter's weight", description="How strongly a LoRA acts; 1 is as it was learned."
    )

    @field_validator("guidance")
    @classmethod
    def _none_or_some(cls, guidance: float) -> float:
        if 0 < guidance < 1:
            raise ValueError("expected 0 (what suits the model), or 1 (without guidance) and more")
        return guidance

    @field_validator("context")
    @classmethod
    def _as_rectangle(cls, text: str) -> str:
        try:
            return str(ContextRectangle.parse(text) or "")
        except InputError as error:
            raise ValueError(str(error)) from error

    @property
    def context_rectangle(self) -> ContextRectangle | None:
        """The rectangle of the setting ``context``."""
        return ContextRectangle.parse(self.context)

    def with_defaults(self, steps: int, guidance: float) -> InpaintParams:
        """The same with the model's own steps and guidance where those were left to it."""
        return self.model_copy(update={"steps": self.steps or steps, "guidance": self.guidance or guidance})
