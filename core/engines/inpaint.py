"""A prompt drawn into the mask by a latent diffusion model: any backbone, no training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from core.device import derive_seed
from core.engines.api import Context, Engine, EngineParams, read_params, require_mask, sample_or_error
from core.engines.backbone_requirements import grey_like, missing_model_reason
from core.engines.finalize import finalize_sample
from core.errors import InputError
from core.types import Request, Sample


class InpaintParams(EngineParams):
    """Form and bounds of the ``inpaint`` engine."""

    prompt: str = Field(
        "{label}", title="Prompt", description="What to draw, in words; {label} stands for the anomaly's label."
    )
    negative: str = Field("", title="Negative prompt", description="What guidance steers away from, in words.")
    guidance: float = Field(
        5.0, ge=1, le=20, title="Guidance", description="How strongly the prompt is followed; 1 is without guidance."
    )
    strength: float = Field(
        1.0,
        ge=0.05,
        le=1,
        title="Strength",
        description="1 draws the masked area from noise; lower values keep shapes and tones of the photo.",
    )
    steps: int = Field(30, ge=1, le=250, title="Steps", description="Steps of the sampler: more is finer and slower.")
    sampler: Literal["ddim", "dpmpp_2m"] = Field(
        "ddim", title="Sampler", description="DDIM, or DPM-Solver++(2M), which needs fewer steps."
    )
    eta: float = Field(
        0.0, ge=0, le=1, title="Eta", description="Noise that DDIM adds at each step: 0 is none, 1 is as much as DDPM."
    )
    margin: float = Field(
        0.5, ge=0, le=4, title="Context", description="Surroundings the model sees, as a share of the mask's box."
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
        description="auto, sd15, mini, a model folder, a .safetensors file or a hub id that was fetched.",
    )


class Inpaint(Engine):
    """Blended diffusion inside the mask."""

    name = "inpaint"
    title = "Inpaint by prompt"
    summary = "Draws what a prompt says into the mask with a diffusion model; all else stays the photo's own."
    goal = "prompt"
    kind = "structural"
    needs = frozenset({"mask"})
    Params = InpaintParams

    def available(self) -> str | None:
        """None, or which library or weights are missing and how to get them."""
        return missing_model_reason()

    def preferred_batch_size(self, params: Mapping[str, object], label: str, ctx: Context) -> int:
        """How many are best drawn together on this machine."""
        from core.diffusion.backbone import preferred_batch_size
        from core.diffusion.loading import load_backbone

        return preferred_batch_size(load_backbone(read_params(self, params).backbone, ctx.device))

    def generate_batch(self, requests: Sequence[Request], ctx: Context) -> list[Sample | InputError]:
        """A sample for each request, drawn together; or why there is none. They share label and settings."""
        ctx.check()
        params: InpaintParams = read_params(self, requests[0].params)
        if params.sampler == "dpmpp_2m" and params.eta:
            raise InputError(f"{self.name}: eta: the sampler dpmpp_2m adds no noise; set eta to 0 or use ddim")
        masks = [require_mask(self, request) for request in requests]
        from core.diffusion.backbone import exclusive
        from core.diffusion.inpainting import DrawingSettings, InpaintTask, inpaint
        from core.diffusion.loading import load_backbone
        from core.diffusion.model_crop import CropSettings

        prompt = params.prompt.replace("{label}", requests[0].label.replace("_", " "))
        backbone = load_backbone(params.backbone, ctx.device)
        with exclusive(backbone, ctx.cancelled):
            pictures = inpaint(
                backbone,
                [
                    InpaintTask(r.normal.pixels, mask, prompt, derive_seed(r.seed, self.name))
                    for r, mask in zip(requests, masks, strict=True)
                ],
                params.negative,
                look=DrawingSettings(params.steps, params.guidance, params.strength, params.sampler, params.eta),
                frame=CropSettings(params.margin, params.side, params.feather, params.seam),
                progress=ctx.progress,
                cancelled=ctx.cancelled,
            )
        return [
            sample_or_error(finalize_sample, self, r, grey_like(r.normal.pixels, picture), mask, params=params)
            for r, mask, picture in zip(requests, masks, pictures, strict=True)
        ]
