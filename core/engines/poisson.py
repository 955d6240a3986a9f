"""NSA, natural synthetic anomalies (Schlueter et al., ECCV 2022): a patch cloned in by its gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from pydantic import Field

from core.device import numpy_rng
from core.engines.api import Context, Engine, EngineParams, read_params, require_mask
from core.engines.finalize import finalize_sample
from core.engines.surface.gradient_noise import depth, is_thin, relative_depth, smoothstep, uneven_line
from core.engines.surface.patches import (
    PatchSource,
    choose_structured_transform,
    choose_transform,
    cut_patch,
    draw_transforms,
    pick_source,
    source_image,
)
from core.engines.surface.surface import (
    Pixels,
    Surface,
    Tone,
    crop_surface,
    luma,
    min_visible_levels,
    needs_mean_shift,
    paste_surface,
    pick_tone,
    strengthen,
)
from core.engines.surface.transplant import transplant
from core.images import poisson_blend
from core.types import Request, Sample


class PoissonParams(EngineParams):
    """Form and bounds of the ``poisson`` engine."""

    source: PatchSource = Field(
        "auto",
        title="Patch source",
        description="A real example of the label, this photo (same) or a donor photo; auto takes an example if any.",
    )
    tone: Tone = Field("auto", title="Tone", description="Where a faint patch is helped: darker or brighter.")
    rotate: float = Field(180, ge=0, le=180, title="Rotation (degrees)", description="Patches turn up to this far.")
    scale_min: float = Field(0.7, ge=0.2, le=4, title="Scale from", description="Smallest enlargement of a patch.")
    scale_max: float = Field(1.4, ge=0.2, le=4, title="Scale to", description="Greatest enlargement of a patch.")
    gain: float = Field(
        1.2, ge=0.2, le=4, title="Structure", description="How much stronger the patch's own gradients become."
    )
    mixed: bool = Field(
        False,
        title="Mixed gradients",
        description="Keep the stronger gradient of patch and photo: the surface's texture shows through.",
    )
    contrast: float = Field(
        16, ge=8, le=120, title="Minimum contrast", description="Levels of 255 by which the middle differs at least."
    )
    candidates: int = Field(
        24, ge=1, le=256, title="Candidates", description="Random patches to choose one with structure from."
    )


class Poisson(Engine):
    """A patch that melts into its surroundings without an edge."""

    name = "poisson"
    title = "Seamless clone"
    summary = "A patch of this photo, of a donor or of a real defect, cloned in by its gradients: no visible edge."
    kind = "structural"
    needs = frozenset({"mask"})
    Params = PoissonParams

    def copies_examples(self, params: Mapping[str, object]) -> bool:
        """Where the patch may come from a real example."""
        return params.get("source", "auto") in ("auto", "example")

    def generate(self, request: Request, ctx: Context) -> Iterator[Sample]:
        """One sample per request; InputError when the wanted source is not there."""
        ctx.check()
        params: PoissonParams = read_params(self, request.params)
        mask = require_mask(self, request)
        rng = numpy_rng(request.seed, self.name)
        surface = crop_surface(request, mask, ctx, pad=4)
        origin = pick_source(request, params.source, rng)
        tone = pick_tone(surface, params.tone, request.label, rng)
        patch = _patch(request, params, surface, origin, tone, rng)
        ctx.check()
        photo = surface.pixels.astype(np.uint8)
        cloned = poisson_blend(photo, np.clip(patch, 0, 255).astype(np.uint8), surface.mask, params.mixed)
        pixels = _with_min_contrast(
            request, surface, cloned.astype(np.float32), params, tone, origin == "example", rng
        )
        ctx.progress(1, 1, None)
        yield finalize_sample(self, request, paste_surface(request, surface, pixels), mask, params=params)


def _patch(
    request: Request, params: PoissonParams, surface: Surface, origin: str, tone: int, rng: np.random.Generator
) -> Pixels:
    if origin == "example":
        same_label = [e for e in request.examples if e.label == request.label] or list(request.examples)
        example = same_label[int(rng.integers(len(same_label)))]
        return transplant(example, surface, rng, request.placement, params.rotate)
    source = source_image(request, origin)
    allowed = request.object_mask if origin == "same" else None
    turns = draw_transforms(
        source, params.candidates, params.rotate, (params.scale_min, params.scale_max), rng, allowed
    )
    if surface.two_tone is not None:
        return cut_patch(source, choose_transform(source, surface, turns, 96.0, tone, rng), surface.mask.shape)
    patch = cut_patch(source, choose_structured_transform(source, surface, turns, rng), surface.mask.shape)
    mean = patch.mean(axis=(0, 1))
    # In a line there is no room for a pattern: what is seen of it looks like beads.
    gain = params.gain * (0.4 if is_thin(depth(surface.mask)) else 1.0)
    # Kept off the ends of the range, since a clipped patch has lost the gradients that shall be cloned.
    return np.asarray(np.clip((patch - mean) * gain, -115, 115) + np.clip(mean, 120, 135), np.float32)


def _with_min_contrast(
    request: Request,
    surface: Surface,
    pixels: Pixels,
    params: PoissonParams,
    tone: int,
    real: bool,
    rng: np.random.Generator,
) -> Pixels:
    """Help a clone that went under, by a dome that is 0 at the outline, so that no edge comes back."""
    inside = depth(surface.mask)
    dome, thin = smoothstep(0.0, 0.7, relative_depth(inside)), is_thin(inside)
    if surface.two_tone is not None:
        dark, light = surface.two_tone
        middle = (dark + light) / 2
        flipped = (luma(pixels) > middle) != (luma(surface.pixels) > middle)
        if np.count_nonzero(flipped & surface.mask) >= 0.3 * np.count_nonzero(surface.mask):
            return pixels
        return np.asarray(pixels + tone * 1.5 * (light - dark) * dome[..., None], np.float32)
    if real:
        # A real defect keeps its tone; only where it is too small for a pattern must its mean be seen.
        drift = float((luma(pixels) - luma(surface.pixels))[surface.mask].mean())
        tone = int(np.sign(drift)) if abs(drift) > 2 else tone
        even = needs_mean_shift(surface, "", "auto", False)
    else:
        even = needs_mean_shift(surface, request.label, params.tone, thin)
        dome = uneven_line(inside, rng) if thin else dome
    return strengthen(surface, pixels, dome, min_visible_levels(surface, params.contrast, even), tone, even)
