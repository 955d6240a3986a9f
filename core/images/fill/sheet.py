"""Fill a hole by the light around it, with the surface's own grain, and its stripes carried on from rim to rim."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from scipy.interpolate import RBFInterpolator

from core.images.crop import crop_of_mask
from core.images.fill.grain import resampled_grain
from core.images.geometry import outer_rim
from core.images.poisson_equation import Field, membrane
from core.types import Mask

_LOW, _BROAD = 2.0, 8.0
"""Pixels over which the light is averaged at the rim, and from where on what varies is no grain, by default."""
_MEET = 5.0
"""Pixels inside a hole over which its grain passes into that of the rim."""
_POINTS, _LEAST = 240, 12
"""Points through which the light's sheet goes, and how many there must be."""
_STIFF = 0.2
"""How far the sheet may pass by its points, for their grain."""
_STRIDE = 4
_ROUNDS, _APART = 5, 3.0
"""Deviations from a bent sheet through the rim from which a point lies in other light: past a wall, in a corner."""
_BEYOND = 3.0
"""Levels by which the sheet may be brighter or darker than all that it goes through."""
_STRANGE = 5.0
"""Deviations from what is usual around from which a rim pixel is an edge and says nothing about the light."""
_ALONG = 7
"""Pixels along a stripe that say how bright it is."""
_COHERENT = 0.50
"""Grain runs in one direction from here on: 0 is none, 1 only one (Bigun and Granlund 1987)."""
_STRIPE_REACH = 90.0
"""Pixels after which a stripe has faded into others."""


def fill_sheet(
    image: Field, hole: Mask, sources: Mask, rng: np.random.Generator, reach: float, blotch: float = _BROAD
) -> Field:
    """``image``, float32 (h, w, 3) in 0..255, with ``hole`` filled: light from around, grain of the surface.

    ``sources``: bool (h, w), pixels outside the hole that show this surface. ``reach``: pixels around the hole in
    which its light is read; where nothing is there the nearest tell it. ``blotch``: pixels over which what varies is
    the surface's grain; what varies more slowly is light.
    """
    out = image.copy()
    box = crop_of_mask(hole, grow=2)
    usual = usual_surface(image, sources & ~hole)
    if box is None or not usual.any():
        return out
    texture = np.zeros_like(image)
    broad = image - masked_mean(image, usual, _BROAD)
    calm = cv2.dilate((sources & ~usual).astype(np.uint8), np.ones((9, 9), np.uint8)) == 0
    angle, coherence = direction((image - masked_mean(image, usual, 4.0)).mean(axis=2), calm & usual)
    striped = coherence >= _COHERENT
    if striped:
        texture = _stripes(broad, hole, usual, angle)
    # Blotches of a few pixels are the surface's own as its finest grain is: without them a fill looks blurred.
    fine = image - masked_mean(image, usual, _LOW if striped else blotch)
    grain = resampled_grain(fine, usual, box.shape, rng)
    if grain is not None:
        have, want = (_spread(texture, hole), _spread(broad, usual)) if striped else (0.0, 1.0)
        texture[box.slices] += np.float32(np.sqrt(np.clip(1 - (have / max(want, 1e-3)) ** 2, 0, 1))) * grain
    filled = light_sheet(image, usual, hole, reach) + texture
    if not striped:  # stripes come from the rim
        filled = filled + _meeting(image - filled, hole, usual)
    out[hole] = filled[hole]
    return out


def _meeting(step: Field, hole: Mask, usual: Mask) -> Field:
    """What a fill lacks at the hole's rim, ``step`` float32 (h, w, 3), fading out inside: the two grains meet there.

    Far inside the grain of the rim has nothing to say.
    """
    told = outer_rim(hole) & usual
    if not told.any():
        return np.zeros_like(step)
    inside = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3)
    sheet = membrane(np.where(told[..., None], step, 0).astype(np.float32), told)
    return np.asarray(sheet * np.exp(inside / -_MEET)[..., None], np.float32)


