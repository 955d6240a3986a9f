"""CutPaste (Li et al., CVPR 2021) and Crop&Paste of real defects: pixels from elsewhere, laid into the mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from pydantic import Field

from core.device import numpy_rng
from core.engines.api import Context, Engine, EngineParams, read_params, require_mask
from core.engines.finalize import finalize_sample
from core.engines.surface.gradient_noise import FloatMap as Map
from core.engines.surface.gradient_noise import depth, is_thin, smoothstep, uneven_line
from core.engines.surface.patches import (
    PatchSource,
    choose_transform,
    cut_patch,
    draw_transforms,
    jittered,
    pick_source,
    source_image,
)
from core.engines.surface.surface import (
    Pixels,
    Surface,
    Tone,
    crop_surface,
    min_visible_levels,
    needs_mean_shift,
    paste_surface,
    pick_tone,
    strengthen,
)
from core.engines.surface.transplant import transplant
from core.types import Request, Sample


class CutPasteParams(EngineParams):
    """Form and bounds of the ``cut_paste`` engine."""

    source: PatchSource = Field(
        "auto",
        title="Patch source",
        description="A real example of the label, this photo (same) or a donor photo; auto takes an example if any.",
    )
    tone: Tone = Field("auto", title="Tone", description="Prefer darker or brighter patches; auto reads the label.")
    rotate: float = Field(180, ge=0, le=180, title="Rotation (degrees)", description="Patches turn up to this far.")
    scale_min: float = Field(0.5, ge=0.2, le=4, title="Scale from", description="Smallest enlargement of a patch.")
    scale_max: float = Field(1.5, ge=0.2, le=4, title="Scale to", description="Greatest enlargement of a patch.")
    jitter: float = Field(
        0.3, ge=0, le=1, title="Colour jitter", description="How far brightness, contrast and colour may drift."
    )
    contrast: float = Field(
        18, ge=8, le=120, title="Minimum contrast", description="Levels of 255 by which the patch differs on average."
    )
    feather: float = Field(
        1.5, ge=0, le=32, title="Edge blend (px)", description="Width of the fade inside the mask's edge."
    )
    candidates: int = Field(
        24, ge=1, le=256, title="Candidates", description="Random patches to choose a visible one from."
    )


class CutPaste(Engine):
    """A patch of another place, photo or real defect, fitted into the mask."""

    name = "cut_paste"
    title = "Cut and paste"
    summary = "A patch of this photo, of a donor or of a real defect, turned, matched in light and pasted in."
    kind = "structural"
    needs = frozenset({"mask"})
    first_choice = True
    Params = CutPasteParams

    def copies_examples(self, params: Mapping[str, object]) -> bool:
        """Where the patch may come from a real example."""
        return params.get("source", "auto") in ("auto", "example")

    def generate(self, request: Request, ctx: Context) -> Iterator[Sample]:
        """One sample per request; InputError when the wanted source is not there."""
        ctx.check()
        params: CutPasteParams = read_params(self, request.params)
        mask = require_mask(self, request)
        rng = numpy_rng(request.seed, self.name)
        surface = crop_surface(request, mask, ctx, pad=4)
        origin = pick_source(request, params.source, rng)
        ctx.check()
        if origin == "example":
            pixels = _real_defect_pixels(request, params, surface, rng)
        else:
            pixels = _patch_pixels(request, params, surface, origin, rng)
        ctx.progress(1, 1, None)
        yield finalize_sample(self, request, paste_surface(request, surface, pixels), mask, params=params)


def _patch_pixels(
    request: Request, params: CutPasteParams, surface: Surface, origin: str, rng: np.random.Generator
) -> Pixels:
    source = source_image(request, origin)
    tone = pick_tone(surface, params.tone, request.label, rng)
    allowed = request.object_mask if origin == "same" else None
    turns = draw_transforms(
        source, params.candidates, params.rotate, (params.scale_min, params.scale_max), rng, allowed
    )
    inside = depth(surface.mask)
    thin = is_thin(inside)
    even = needs_mean_shift(surface, request.label, params.tone, thin)
    levels = min_visible_levels(surface, params.contrast, even)
    turn = choose_transform(source, surface, turns, levels if surface.two_tone is None else 96.0, tone, rng)
    patch = cut_patch(source, turn, surface.mask.shape)
    if surface.two_tone is not None:
        return patch
    patch = jittered(patch, params.jitter, surface.grey, rng)
    if thin:
        # In a line there is no room for a pattern: what is seen of it looks like beads.
        patch = 0.5 * (patch + patch[surface.mask].mean(axis=0))
    alpha = uneven_line(inside, rng) if thin else _edge_weight(inside, params.feather)
    patch = strengthen(surface, patch, np.ones_like(alpha), levels, tone, even)
    return _alpha_blended(surface, patch, alpha)


def _real_defect_pixels(
    request: Request, params: CutPasteParams, surface: Surface, rng: np.random.Generator
) -> Pixels:
    same_label = [e for e in request.examples if e.label == request.label] or list(request.examples)
    example = same_label[int(rng.integers(len(same_label)))]
    patch = transplant(example, surface, rng, request.placement, params.rotate)
    if surface.two_tone is not None:
        return patch
    patch = jittered(patch, 0.3 * params.jitter, surface.grey, rng)
    # A real defect may be fainter than a made one, and faint in places.
    levels = 0.7 * min_visible_levels(surface, params.contrast, False)
    tone = pick_tone(surface, params.tone, request.label, rng)
    patch = strengthen(surface, patch, np.ones(surface.mask.shape, np.float32), levels, tone)
    return _alpha_blended(surface, patch, _edge_weight(depth(surface.mask), params.feather))


def _edge_weight(inside: Map, feather: float) -> Map:
    """Weight 0 outside the mask, 1 from ``feather`` px (at most half its width) inwards."""
    width = min(feather, 0.5 * float(inside.max()))
    return smoothstep(0.0, width + 1, inside + 0.5) if width > 0 else (inside > 0).astype(np.float32)


def _alpha_blended(surface: Surface, patch: Pixels, alpha: Map) -> Pixels:
    return np.asarray(surface.pixels + (patch - surface.pixels) * alpha[..., None], np.float32)
