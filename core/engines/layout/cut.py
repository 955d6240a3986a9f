"""Cut a region out of its photo as a part: opacity, own colours, shadow, and the hole it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from core.engines.layout.shadow import Shadow, dark_residue, fit_shadow
from core.engines.layout.window import Floats, Window, blur, distance, distance_to, window_of
from core.types import Image, Mask

FILL_SHADE = 0.90
"""Where the shadow is darker than this the surface is filled; elsewhere the shadow is divided out."""


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
        return self.alpha > 0.02


@dataclass(frozen=True)
class Hole:
    """What taking a part away uncovers: bool (h, w) to be filled, float32 (h, w) shade to be divided out."""

    window: Window
    mask: Mask
    shade: Floats


def band_width(size: float) -> float:
    """Half-width in pixels of the band in which a region's edge may really lie."""
    return float(np.clip(1.3 + 0.012 * size, 2.0, 5.0))


def cut(photo: Image, mask: Mask, others: Mask, with_shadow: bool = True) -> tuple[Part, Hole]:
    """Lift the region ``mask`` off ``photo``; ``others`` are pixels of other parts. All (H, W)."""
    tight = window_of(mask)
    size = float(np.sqrt(mask[tight.slices].sum()))
    band = band_width(size)
    window = tight.grown(int(np.ceil(0.6 * size + 4 * band))).clipped(mask.shape)
    pixels = photo[window.slices].astype(np.float32)
    inner, other = mask[window.slices], others[window.slices]
    alpha, colour = _matte(pixels, inner, other & ~inner, band)
    luminance = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    bare = (distance_to(inner) > band) & (distance_to(other & ~inner) > 2 * band)
    shadow = fit_shadow(luminance, inner, bare, size) if with_shadow else Shadow()
    shade = shadow.cast(inner.astype(np.float32))
    hole = (distance_to(inner) <= band) | (alpha > 0.02)
    if with_shadow:
        hole |= (shade < FILL_SHADE) | dark_residue(luminance, inner, bare, shade, size)
    hole &= ~(other & ~inner)
    rows, cols = np.nonzero(inner)
    centre = (float(rows.mean()) + window.y0, float(cols.mean()) + window.x0)
    part = Part(window, alpha, colour, centre, shadow, _surface_colour(pixels, bare, inner, shade, size))
    return part, Hole(window, hole, np.where(other & ~inner, 1, shade).astype(np.float32))


def _surface_colour(pixels: Floats, bare: Mask, inner: Mask, shade: Floats, size: float) -> Floats:
    near = bare & (distance_to(inner) < 0.35 * size)
    chosen = near if near.sum() > 20 else bare if bare.any() else ~inner
    if not chosen.any():
        chosen = inner
    return np.asarray(np.median(pixels[chosen] / np.maximum(shade[chosen], 0.1)[:, None], axis=0), np.float32)


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
    alpha = (((pixels - back) * step).sum(2) + trust * prior) / ((step * step).sum(2) + trust)
    alpha = np.clip(alpha, np.clip(signed / band, 0, 1), np.clip(1 + signed / band, 0, 1))
    alpha = np.where(np.abs(signed) <= band, blur(alpha.astype(np.float32), 0.5), signed > 0).astype(np.float32)
    alpha[other] = 0
    rest = pixels - (alpha[..., None] * fore + (1 - alpha[..., None]) * back)
    share = alpha / (alpha**2 + (1 - alpha) ** 2)
    colour = np.where((alpha >= 1)[..., None], pixels, np.clip(fore + rest * share[..., None], 0, 255))
    return alpha, colour.astype(np.float32)


def _local_mean(pixels: Floats, weight: Floats, sigma: float) -> Floats:
    """Weighted mean around each pixel; where no weight is near, of a wider and wider neighbourhood."""
    weight = weight.astype(np.float32)
    total = weight.sum()
    if total <= 0:
        return pixels
    mean = (pixels * weight[..., None]).sum((0, 1)) / total
    value = np.empty_like(pixels)
    value[:] = mean
    for width in (4 * sigma, sigma):
        share = blur(weight, width)[..., None]
        local = blur(pixels * weight[..., None], width)
        value = (local + 1e-3 * value) / (share + 1e-3)
    return value.astype(np.float32)


def union(masks: Sequence[Mask], shape: tuple[int, int]) -> Mask:
    """The union of bool masks of ``shape``; all False if there are none."""
    out = np.zeros(shape, np.bool_)
    for mask in masks:
        out |= mask
    return out