def usual_surface(image: Field, sources: Mask) -> Mask:
    """The sources less edges and lines: what stands out from its surroundings more than the surface's grain does."""
    fine = np.abs(image - masked_mean(image, sources, _LOW)).max(axis=2)
    at = np.flatnonzero(sources)
    if not at.size:
        return sources
    limit = _STRANGE * float(np.median(fine.ravel()[at[:: max(1, at.size // 4000)]])) + 3.0
    strange = cv2.dilate((sources & (fine > limit)).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return np.asarray(sources & ~strange, np.bool_)


def light_sheet(image: Field, usual: Mask, hole: Mask, reach: float) -> Field:
    """The thin plate through the light of the usual pixels around the hole, float32 (h, w, 3); told in the hole alone.

    Slopes and bends go on, as they would not in a membrane.
    """
    told = _rim(hole, usual, reach)
    low = masked_mean(image, usual, _LOW)
    at = np.argwhere(told)
    at = at[:: max(1, len(at) // _POINTS)]
    at = at[_of_one_light(at, low[at[:, 0], at[:, 1]])]
    levels = low[at[:, 0], at[:, 1]]
    plate = RBFInterpolator(
        at.astype(float), low[at[:, 0], at[:, 1]].astype(float), kernel="thin_plate_spline", smoothing=_STIFF * len(at)
    )
    box = crop_of_mask(hole, grow=_STRIDE)
    assert box is not None
    rows, columns = (np.arange(-(-n // _STRIDE) + 1) * _STRIDE for n in box.shape)
    grid = np.stack(np.meshgrid(rows + box.y0, columns + box.x0, indexing="ij"), axis=-1).reshape(-1, 2)
    coarse = plate(grid.astype(float)).reshape(len(rows), len(columns), 3).astype(np.float32)
    # Grid points lie on whole pixels, so that none is shifted.
    y, x = (np.arange(n, dtype=np.float32) / _STRIDE for n in box.shape)
    fine = cv2.remap(coarse, *np.meshgrid(x, y), interpolation=cv2.INTER_LINEAR)
    out = np.zeros_like(image)
    out[box.slices] = np.clip(fine, levels.min(axis=0) - _BEYOND, levels.max(axis=0) + _BEYOND)
    return out


def _of_one_light(at: npt.NDArray[np.intp], levels: Field) -> Mask:
    """Which of the points (N, 2) lie in one light: those that a bent sheet through most of them passes by closely."""
    if len(at) < 4 * _LEAST:
        return np.ones(len(at), np.bool_)
    rows, columns = (at - at.mean(axis=0)).T / max(np.ptp(at, axis=0).max(), 1)
    design = np.stack([np.ones(len(at)), rows, columns, rows * rows, columns * columns, rows * columns], axis=1)
    weights = np.ones(len(at))
    for _ in range(_ROUNDS):
        heavy = (design * weights[:, None]).T
        sheet = np.linalg.solve(heavy @ design + 1e-3 * np.eye(6), heavy @ levels)
        off = np.abs(levels - design @ sheet).max(axis=1)
        limit = _APART * 1.4826 * float(np.median(off)) + 1.0
        weights = np.clip(1 - (off / (1.5 * limit)) ** 2, 0, 1) ** 2
    return np.asarray(off <= limit, np.bool_)


def masked_mean(image: Field, chosen: Mask, sigma: float) -> Field:
    """Gaussian mean of the chosen pixels around each, float32 like ``image`` (h, w, c); 0 far from all of them."""
    weight = chosen.astype(np.float32)
    total = cv2.GaussianBlur(weight, (0, 0), sigma)
    held = cv2.GaussianBlur(image * weight[..., None], (0, 0), sigma)
    return np.asarray(held / np.maximum(total, 1e-4)[..., None], np.float32)


def direction(grey: Field, chosen: Mask) -> tuple[float, float]:
    """The angle in degrees, counter-clockwise from the rows, along which grain runs, and how much of it does, 0..1."""
    inner = cv2.erode(chosen.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, *order, scale=0.125)[inner] for order in ((1, 0), (0, 1)))
    if across.size < 50:
        return 0.0, 0.0
    xx, yy, xy = (float(np.vdot(a, b)) for a, b in ((across, across), (down, down), (across, down)))
    coherence = float(np.hypot(xx - yy, 2 * xy) / max(xx + yy, 1e-6))
    # The steepest direction is across the stripes; y points down.
    steepest = 0.5 * np.degrees(np.arctan2(2 * xy, xx - yy))
    return float(-(steepest + 90.0)), coherence


def _rim(hole: Mask, usual: Mask, reach: float) -> Mask:
    """Where the light is read: usual pixels close to the hole, or the nearest ones."""
    away = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 5)
    while np.count_nonzero(told := usual & (away <= reach)) < _LEAST:
        if reach > 2 * max(hole.shape):
            return usual
        reach *= 1.5
    return np.asarray(told, np.bool_)


def _spread(field: Field, chosen: Mask) -> float:
    return float(field[chosen].std()) if chosen.any() else 0.0


def _stripes(fine: Field, hole: Mask, usual: Mask, angle: float) -> Field:
    """Stripes that run at ``angle`` carried into the hole from both its ends, float32 (h, w, 3)."""
    height, width = hole.shape
    slant = (angle + 90.0) % 180.0 - 90.0
    if abs(slant) < 1.5:
        return _along_rows(fine, hole, usual)
    side = int(np.ceil(np.hypot(height, width))) + 2
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -slant, 1.0)
    turn[:, 2] += (side / 2 - width / 2, side / 2 - height / 2)
    turned = cv2.warpAffine(fine, turn, (side, side), flags=cv2.INTER_CUBIC)
    masks = [cv2.warpAffine(m.astype(np.float32), turn, (side, side)) > 0.5 for m in (hole, usual)]
    masks[0] = cv2.dilate(masks[0].astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    run = _along_rows(turned, masks[0], masks[1] & ~masks[0])
    back = cv2.invertAffineTransform(turn)
    return np.asarray(cv2.warpAffine(run, back, (width, height), flags=cv2.INTER_CUBIC), np.float32)


def _along_rows(fine: Field, hole: Mask, usual: Mask) -> Field:
    """Each row's level at the hole's left and right end, faded into one another and into nothing far inside."""
    out = np.zeros_like(fine)
    for y in np.flatnonzero(hole.any(axis=1)):
        inside = np.flatnonzero(np.diff(np.concatenate([[0], hole[y].astype(np.int8), [0]])))
        for x0, x1 in zip(inside[::2], inside[1::2], strict=True):
            ends = [_end(fine[y], usual[y], range(x0 - 1, max(x0 - 4 * _ALONG, -1), -1)),
                    _end(fine[y], usual[y], range(x1, min(x1 + 4 * _ALONG, hole.shape[1])))]  # fmt: skip
            x = np.arange(x0, x1) + 0.5
            weights = [np.exp(-(x - x0) / _STRIPE_REACH), np.exp(-(x1 - x) / _STRIPE_REACH)]
            share = np.clip((x1 - x) / (x1 - x0), 0, 1)
            for end, weight, part in zip(ends, weights, (share, 1 - share), strict=True):
                if end is not None:
                    out[y, x0:x1] += (weight * part)[:, None] * end
    return out


def _end(row: Field, usual: Mask, columns: range) -> Field | None:
    found = [row[x] for x in columns if usual[x]][:_ALONG]
    return np.mean(found, axis=0) if len(found) >= 3 else None
