"""Fill holes in plain surfaces: even light with a grain that looks the same everywhere."""

from __future__ import annotations

import cv2
import numpy as np

from core.images.crop import box_of
from core.images.poisson import Field, membrane
from core.types import Mask

_STATISTIC_SIDE = 112
"""A surface is judged plain on a picture of about this many pixels a side, and near the hole at full resolution."""
_NEAR = 12
_STRONG = 16.0
_COARSE = 7.5
"""Deviations of the grain, and of what is left of it after a blur, above which it is a texture with things in it."""
_FAINT = 1.5
_MOST_COHERENT = 0.27
"""Grain runs in no direction: 0 is none, 1 only one (Bigun and Granlund 1987)."""
_FAR_OUT = 4.5
_MOST_OUT, _MOST_OUT_RIM = 0.003, 0.03
_LEAST_TILE = 12
_LEAST_RIM = 0.15


def fill_plain(image: Field, hole: Mask, sources: Mask, rng: np.random.Generator) -> Field | None:
    """``image`` with its grain going on in ``hole``; None where the surface is not plain.

    ``image`` is float32 (h, w) or (h, w, c) in 0..255, ``sources`` the pixels that may be copied. Tiles of the
    surface, freed of shading, overlap at random so that their variance stays what it is; the light comes as a
    smooth sheet from the rim. Rim pixels that may not be copied say nothing about the light.
    """
    box = box_of(hole)
    if box is None or not is_plain(image, hole, sources):
        return None
    grain = _resampled(image, hole, sources, box.shape, rng)
    if grain is None:
        return None
    inside, here = hole[box.slices], image[box.slices]
    rim = (cv2.dilate(inside.view(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~inside
    told = rim & sources[box.slices]
    if told.sum() < _LEAST_RIM * rim.sum():
        return None
    step = here - grain
    told &= _usual(step, told)
    out = image.copy()
    out[box.slices] = np.where(inside if image.ndim == 2 else inside[..., None], grain + membrane(step, told), here)
    return out


def is_plain(image: Field, hole: Mask, sources: Mask) -> bool:
    """Is what lies around ``hole`` nothing but even grain? Judged near it, and farther off at a lower resolution."""
    luminance = image if image.ndim == 2 else np.ascontiguousarray(image.mean(axis=2))
    box = box_of(hole, grow=_NEAR)
    assert box is not None
    if not _even(luminance[box.slices], hole[box.slices], sources[box.slices], _NEAR):
        return False
    scale = -(-max(hole.shape) // _STATISTIC_SIDE)
    if scale == 1:
        return _even(luminance, hole, sources, max(hole.shape))
    size = (hole.shape[1] // scale, hole.shape[0] // scale)
    small, share = (cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in (luminance, sources.view(np.uint8) * 255))
    inside = cv2.resize(hole.view(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) > 0
    return _even(small, inside, share == 255, max(size))


def _even(image: Field, hole: Mask, sources: Mask, reach: int) -> bool:
    sure = sources.view(np.uint8).astype(np.float32)
    count = float(sure.sum())
    if count < 30:
        return True
    rest = (image - _low(image, sure, max(4.0, min(hole.shape) / 10))) * sure
    power = cv2.mean(rest * rest)[0] * rest.size / count
    if power < _FAINT**2:
        return True
    soft = cv2.GaussianBlur(rest, (0, 0), 2.0)
    coarse = float((soft * soft * sure).sum()) / count
    if power > _STRONG**2 or coarse > _COARSE**2:
        return False
    limit = _FAR_OUT * 1.4826 * float(np.median(np.abs(rest[sources]))) + 1.0
    out = np.abs(rest) > limit
    if out.sum() > _MOST_OUT * count:
        return False
    rim = (cv2.dilate(hole.view(np.uint8), np.ones((7, 7), np.uint8)) > 0) & sources
    return float(out[rim].sum()) <= _MOST_OUT_RIM * rim.sum() and _coherence(rest, sure) < _MOST_COHERENT


def _coherence(rest: Field, sure: Field) -> float:
    inner = cv2.erode(sure, np.ones((3, 3), np.uint8))
    across, down = (cv2.Sobel(rest, -1, *order) * inner for order in ((1, 0), (0, 1)))
    xx, yy, xy = (float(np.vdot(a, b)) for a, b in ((across, across), (down, down), (across, down)))
    return float(np.hypot(xx - yy, 2 * xy) / max(xx + yy, 1e-6))


def _low(image: Field, sure: Field, sigma: float) -> Field:
    """The mean of the sure pixels around each, with Gaussian weights, worked out at a lower resolution."""
    scale = max(1, int(sigma / 2))
    size = (-(-image.shape[1] // scale), -(-image.shape[0] // scale))
    known = image * (sure if image.ndim == 2 else sure[..., None])
    known, sure = (cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in (known, sure))
    known, sure = (cv2.GaussianBlur(f, (0, 0), sigma / scale) for f in (known, sure))
    sure = np.maximum(sure, 1e-4)
    known /= sure if image.ndim == 2 else sure[..., None]
    out: Field = cv2.resize(known, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    return out


def _resampled(
    image: Field, hole: Mask, sources: Mask, shape: tuple[int, int], rng: np.random.Generator
) -> Field | None:
    """Grain for a box of ``shape``, mean 0; None where no tile of the surface is free."""
    free = cv2.distanceTransform(np.pad(sources, 1).view(np.uint8), cv2.DIST_C, 3)[1:-1, 1:-1]
    side = min(2 * int(free.max()) - 1, max(shape))
    if side < min(_LEAST_TILE, max(shape)):
        return None
    # A little smaller than the largest one, for a choice of places.
    if side < max(shape):
        side = max(_LEAST_TILE, int(0.8 * side))
    ys, xs = np.nonzero(free >= side // 2 + 1)
    tops, lefts = ys - side // 2, xs - side // 2
    sure = sources.view(np.uint8).astype(np.float32)
    rest = image - _low(image, sure, max(3.0, side / 3))
    if side >= max(shape):
        at = int(rng.integers(len(ys)))
        return rest[tops[at] : tops[at] + shape[0], lefts[at] : lefts[at] + shape[1]]
    step = side // 2
    down, along = (-(-(n - side) // step) + 1 if n > side else 1 for n in shape)
    total = np.zeros((step * (down - 1) + side, step * (along - 1) + side, *image.shape[2:]), np.float32)
    power = np.zeros(total.shape[:2], np.float32)
    bell = np.sin(np.pi * (np.arange(side, dtype=np.float32) + 0.5) / side)
    window = bell[:, None] * bell
    weight = window if image.ndim == 2 else window[..., None]
    chosen = rng.integers(len(ys), size=down * along)
    for index, at in enumerate(chosen):
        y, x = step * (index // along), step * (index % along)
        total[y : y + side, x : x + side] += (
            weight * rest[tops[at] : tops[at] + side, lefts[at] : lefts[at] + side]
        )
        power[y : y + side, x : x + side] += window * window
    spread = np.sqrt(np.maximum(power, 1e-3))
    total /= spread if image.ndim == 2 else spread[..., None]
    return total[: shape[0], : shape[1]]


def _usual(step: Field, told: Mask) -> Mask:
    """Rim pixels that do not stand out: a trace of what was taken away would smear into the hole."""
    level = step if step.ndim == 2 else step.mean(axis=2)
    known = level[told]
    middle = float(np.median(known))
    limit = _FAR_OUT * 1.4826 * float(np.median(np.abs(known - middle))) + 4.0
    usual: Mask = np.abs(level - middle) <= limit
    return usual
