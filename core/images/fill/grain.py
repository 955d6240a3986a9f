"""Fill holes in plain surfaces: even light with a grain that looks the same everywhere."""

from __future__ import annotations

import cv2
import numpy as np

from core.images.crop import PhotoCrop, crop_of_mask
from core.images.geometry import dilated_square, outer_rim
from core.images.poisson_equation import Field, membrane
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
_NOT_GRAIN = 7.0
_LEAST_TILE = 12
_LEAST_RIM = 0.15
_RIM_SIGMA, _MEETING = 4.0, 5.0
_SLOPE_POINTS = 600


def fill_plain_surface(image: Field, hole: Mask, sources: Mask, rng: np.random.Generator) -> Field | None:
    """``image`` with its grain going on in ``hole``; None where the surface is not plain.

    ``image`` is float32 (h, w) or (h, w, c) in 0..255, ``sources`` the pixels that may be copied. Tiles of the
    surface, freed of shading, overlap at random so that their variance stays what it is; the light comes as a
    smooth sheet from the rim. Rim pixels that may not be copied say nothing about the light.
    """
    box = crop_of_mask(hole)
    if box is None or not is_plain(image, hole, sources):
        return None
    # Means that lie to one side are biased by a slope of the light: it is put back at the end.
    slope = _slope(image, sources)
    flat = image - slope
    grain = resampled_grain(flat, sources, box.shape, rng)
    if grain is None:
        return None
    inside, here = hole[box.slices], flat[box.slices]
    rim = outer_rim(inside)
    told = rim & sources[box.slices]
    if told.sum() < _LEAST_RIM * rim.sum():
        return None
    out = image.copy()
    filled = grain + _light(flat, hole, sources, box, told)
    step = here - filled
    told &= _usual(step, told)
    # At the rim the two grains are made to meet, but what they differ by has nothing to say far inside.
    fade = np.exp(cv2.distanceTransform(inside.view(np.uint8), cv2.DIST_L2, 3) / -_MEETING)
    filled += membrane(step, told) * (fade if image.ndim == 2 else fade[..., None])
    out[box.slices][inside] = (filled + slope[box.slices])[inside]
    return out


def _light(image: Field, hole: Mask, sources: Mask, box: PhotoCrop, told: Mask) -> Field:
    """The surface's light over the box, from its mean within a few pixels of the rim."""
    wide = crop_of_mask(hole, grow=1 + int(3 * _RIM_SIGMA))
    assert wide is not None
    low = _low_pass(image[wide.slices], sources[wide.slices].astype(np.float32), _RIM_SIGMA)
    top, left = box.y0 - wide.y0, box.x0 - wide.x0
    return membrane(low[top : top + box.shape[0], left : left + box.shape[1]], told)


def _slope(image: Field, sure: Mask) -> Field:
    """The plane through the sure pixels, as float32 of the picture's shape."""
    at = np.flatnonzero(sure)
    at = at[:: max(1, len(at) // _SLOPE_POINTS)]
    rows, columns = np.divmod(at, sure.shape[1])
    design = np.stack([np.ones(len(at)), rows, columns], axis=1).astype(np.float32)
    values = image[rows, columns].reshape(len(at), -1)
    normal = design.T @ design + np.eye(3, dtype=np.float32)
    plane = np.linalg.solve(normal, design.T @ values).astype(np.float32)
    down, along = (np.arange(n, dtype=np.float32) for n in sure.shape)
    field = plane[0] + down[:, None, None] * plane[1] + along[None, :, None] * plane[2]
    return np.asarray(field.reshape(image.shape), np.float32)


def is_plain(image: Field, hole: Mask, sources: Mask) -> bool:
    """Is what lies around ``hole`` nothing but even grain? Judged near it, and farther off at a lower resolution."""
    luminance = image if image.ndim == 2 else np.ascontiguousarray(image.mean(axis=2))
    box = crop_of_mask(hole, grow=_NEAR)
    assert box is not None
    if not _has_even_grain(luminance[box.slices], hole[box.slices], sources[box.slices], _NEAR):
        return False
    scale = -(-max(hole.shape) // _STATISTIC_SIDE)
    if scale == 1:
        return _has_even_grain(luminance, hole, sources, max(hole.shape))
    size = (hole.shape[1] // scale, hole.shape[0] // scale)
    fields = (luminance, sources.astype(np.float32), hole.astype(np.float32))
    small, share, inside = (cv2.resize(field, size, interpolation=cv2.INTER_AREA) for field in fields)
    return _has_even_grain(small, inside > 0, share > 0.999, max(size))


def _has_even_grain(image: Field, hole: Mask, sources: Mask, reach: int) -> bool:
    sure = sources.view(np.uint8).astype(np.float32)
    count = float(sure.sum())
    if count < 30:
        return True
    rest = (image - _low_pass(image, sure, max(4.0, min(hole.shape) / 10))) * sure
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
    rim = dilated_square(hole, 3) & sources
    return float(out[rim].sum()) <= _MOST_OUT_RIM * rim.sum() and _coherence(rest, sure) < _MOST_COHERENT


def _coherence(rest: Field, sure: Field) -> float:
    inner = cv2.erode(sure, np.ones((3, 3), np.uint8))
    across, down = (cv2.Sobel(rest, -1, *order) * inner for order in ((1, 0), (0, 1)))
    xx, yy, xy = (float(np.vdot(a, b)) for a, b in ((across, across), (down, down), (across, down)))
    return float(np.hypot(xx - yy, 2 * xy) / max(xx + yy, 1e-6))


def _low_pass(image: Field, sure: Field, sigma: float) -> Field:
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


def resampled_grain(image: Field, sources: Mask, shape: tuple[int, int], rng: np.random.Generator) -> Field | None:
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
    rest = image - _low_pass(image, sure, max(3.0, side / 3))
    if side >= max(shape):
        at = int(rng.integers(len(ys)))
        return _level(rest[tops[at] : tops[at] + shape[0], lefts[at] : lefts[at] + shape[1]], 1.0)
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
        tile = rest[tops[at] : tops[at] + side, lefts[at] : lefts[at] + side]
        total[y : y + side, x : x + side] += weight * _level(tile, weight)
        power[y : y + side, x : x + side] += window * window
    spread = np.sqrt(np.maximum(power, 1e-3))
    total /= spread if image.ndim == 2 else spread[..., None]
    return total[: shape[0], : shape[1]]


def _level(tile: Field, weight: Field | float) -> Field:
    """The tile less its weighted mean."""
    mean = (tile * weight).mean(axis=(0, 1)) / np.mean(weight)
    return np.asarray(tile - mean, np.float32)


def _usual(step: Field, told: Mask) -> Mask:
    """Rim pixels that do not stand out: a trace of what was taken away would smear into the hole."""
    level = step if step.ndim == 2 else step.mean(axis=2)
    known = level[told]
    middle = float(np.median(known))
    limit = _NOT_GRAIN * 1.4826 * float(np.median(np.abs(known - middle))) + 10.0
    usual: Mask = np.abs(level - middle) <= limit
    return usual
