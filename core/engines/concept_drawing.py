"""What the engines share that draw what they have learned from real anomalies: its form, its words, its tones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from core.device import derive_seed, numpy_rng
from core.engines.api import Context
from core.engines.drawing_presets import PresetParams
from core.engines.surface.surface import Pixels, Surface, crop_surface, min_visible_levels, paste_surface, strengthen
from core.engines.surface.transplant import transplant
from core.errors import InputError
from core.images import alpha_blend, inner_alpha
from core.training.checkpoints import NEWEST, Concept, check_backbone, find_concept, load_concept
from core.training.concept_config import Tone
from core.types import Image, Mask, Request

if TYPE_CHECKING:
    from torch import Tensor

    from core.diffusion.backbone import Backbone

_REAL_CONTRAST_SHARE = 0.7
"""Of the contrast that made damage needs to be seen."""


PUBLISHED: Mapping[str, Any] = {
    "strength": 1.0, "steps": 200, "sampler": "ddim", "eta": 1.0, "guidance": 1.0, "start": "photo", "detail": 0.0,
    "contrast": 0.0, "feather": 0.0, "seam": "feather", "margin": 0.0, "tighten": False,
}  # fmt: skip
"""How AnomalyDiffusion's released code draws, which its paper does not say: from noise, 200 steps of DDIM as noisy as
DDPM's, without guidance; what was drawn is the sample."""


class ConceptDrawingParams(PresetParams):
    """How a learned anomaly is drawn."""

    concept: str = Field(
        NEWEST, title="Concept", description="Id of the learned concept; newest uses the latest one of the label."
    )
    reweighting: Literal["flawsmith", "paper", "literal", "code", "off"] = Field(
        "flawsmith",
        title="Re-weighting",
        description="More attention where the anomaly is hardly visible: ours (flawsmith), the paper's (eq. 7 on "
        "pixels in 0..255; literal: in -1..1, where one pixel takes all), as released (code), or off.",
    )
    guidance: float = Field(
        1.2, ge=1, le=20, title="Guidance", description="How strongly the anomaly is drawn; 1 is without guidance."
    )
    strength: float = Field(
        0.25,
        ge=0.05,
        le=1,
        title="Strength",
        description="1 draws the masked area from noise; lower values keep more of the initial image.",
    )
    start: Literal["example", "tone", "photo"] = Field(
        "example",
        title="Initial image",
        description="What is drawn over where the strength is below 1: a real example in the mask (example), the mask "
        "in the brightness of the learned anomalies (tone), or the photo as it is.",
    )
    steps: int = Field(14, ge=1, le=250, title="Steps", description="Steps of the sampler: more is finer and slower.")
    sampler: Literal["ddim", "dpmpp_2m"] = Field(
        "dpmpp_2m", title="Sampler", description="DDIM, or DPM-Solver++(2M), which needs fewer steps."
    )
    eta: float = Field(
        0.0, ge=0, le=1, title="Eta", description="Noise that DDIM adds at each step: 0 is none, 1 is as much as DDPM."
    )
    margin: float = Field(
        0.0,
        ge=0,
        le=8,
        title="Context",
        description="Surroundings the model sees, as a share of the mask's box; 0 takes what it was learned with.",
    )
    detail: float = Field(
        1.0, ge=0, le=1, title="Grain", description="How much of the fine grain goes on inside the mask."
    )
    contrast: float = Field(
        18, ge=0, le=120, title="Minimum contrast",
        description="Levels of 255 by which the anomaly differs from the surface at least, in the tone of the learned "
        "ones; 0 leaves it as drawn.",
    )  # fmt: skip
    feather: float = Field(
        1.0, ge=0, le=64, title="Feather", description="Pixels inside the mask over which the drawing fades in."
    )
    seam: Literal["feather", "poisson"] = Field(
        "feather", title="Seam", description="Fade at the mask's edge, or clone the drawing's gradients (Poisson)."
    )
    backbone: str = Field(
        "auto", title="Model", description="auto is the one the concept was learned on; else as when learning."
    )


@dataclass(frozen=True)
class DrawingTask:
    """``group`` is to be drawn into ``mask`` of the request's photo: a label or, where a concept tells groups of a
    label apart, one of these."""

    group: str
    request: Request
    mask: Mask


def draw_concept(
    name: str, concept: Concept, tasks: Sequence[DrawingTask], params: ConceptDrawingParams, ctx: Context
) -> list[Image]:
    """The photo of each task with what ``concept`` learned drawn into its mask, grey or two-tone as the photo is:
    uint8 (H, W, 3).

    ``name`` is the engine's. InputError where the sampler draws no noise but some was asked for; Unavailable where the
    concept was learned on another model.
    """
    if params.sampler == "dpmpp_2m" and params.eta:
        raise InputError(f"{name}: eta: the sampler dpmpp_2m adds no noise; set eta to 0 or use ddim")
    assert ctx.concepts is not None, "a concept was found, so there is a folder"
    from core.diffusion.backbone import exclusive

    key = (name, concept.id, concept.created)
    if key not in ctx.cache:
        ctx.cache[key] = load_concept(ctx.concepts / concept.id)[1]
    backbone = concept_backbone(concept, params, ctx)
    starts = [
        None if params.strength == 1 else _task_initial_image(name, concept, task, params, ctx) for task in tasks
    ]
    with exclusive(backbone, ctx.cancelled):
        check_backbone(concept, backbone)
        pictures = _inpaint_tasks(name, backbone, concept, ctx.cache[key], tasks, starts, params, ctx)
    return [_finished(task, drawn, concept, params, ctx) for task, drawn in zip(tasks, pictures, strict=True)]


