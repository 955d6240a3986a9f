"""Cut a region out of its photo as a part: opacity, own colours, shadow, and the hole it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.layout.edge import band_width
from core.engines.layout.shadow import Shadow, dark_residue, fit_shadow
from core.engines.layout.window import Floats, Window, blur, distance, distance_to, window_of
from core.types import Image, Mask

FILL_SHADE = 0.90
"""Where the shadow is darker than this the surface is filled; elsewhere the shadow is divided out."""
EDGE = 0.02
"""Opacity from which a pixel belongs to a part."""


@dataclass(frozen=True)
class Part:
    """A component lifted off its surface.

    alpha: float32 (h, w) in 0..1. colour: float32 (h, w, 3) in 0..255, free of old background where alpha > 0.
    centre: (y, x) in photo pixels, the point that moves and rotations keep. surface: mean RGB of the surface
    it lay on. ``window`` places the arrays in the photo.
    """

    window: Window
    alpha: Floats
    colour: Floats
    centre: tuple[float, float]
    shadow: Shadow
    surface: Floats

    @property
    def size(self) -> float:
        """The side in pixels of a square of the part's area."""
        return float(np.sqrt(max(self.alpha.sum(), 1.0)))

    @property
    def footprint(self) -> Mask:
        return self.alpha > EDGE


@dataclass(frozen=True)
class Hole:
    """What taking a part away uncovers.

    mask: bool (h, w), to be filled: the part, its edge and its deep shadow. core: bool (h, w), without the
    shadow: all that need be filled where the part is put back. shade: float32 (h, w), what the rest is divided by.
    """

    window: Window
    mask: Mask
    core: Mask
    shade: Floats


def cut(photo: Image, mask: Mask, others: Mask, with_shadow: bool = True) -> tuple[Part, Hole]:
    """Lift the region ``mask`` off ``photo``; ``others`` are pixels of other parts. All (H, W)."""
    tight = window_of(mask)
    size = float(np.sqrt(mask[tight.slices].sum()))
    band = band_width(photo, mask, others)
    edge = tight.grown(int(np.ceil(4 * band))).clipped(mask.shape)
    window = edge.grown(int(np.ceil(0.5 * size))).clipped(mask.shape)
    inner = mask[window.slices]
    other = others[window.slices] & ~inner
    alpha, colour = _matte(photo[edge.slices].astype(np.float32), mask[edge.slices], other[edge.inside(window)], band)
    luminance = cv2.cvtColor(photo[window.slices], cv2.COLOR_RGB2GRAY).astype(np.float32)
    away = distance_to(inner)
    bare = (away > band) & (distance_to(other) > 2 * band)
    shadow = fit_shadow(luminance, inner, bare, size) if with_shadow else Shadow()
    shade = shadow.cast(inner.astype(np.float32))
    core = away <= band
    core[edge.inside(window)] |= alpha > EDGE
    hole = core.copy()
    if with_shadow:
        hole |= (shade < FILL_SHADE) | dark_residue(luminance, inner, bare, shade, size)
    hole &= ~other
    rows, cols = np.nonzero(inner)
    centre = (float(rows.mean()) + window.y0, float(cols.mean()) + window.x0)
    near = bare & (away < 0.35 * size)
    surface = _surface_colour(photo[window.slices], near if near.sum() > 20 else ~inner, shade)
    part = Part(edge, alpha, colour, centre, shadow, surface)
    return part, Hole(window, hole, core & ~other, np.where(other, 1, shade).astype(np.float32))


def _surface_colour(pixels: Image, chosen: Mask, shade: Floats) -> Floats:
    """Median RGB of the chosen pixels, float32 (3,) in 0..255, as it is without the shadow."""
    if not chosen.any():
        return np.asarray(pixels.reshape(-1, 3).mean(0), np.float32)
    every = max(1, int(chosen.sum()) // 2000)
    lit = pixels[chosen][::every] / np.maximum(shade[chosen][::every], 0.1)[:, None]
    return np.asarray(np.median(lit, axis=0), np.float32)


def _matte(pixels: Floats, inner: Mask, other: Mask, band: float) -> tuple[Floats, Floats]:
    """Opacity and unmixed colour in a thin band about the region's edge.

    I = a F + (1 - a) B, with F and B local means of what is surely part and surely surface; ``a`` is the
    least-squares answer, drawn towards the drawn edge where F and B look alike.
    """
    inside, outside = distance(inner), distance_to(inner)
    signed = np.where(inner, inside - 0.5, 0.5 - outside)
    fore = _local_mean(pixels, np.where(inner, np.clip(inside / band, 0.03, 1) ** 3, 0), 1.2 * band)
    free = ~inner & ~other
    back = _local_mean(pixels, np.where(free, np.clip(outside / band, 0.03, 1) ** 3, 0), 1.2 * band)
    step = fore - back
    prior = np.clip(0.5 + signed / 1.5, 0, 1)
    trust = 3 * 12.0**2
    alpha = (_dot(pixels - back, step) + trust * prior) / (_dot(step, step) + trust)
    # Texture alone makes faint opacities far from the edge: stretched away.
    alpha = (alpha - 0.1) / 0.8
    alpha = np.clip(alpha, np.clip(signed / band, 0, 1), np.clip(1 + signed / band, 0, 1))
    alpha = np.where(np.abs(signed) <= band, blur(alpha.astype(np.float32), 0.5), signed > 0).astype(np.float32)
    alpha[other] = 0
    rest = pixels - (alpha[..., None] * fore + (1 - alpha[..., None]) * back)
    share = alpha / (alpha**2 + (1 - alpha) ** 2)
    colour = np.where((alpha >= 1)[..., None], pixels, np.clip(fore + rest * share[..., None], 0, 255))
    return alpha, colour.astype(np.float32)


def _local_mean(pixels: Floats, weight: npt.NDArray[Any], sigma: float) -> Floats:
    """Weighted mean around each pixel, float32 (h, w, 3); the overall mean where no weight is near."""
    weight = weight.astype(np.float32)
    if (total := float(weight.sum())) <= 0:
        return pixels
    weighted = pixels * weight[..., None]
    mean = weighted.reshape(-1, 3).sum(0) / total
    return np.asarray((blur(weighted, sigma) + 1e-4 * mean) / (blur(weight, sigma) + 1e-4)[..., None], np.float32)


def _dot(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.einsum("ijk,ijk->ij", a, b), np.float32)
