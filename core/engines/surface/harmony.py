"""A cut-out under the light and colour of its new place, and how its edge is best blended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.surface.surface import Pixels, Surface, luma
from core.engines.surface.transplant import mask_axes
from core.images.geometry import mask_box
from core.types import Mask

FloatMap = npt.NDArray[np.float32]
EdgeBlend = Literal["alpha", "feather", "poisson"]
_GAIN = (0.4, 2.5)
"""Least and greatest factor on lightness."""
_TILT = 0.3
"""How far light that falls off across the place may change the factor."""
_PLANE_POINTS = 60
_CRISP = 3.0
"""Step across an anomaly's outline, in the noise around it, from which on its edge is its own."""
_OFF = 6.0
"""Levels by which the surroundings still differ, from which on the edge is hidden by its gradients."""
_RELIEF = 6.0
_RELIEF_FIT = 0.2


def harmonised(patch: Pixels, photo: Pixels, old_ring: Mask, new_ring: Mask) -> Pixels:
    """``patch`` with lightness and colour of its surroundings (``old_ring`` of ``patch``) brought to those of the
    ``photo`` (``new_ring``), in Lab: lightness by a factor that may fall off across the place, colour by a shift.

    All float32 (h, w, 3) of one size, RGB 0..255; rings are bool (h, w).
    """
    if not old_ring.any() or not new_ring.any():
        return patch
    mine, theirs = _lab(patch), _lab(photo)
    old, new = np.median(mine[old_ring], axis=0), np.median(theirs[new_ring], axis=0)
    # Near black a factor says little: five levels of lightness are added on both sides.
    factor = float(np.clip((new[0] + 5) / (old[0] + 5), *_GAIN))
    falloff = _falloff(theirs[..., 0], new_ring) / _falloff(mine[..., 0], old_ring)
    lightness = (mine[..., :1] + 5) * factor * np.clip(falloff, 1 - _TILT, 1 + _TILT)[..., None] - 5
    lab = np.dstack([np.clip(lightness, 0, 100), mine[..., 1:] + (new - old)[1:]]).astype(np.float32)
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255, np.float32)


def fitting_blend(patch: Pixels, surface: Surface, crispness: float, ring: Mask) -> EdgeBlend:
    """How the edge of a harmonised patch is best hidden: not at all where it is the anomaly's own (``alpha``), by its
    gradients where the surroundings still differ (``poisson``), else by a ``feather``."""
    if crispness >= _CRISP or surface.two_tone is not None:
        return "alpha"
    gap = cv2.blur(luma(patch) - luma(surface.pixels), (5, 5))
    off = float(np.abs(gap[ring]).mean()) if ring.any() else 0.0
    return "poisson" if off > _OFF + surface.texture else "feather"


def edge_crispness(pixels: npt.NDArray[np.uint8], mask: Mask) -> float:
    """The step in lightness from just inside to just outside ``mask``, in the noise outside; 0 without an outside."""
    level = luma(pixels.astype(np.float32))
    disc = np.ones((3, 3), np.uint8)
    grown, shrunk = cv2.dilate(mask.astype(np.uint8), disc), cv2.erode(mask.astype(np.uint8), disc)
    inside, near = mask & (shrunk == 0), (grown > 0) & ~mask
    far = (cv2.dilate(grown, disc, iterations=3) > 0) & (grown == 0)
    if not near.any() or not far.any():
        return 0.0
    step = abs(float(level[inside].mean() - level[far].mean()))
    noise = float((level - np.asarray(cv2.blur(level, (5, 5))))[far].std())
    return step / (noise + 2.0)


def is_shaded(pixels: npt.NDArray[np.uint8], mask: Mask) -> bool:
    """Whether an anomaly shows where its light comes from: one side brighter than the part around it, the other
    darker, as a dent or a bump is. ``pixels`` uint8 (h, w, 3), ``mask`` bool (h, w)."""
    level = cv2.GaussianBlur(luma(pixels.astype(np.float32)), (0, 0), 1.5)
    around = (cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0) & ~mask
    ys, xs = np.nonzero(mask)
    if len(ys) < 24 or not around.any():
        return False
    values = level[ys, xs] - float(np.median(level[around]))
    design = np.stack([xs - xs.mean(), ys - ys.mean(), np.ones(len(xs))], axis=1)
    plane = design @ np.linalg.lstsq(design, values, rcond=None)[0]
    explained = float(plane.var() / max(values.var(), 1e-6))
    bright, dark = float(np.quantile(values, 0.9)), float(np.quantile(values, 0.1))
    noise = float((level - cv2.blur(level, (7, 7)))[around].std())
    least = _RELIEF + 2 * noise
    return explained >= _RELIEF_FIT and bright >= least and dark <= -least


@dataclass(frozen=True)
class PlaceLook:
    """``area`` in pixels and ``elongation`` (1 is round) of a mask; ``colour`` (Lab) and ``texture`` (spread of
    lightness) of what surrounds it."""

    area: int
    elongation: float
    colour: tuple[float, ...]
    texture: float

    def difference(self, other: PlaceLook) -> float:
        """0 for the same; 1 is about twice the size, or twice as long, or clearly another ground."""
        form = abs(np.log2(self.area / other.area)) + abs(np.log2(self.elongation / other.elongation))
        ground = float(np.linalg.norm(np.subtract(self.colour, other.colour))) / 15
        return float(form + ground + abs(self.texture - other.texture) / 6)


def described_place(photo: npt.NDArray[np.uint8], mask: Mask) -> PlaceLook:
    """A mask, bool (H, W), not empty, and its surroundings on a photo uint8 (H, W, 3)."""
    rows, cols = mask_box(mask, pad=10)
    crop, inside = photo[rows, cols].astype(np.float32), np.ascontiguousarray(mask[rows, cols])
    ring = (cv2.dilate(inside.astype(np.uint8), np.ones((17, 17), np.uint8)) > 0) & ~inside
    lab = _lab(crop)[ring if ring.any() else inside]
    spread = mask_axes(inside)[2]
    middle = tuple(float(v) for v in np.median(lab, axis=0))
    return PlaceLook(int(inside.sum()), float(spread[0] / spread[1]), middle, float(lab[:, 0].std()))


def _lab(pixels: Pixels) -> Pixels:
    """RGB 0..255 as Lab: L 0..100, a and b about -127..127."""
    return np.asarray(cv2.cvtColor(np.clip(pixels, 0, 255) / np.float32(255), cv2.COLOR_RGB2LAB), np.float32)


def _falloff(lightness: FloatMap, ring: Mask) -> FloatMap:
    """The plane through a ring's lightness, as shares of its middle; 1 where the ring is small. float32 (h, w)."""
    ys, xs = np.nonzero(ring)
    height, width = ring.shape
    if len(ys) < _PLANE_POINTS or np.ptp(ys) < height / 3 or np.ptp(xs) < width / 3:
        return np.ones(ring.shape, np.float32)
    every = max(1, len(ys) // 600)
    ys, xs = ys[::every], xs[::every]
    design = np.stack([(xs / width) - 0.5, (ys / height) - 0.5, np.ones(len(xs))], axis=1)
    slope_x, slope_y, middle = np.linalg.lstsq(design, lightness[ys, xs].astype(np.float64), rcond=None)[0]
    rows, cols = np.arange(height)[:, None] / height - 0.5, np.arange(width)[None] / width - 0.5
    plane = (slope_x * cols + slope_y * rows) / max(float(middle), 5.0)
    return np.asarray(1 + np.clip(plane, -_TILT, _TILT), np.float32)