def concept_backbone(concept: Concept, params: ConceptDrawingParams, ctx: Context) -> Backbone:
    """The model to draw with: the one asked for, or that ``concept`` was learned on. Unavailable if it is not here."""
    from core.diffusion.loading import load_backbone

    return load_backbone(concept.config.backbone if params.backbone == "auto" else params.backbone, ctx.device)


def concept_batch_size(name: str, params: ConceptDrawingParams, label: str, ctx: Context) -> int:
    """How many pictures engine ``name`` is best asked for together. NotFound where nothing was learned."""
    from core.diffusion.backbone import preferred_batch_size

    return preferred_batch_size(concept_backbone(find_concept(ctx.concepts, name, params.concept, label), params, ctx))


def _task_initial_image(
    name: str, concept: Concept, task: DrawingTask, params: ConceptDrawingParams, ctx: Context
) -> Image:
    return initial_image(params.start, name, task.request, task.mask, brightness_ratios_of(concept, task.group), ctx)


def _inpaint_tasks(
    name: str, backbone: Backbone, concept: Concept, tensors: Mapping[str, Tensor], tasks: Sequence[DrawingTask],
    starts: Sequence[Image | None], params: ConceptDrawingParams, ctx: Context,
) -> list[Image]:  # fmt: skip
    """Blended diffusion in the window of each task's mask, with its group's words for a prompt."""
    from core.diffusion.attention_reweighting import reweighting
    from core.diffusion.inpainting import DrawingSettings, InpaintTask, inpaint
    from core.diffusion.model_crop import crop_for_model
    from core.training.apply_concept import apply_concept

    with apply_concept(backbone, concept, tensors) as speaker:
        frame = replace(
            speaker.crop_settings(params.margin), feather=params.feather, seam=params.seam, detail=params.detail
        )
        places = []
        for task, start in zip(tasks, starts, strict=True):
            photo, mask = task.request.normal.pixels, task.mask
            seen = crop_for_model(backbone, photo, mask, frame).crop_mask(mask)
            prompt = speaker.conditioning(task.group, seen)
            hard = crop_surface(task.request, mask, ctx).two_tone is not None
            places.append(InpaintTask(photo, mask, prompt, derive_seed(task.request.seed, name), start, hard))
        return inpaint(
            speaker.backbone,
            places,
            speaker.normal_prompt,
            look=DrawingSettings(params.steps, params.guidance, params.strength, params.sampler, params.eta),
            frame=frame,
            guide=lambda scene: reweighting(speaker.backbone, params.reweighting, speaker.token_positions, scene),
            progress=ctx.progress,
            cancelled=ctx.cancelled,
        )


def _finished(task: DrawingTask, drawn: Image, concept: Concept, params: ConceptDrawingParams, ctx: Context) -> Image:
    surface = crop_surface(task.request, task.mask, ctx)
    seen = drawn[surface.rows, surface.cols].astype(np.float32)
    return paste_surface(
        task.request, surface, _with_min_contrast(surface, seen, brightness_ratios_of(concept, task.group), params)
    )


def _with_min_contrast(
    surface: Surface, drawn: Pixels, tones: Sequence[Sequence[float]], params: ConceptDrawingParams
) -> Pixels:
    """``drawn`` with what is hardly to be seen of it made darker or brighter, as most of the learned ones are."""
    if not params.contrast or surface.two_tone is not None:
        return drawn
    tone = 1 if tones and float(np.median([np.mean(t) for t in tones])) > 1 else -1
    levels = _REAL_CONTRAST_SHARE * min_visible_levels(surface, params.contrast, False)
    return strengthen(surface, drawn, surface.soft_edge(params.feather), levels, tone)


def initial_image(
    start: str, name: str, request: Request, mask: Mask, tones: Sequence[Sequence[float]], ctx: Context
) -> Image:
    """What a drawing below full strength starts from: the photo, with something in the mask already.

    Where a request brings no example its anomalies' tone stands in for it.
    """
    photo, rng = request.normal.pixels, numpy_rng(request.seed, name, "start")
    if start == "example" and request.examples:
        surface = crop_surface(request, mask, ctx, pad=4)
        example = request.examples[int(rng.integers(len(request.examples)))]
        patch = transplant(example, surface, rng, request.placement)
        alpha = surface.soft_edge(1.0)[..., None]
        return paste_surface(request, surface, surface.pixels + (patch - surface.pixels) * alpha)
    return photo if start == "photo" else toned(photo, mask, tones, rng)


def brightness_ratios_of(concept: Concept, group: str) -> tuple[Tone, ...]:
    """Brightness of the learned anomalies of ``group`` against their surroundings, one (r, g, b) for each defect."""
    tones = concept.config.tones
    return tones.get(group) or next(iter(tones.values()), ())


def toned(photo: Image, mask: Mask, tones: Sequence[Sequence[float]], rng: np.random.Generator) -> Image:
    """``photo`` with the mask as much darker or brighter than its surroundings as one of ``tones``, varied."""
    if not tones:
        return photo
    ratio = np.asarray(tones[int(rng.integers(len(tones)))], np.float32)
    ratio = ratio ** np.float32(rng.uniform(0.8, 1.2))
    painted = np.clip((photo.astype(np.float32) + 4) * ratio - 4, 0, 255).astype(np.uint8)
    return alpha_blend(photo, painted, inner_alpha(mask, 0.5))
