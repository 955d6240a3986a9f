"""Cut a region out of its photo as a part: opacity, own colours and shadow."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.ground.shadow import Shadow, fit_shadow
from core.engines.ground.thrown import Thrown, TurnedLight
from core.engines.layout.edge_width import band_width
from core.engines.layout.work_area import (
    Floats,
    WorkArea,
    blur,
    count,
    distance,
    distance_to,
    sampled_pixels,
    work_area_of,
)
from core.types import Image, Mask

EDGE = 0.02
"""Opacity from which a pixel belongs to a part."""


@dataclass(frozen=True)
class CutPart:
    """A component lifted off its surface.

    alpha: float32 (h, w) in 0..1. colour: float32 (h, w, 3) in 0..255, free of old background where alpha > 0.
    centre: (y, x) in photo pixels, the point that moves and rotations keep. surface: mean RGB of the surface
    it lay on. band: pixels around the region in which its edge lies. thrown: its shadow as the photo has it, None
    where the part was turned and ``shadow``, the model, has to do with ``turned``, what of the light turns along.
    ``window`` places the arrays in the photo.
    """

    window: WorkArea
    alpha: Floats
    colour: Floats
    centre: tuple[float, float]
    band: float
    shadow: Shadow
    surface: Floats
    thrown: Thrown | None = None
    turned: TurnedLight | None = None

    @property
    def size(self) -> float:
        """The side in pixels of a square of the part's area."""
        return float(np.sqrt(max(self.alpha.sum(), 1.0)))

    @property
    def footprint(self) -> Mask:
        return self.alpha > EDGE


def cut_out_part(photo: Image, mask: Mask, others: Mask, with_shadow: bool = True) -> CutPart:
    """Lift the region ``mask`` off ``photo``; ``others`` are pixels of other parts. All (H, W)."""
    tight = work_area_of(mask)
    size = float(np.sqrt(count(mask[tight.slices])))
    band = band_width(photo, mask, others)
    edge = tight.grown(int(np.ceil(4 * band))).clipped(mask.shape)
    window = edge.grown(int(np.ceil(0.5 * size))).clipped(mask.shape)
    inner = mask[window.slices]
    other = others[window.slices] & ~inner
    alpha, colour = _matte(photo[edge.slices], mask[edge.slices], other[edge.slices_in(window)], band)
    luminance = cv2.cvtColor(photo[window.slices], cv2.COLOR_RGB2GRAY).astype(np.float32)
    away = distance_to(inner)
    bare = (away > band) & (distance_to(other) > 2 * band)
    shadow = fit_shadow(luminance, inner, bare, size) if with_shadow else Shadow()
    shade = shadow.cast(inner.astype(np.float32))
    rows, cols = np.nonzero(inner)
    centre = (float(rows.mean()) + window.y0, float(cols.mean()) + window.x0)
    near = bare & (away < 0.35 * size)
    surface = _surface_colour(photo[window.slices], near if count(near) > 20 else ~inner, shade)
    return CutPart(edge, alpha, colour, centre, band, shadow, surface)


def _surface_colour(pixels: Image, chosen: Mask, shade: Floats) -> Floats:
    """Median RGB of the chosen pixels, float32 (3,) in 0..255, as it is without the shadow."""
    if not chosen.any():
        return np.asarray(pixels.reshape(-1, 3).mean(0), np.float32)
    lit = sampled_pixels(pixels, chosen, 2000) / np.maximum(sampled_pixels(shade, chosen, 2000), 0.1)[:, None]
    return np.asarray(np.median(lit, axis=0), np.float32)


def _matte(photo: Image, inner: Mask, other: Mask, band: float) -> tuple[Floats, Floats]:
    """Opacity and unmixed colour in a thin band about the region's edge.

    I = a F + (1 - a) B, with F and B local means of what is surely part and surely surface; ``a`` is the
    least-squares answer, drawn towards the drawn edge where F and B look alike.
    """
    pixels = photo.astype(np.float32)
    inside, outside = distance(inner), distance_to(inner)
    signed = np.where(inner, inside - 0.5, 0.5 - outside)
    # All but the means is worked out on the band's pixels alone, as (N, 3).
    at = np.nonzero(np.abs(signed) <= band)
    fore = _local_mean(pixels, inner, inside / band, 1.2 * band, at)
    back = _local_mean(pixels, ~inner & ~other, outside / band, 1.2 * band, at)
    here, signed_here, step = pixels[at], signed[at], fore - back
    prior = np.clip(0.5 + signed_here / 1.5, 0, 1)
    trust = 3 * 12.0**2
    found = (_dot(here - back, step) + trust * prior) / (_dot(step, step) + trust)
    # Texture alone makes faint opacities far from the edge: stretched away.
    found = (found - 0.1) / 0.8
    alpha = (signed > 0).astype(np.float32)
    alpha[at] = np.clip(found, np.clip(signed_here / band, 0, 1), np.clip(1 + signed_here / band, 0, 1))
    alpha[at] = blur(alpha, 0.5)[at]
    alpha[other] = 0
    share = alpha[at][:, None]
    rest = here - (share * fore + (1 - share) * back)
    whole = np.clip(fore + rest * share / (share**2 + (1 - share) ** 2), 0, 255)
    pixels[at] = np.where(share >= 1, here, whole)
    return alpha, pixels


def _local_mean(
    pixels: Floats, chosen: Mask, depth: Floats, sigma: float, at: tuple[npt.NDArray[np.intp], ...]
) -> Floats:
    """Mean of the chosen pixels around each place ``at``, the deeper the weightier: float32 (N, 3).

    The overall mean where none is near, and the pixels themselves where none is chosen at all.
    """
    weight = np.clip(depth, 0.03, 1) ** 3 * chosen
    if (total := float(weight.sum())) <= 0:
        return pixels[at]
    weighted = pixels * weight[..., None]
    mean = np.array(cv2.sumElems(weighted)[:3], np.float32) / np.float32(total)
    spread = (blur(weighted, sigma)[at] + 1e-4 * mean) / (blur(weight, sigma)[at] + 1e-4)[:, None]
    return np.asarray(spread, np.float32)


def _dot(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.einsum("ij,ij->i", a, b), np.float32)
