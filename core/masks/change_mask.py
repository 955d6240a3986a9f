"""The mask of what an editor changed: two photos of one part, laid on each other, light evened, cut by their noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import MaskError
from core.images.registration import register
from core.types import Image, Mask

Floats = npt.NDArray[np.float32]

REGISTERED_SIDE = 1024
"""Longer side in pixels at which the two photos are laid on each other."""
LOW_CUT, HIGH_CUT = 4.0, 8.0
"""A change is seen from ``HIGH_CUT`` times the noise on, and reaches as far as ``LOW_CUT`` times the noise."""
RIM = 0.25
"""Share of the strongest change within two pixels below which a pixel only shows the blur of its neighbours."""
FAINT_PX = 2.5
"""Sigma in pixels over which faint changes of some size are averaged, so that they stand out of the noise."""
LEAST_NOISE = 0.75
"""Noise in grey levels of two files that are equal but for the change: what rounding alone may do."""
SPECK_PX = 9
"""Changes of fewer pixels are noise, and holes of fewer pixels are filled."""
SAME_PART = 0.5
"""Correlation of the two photos below which they do not show the same part."""
_NOISE_BINS = 12
_MIN_IN_BIN = 200
_SAMPLED = 200_000
_QUANTILE, _SIGMAS = 0.8, 1.2816
"""The share of a normal distribution within so many deviations: tails count more than in the median."""
_ROUNDS = 3
_STILL = 5e-4
"""Gain in correlation below which the photo has not moved: noise alone may bring as much."""
_FLAT = 25.0
"""Variance in grey levels squared below which a surface tells little about the gain, which is then near 1."""


@dataclass(frozen=True)
class ChangeMask:
    """``mask`` bool (H, W): what changed. ``confidence`` float32 (H, W) in 0..1 is 0.5 at the cut between the two."""

    mask: Mask
    confidence: Floats


def change_mask(before: Image, after: Image) -> ChangeMask:
    """What changed from ``before`` to ``after``, both uint8 (H, W, 3); the mask lies on ``after``.

    ``before`` may be shifted, turned or scaled a little, and lit otherwise. MaskError if the two do not show the same
    part, or if nothing changed.
    """
    size = (after.shape[1], after.shape[0])
    if before.shape != after.shape:
        before = np.asarray(cv2.resize(before, size, interpolation=cv2.INTER_AREA), np.uint8)
    laid, covered, reach = _laid(before, after)
    fine, faint = _noise_units(laid.astype(np.float32), after.astype(np.float32), covered, reach)
    mask = _cleaned(_regions(fine, faint))
    if not mask.any():
        raise MaskError("before and after: nothing changed but noise; give the photo that was edited")
    confidence = 1 / (1 + np.exp(np.clip(LOW_CUT - np.maximum(fine, faint), -30, 30)))
    return ChangeMask(mask, np.where(covered, confidence, 0).astype(np.float32))


def relit(image: Image, like: Image, settled: Mask) -> Image:
    """``image`` in the light of ``like``, both uint8 (H, W, 3) of one size: gain and offset that vary slowly, learned
    where ``settled`` bool (H, W) says that the two show the same."""
    lit = _lit_as(image.astype(np.float32), like.astype(np.float32), settled)
    return np.asarray(np.clip(np.rint(lit), 0, 255), np.uint8)


def _laid(before: Image, after: Image) -> tuple[Image, Mask, int]:
    """``before`` on the pixels of ``after``, bool (H, W) where it covers them, and how many pixels it may be off."""
    everywhere: Mask = np.ones(after.shape[:2], np.bool_)
    if np.count_nonzero((before == after).all(axis=2)) * 2 > everywhere.size:
        return before, everywhere, 1  # saved by the editor as it was
    found = register(before, after, side=REGISTERED_SIDE)
    if found.quality < SAME_PART:
        raise MaskError(
            f"before and after: expected two photos of one part, they agree by {found.quality:.2f} "
            f"(least {SAME_PART}); check the pair"
        )
    if found.quality_as_is >= found.quality - _STILL:
        return before, everywhere, 1
    size = (after.shape[1], after.shape[0])
    laid = cv2.warpAffine(before, found.matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.full(before.shape[:2], 255, np.uint8), found.matrix, size, flags=cv2.INTER_CUBIC)
    return np.asarray(laid, np.uint8), np.asarray(inside > 254, np.bool_), 2


def _noise_units(before: Floats, after: Floats, covered: Mask, reach: int) -> tuple[Floats, Floats]:
    """Two float32 (H, W): how far pixels, and faint wide changes, are from what light and shift explain, in noise."""
    settled = covered.copy()
    fine = faint = np.zeros(after.shape[:2], np.float32)
    for _ in range(_ROUNDS):  # what changed must tell nothing about light and noise
        lit = _lit_as(before, after, settled)
        contrast, outside = _beyond_neighbours(lit, after, reach)
        beyond = cv2.GaussianBlur(outside, (0, 0), 0.7)
        fine = _worst(np.abs(beyond), _noise(contrast, after - lit, settled))
        wide = cv2.GaussianBlur(after - lit if reach == 1 else outside, (0, 0), FAINT_PX)
        faint = _worst(np.abs(wide), _noise(cv2.blur(contrast, (5, 5)), wide, settled))
        changed = cv2.dilate((np.maximum(fine, faint) > LOW_CUT).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        if np.count_nonzero(covered & ~changed) * 4 < covered.size:
            break  # too little is left to learn from
        settled = covered & ~changed
    return fine * covered, faint * covered


def _worst(apart: Floats, noise: Floats) -> Floats:
    return np.asarray((apart / noise).max(axis=2), np.float32)


def _lit_as(before: Floats, after: Floats, settled: Mask) -> Floats:
    """``before`` with the light of ``after``: a gain and an offset that vary slowly, over a sixth of the photo."""
    height, width = settled.shape
    small = (max(8, width // 16), max(8, height // 16))
    weight = settled.astype(np.float32)

    def slow(values: Floats) -> Floats:
        mean = cv2.resize(values * weight, small, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(mean, (0, 0), max(small) / 6), np.float32)

    share = np.maximum(slow(np.ones_like(weight)), 1e-3)
    lit = np.empty_like(before)
    for k in range(3):
        a, b = before[..., k], after[..., k]
        mean_a, mean_b = slow(a) / share, slow(b) / share
        spread, common = slow(a * a) / share - mean_a**2, slow(a * b) / share - mean_a * mean_b
        gain = np.clip((common + _FLAT) / (spread + _FLAT), 0.5, 2.0)
        gain_here, offset = (cv2.resize(v, (width, height)) for v in (gain, mean_b - gain * mean_a))
        lit[..., k] = a * gain_here + offset
    return lit


def _beyond_neighbours(before: Floats, after: Floats, reach: int) -> tuple[Floats, Floats]:
    """The range of values within ``reach`` pixels in ``before``, and how far ``after`` is outside it."""
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    high, low = cv2.dilate(before, square), cv2.erode(before, square)
    outside = np.maximum(0, after - high) + np.minimum(0, after - low)
    return np.asarray(high - low, np.float32), np.asarray(outside, np.float32)


def _noise(contrast: Floats, apart: Floats, settled: Mask) -> Floats:
    """float32 (H, W, 3): the noise of the difference ``apart``, by the contrast there: edges never fit quite."""
    found = np.full(apart.shape, LEAST_NOISE, np.float32)
    places = np.flatnonzero(settled)[:: max(1, settled.size // _SAMPLED)]
    for k in range(3 if places.size else 0):
        values, sizes = contrast[..., k].reshape(-1)[places], np.abs(apart[..., k].reshape(-1)[places])
        edges = np.unique(np.quantile(values, 1 - np.geomspace(1, 1e-3, _NOISE_BINS)))
        bins = np.searchsorted(edges[1:-1], values, side="right")
        levels: list[float] = []
        noise: list[float] = []
        for one in np.unique(bins):
            inside = sizes[bins == one]
            if inside.size >= _MIN_IN_BIN or not levels:
                levels.append(float(values[bins == one].mean()))
                noise.append(max(float(np.quantile(inside, _QUANTILE)) / _SIGMAS, LEAST_NOISE))
        found[..., k] = np.interp(contrast[..., k], levels, noise)
    return found


def _regions(fine: Floats, faint: Floats) -> Mask:
    """Changes that reach the high cut, as far as the low one; where only the average tells, as far as half of it."""
    sharp = _reaching(fine, LOW_CUT)
    wide = _reaching(faint, LOW_CUT)
    count, numbers = cv2.connectedComponents(wide.astype(np.uint8), connectivity=8)
    lone = np.ones(count, np.bool_)
    lone[np.unique(numbers[sharp])] = False
    lone[0] = False
    mask = sharp.copy()
    for number in np.flatnonzero(lone):
        here = numbers == number
        mask |= here & (faint > np.quantile(faint[here], 0.9) / 2)
    return mask


def _reaching(apart: Floats, low: float) -> Mask:
    peak = cv2.dilate(apart, np.ones((5, 5), np.uint8))
    mask = ((apart > low) & (apart > RIM * peak)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, numbers = cv2.connectedComponents(mask, connectivity=8)
    high = np.zeros(count, np.bool_)
    high[np.unique(numbers[apart > HIGH_CUT])] = True
    high[0] = False
    return np.asarray(high[numbers], np.bool_)


def _cleaned(mask: Mask) -> Mask:
    """``mask`` without specks and pinholes."""
    for turned in (False, True):
        part = (mask ^ turned).astype(np.uint8)
        count, numbers, stats, _ = cv2.connectedComponentsWithStats(part, connectivity=4 if turned else 8)
        small = stats[:, cv2.CC_STAT_AREA] < SPECK_PX
        small[0] = False
        mask = mask ^ small[numbers]
    return mask
