"""DRAEM's Perlin-masked anomalies (Zavrtanik et al., ICCV 2021), grown into looks an inspector knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field

from core.device import numpy_rng
from core.engines.api import Context, Engine, EngineParams, read_params, require_mask
from core.engines.finalize import finalize_sample
from core.engines.surface.damage_styles import STYLES, Brush, choose_style, soft_edge_share
from core.engines.surface.gradient_noise import FloatMap as Map
from core.engines.surface.gradient_noise import blurred, depth, fractal, relative_depth
from core.engines.surface.patches import PatchSource, material_patch
from core.engines.surface.surface import (
    Pixels,
    Surface,
    Tone,
    crop_surface,
    min_visible_levels,
    paste_surface,
    pick_tone,
    strengthen,
)
from core.quality import change_with_rim
from core.types import Mask, Request, Sample

HARD_EDGE = 2.0
"""Pixels over which damage with an edge of its own sets in."""
SMOOTHED = 0.4
"""Share of its fading by which the outline of what fades is smoothed."""

Style = Literal["auto", "stain", "burn", "corrosion", "crack", "scratch", "dent", "pit", "texture", "noise"]


class PerlinParams(EngineParams):
    """Form and bounds of the ``perlin`` engine."""

    style: Style = Field(
        "auto",
        title="Style",
        description="What the damage looks like; auto reads the label, then the mask's form (thin: crack or scratch).",
    )
    tone: Tone = Field("auto", title="Tone", description="Darker or brighter than the surface; auto reads the label.")
    source: PatchSource = Field(
        "auto",
        title="Texture source",
        description="Where the style 'texture' takes its material: this photo, a donor photo or a real example.",
    )
    opacity_min: float = Field(0.6, ge=0.05, le=1, title="Opacity from", description="Weakest strength, β in DRAEM.")
    opacity_max: float = Field(1.0, ge=0.05, le=1, title="Opacity to", description="Greatest strength.")
    ragged: float = Field(
        0.35, ge=0, le=1, title="Ragged outline", description="How far noise eats into the mask; 0 keeps it as drawn."
    )
    grain: float = Field(
        0.35, ge=0.02, le=1, title="Grain", description="Size of the noise's widest features, as a share of the mask."
    )
    roughness: float = Field(
        0.55, ge=0.1, le=0.9, title="Roughness", description="Weight of fine noise against coarse noise."
    )
    contrast: float = Field(
        16, ge=8, le=120, title="Minimum contrast", description="Levels of 255 by which the middle differs at least."
    )


class Perlin(Engine):
    """Noise-shaped damage painted into the mask."""

    name = "perlin"
    title = "Perlin damage"
    summary = "Stains, burns, cracks, scratches, dents and pits made of fractal noise and light."
    kind = "structural"
    needs = frozenset({"mask"})
    fades = True
    Params = PerlinParams

    def generate(self, request: Request, ctx: Context) -> Iterator[Sample]:
        """One sample per request; NoVisibleChange when the surface leaves no room for the damage."""
        ctx.check()
        params: PerlinParams = read_params(self, request.params)
        mask = require_mask(self, request)
        rng = numpy_rng(request.seed, self.name)
        surface = crop_surface(request, mask, ctx)
        inside = depth(surface.mask)
        style = params.style if params.style != "auto" else choose_style(request.label, inside, rng)
        brush = _brush(request, params, surface, inside, style, rng)
        ctx.check()
        image = paste_surface(request, surface, _paint(brush, params, style))
        ctx.progress(1, 1, None)
        if brush.edge > HARD_EDGE and params.tighten:
            # What fades out is cut where its rim ends, not where it is first seen: that would leave a step.
            mask = change_with_rim(request.normal.pixels, image, mask)
            yield finalize_sample(self, request, image, mask, tighten=False, params=params)
        else:
            yield finalize_sample(self, request, image, mask, params=params)


def _brush(
    request: Request, params: PerlinParams, surface: Surface, inside: Map, style: str, rng: np.random.Generator
) -> Brush:
    low, high = sorted((params.opacity_min, params.opacity_max))
    size = float(np.sqrt(surface.mask.sum()))
    cell = max(2.0, params.grain * size)
    soft = 0.0 if surface.two_tone is not None else soft_edge_share(request.label, style, params.grain)
    if params.ragged > 0 and float(inside.max()) > 2 and surface.two_tone is None:
        inside = _ragged_distance(surface.mask, inside, params, cell, rng, soft)
    material = material_patch(request, params.source, surface, rng) if style == "texture" else None
    return Brush(
        surface=surface,
        inside=inside,
        relative_depth=relative_depth(inside),
        strength=float(rng.uniform(low, high)) if surface.two_tone is None else 1.0,
        tone=pick_tone(surface, params.tone, f"{request.label} {style}", rng),
        cell=cell,
        edge=max(HARD_EDGE, soft * float(inside.max())),
        roughness=params.roughness,
        light=float(rng.uniform(0, 2 * np.pi)),
        rng=rng,
        material=material,
    )


def _ragged_distance(
    mask: Mask, inside: Map, params: PerlinParams, cell: float, rng: np.random.Generator, soft: float
) -> Map:
    """The distance field of the mask after noise has eaten into its outline by up to ``ragged`` of its half width.

    Where damage fades over the share ``soft`` of that, the noise's own level is the distance, smoothed to the fading.
    """
    widest = float(inside.max())
    bite = fractal(mask.shape, max(3.0, cell * 0.6), rng, 4, params.roughness)
    eaten = np.asarray(params.ragged * 0.35 * widest * np.clip(bite, 0, 2.5), np.float32)
    if soft:
        eaten = blurred(eaten, SMOOTHED * soft * widest)
    left = mask & (inside > eaten)
    if not left.any():
        return inside
    return np.asarray(np.maximum(inside - eaten, 0), np.float32) if soft else depth(left)


def _paint(brush: Brush, params: PerlinParams, style: str) -> Pixels:
    painted = STYLES[style](brush)
    surface = brush.surface
    if surface.two_tone is not None and style not in ("texture", "noise"):
        # On a photo of two tones there is no half-dark: what is damaged has the other tone.
        level = surface.two_tone[0] if brush.tone < 0 else surface.two_tone[1]
        edge = blurred(surface.mask.astype(np.float32), 0.35 * max(float(brush.inside.max()), 1.0))
        hit = edge + 0.15 * params.ragged * brush.noise(1.0, 2) > min(0.5, 0.6 * float(edge.max()))
        return np.where(hit[..., None], np.float32(level), surface.pixels)
    ramp = brush.edge_ramp(brush.edge)
    if style in ("dent", "scratch"):
        return painted
    return strengthen(surface, painted, ramp, min_visible_levels(surface, params.contrast, False), brush.tone)
