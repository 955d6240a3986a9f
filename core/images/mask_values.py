"""Which pixels of a mask file are drawn: one rule for files of every kind."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core.images.decode import DecodedImage
from core.types import Mask

VOID = 255
"""The index, or the grey value beside class numbers, of pixels that belong to no class."""
MAX_IDS = 32
"""Whole numbers from 0 up to this are class or instance numbers: every one of them is drawn."""
_MAX_LEVELS = 64
"""A lossless mask has at most this many values; more come from lossy coding or soft brushes."""
_LOSSY = ("JPEG", "MPO", "WEBP")

Values = npt.NDArray[Any]


def drawn_pixels(decoded: DecodedImage) -> Mask:
    """bool (H, W), True where a mask file shows a defect.

    A palette file is read by index: 0 is background, 255 is void. Other files are read by value: numbers up to 32 are
    ids and all drawn but 0; else the pixels fall into background and foreground with the cut between the two, so that
    neither lossy coding nor anti-aliased rims widen the mask. Transparent pixels are not drawn; where nothing else
    tells, all that is opaque is. Alpha that is 0 everywhere tells nothing.
    """
    values = decoded.colour if decoded.colour.ndim == 2 else _heights(decoded.colour)
    mask = _above_background(values, lossy=decoded.format in _LOSSY)
    if decoded.indices is not None:
        mask = _by_index(decoded.indices, decoded.colour, mask)
    if decoded.alpha is not None and decoded.alpha.min() < 1 and decoded.alpha.max() > 0:
        opaque: Mask = decoded.alpha >= 0.5 if decoded.alpha.max() >= 0.5 else decoded.alpha > 0
        drawn = mask & opaque
        mask = drawn if drawn.any() else opaque
    return mask


def _heights(colour: Values) -> Values:
    """(H, W): how far each pixel is from the background, the highest channel where that is black or dark.

    On a bright background (red on white) the channels' maxima tell nothing; there the ground is the commonest colour.
    """
    highest: Values = colour.max(axis=2)
    if colour.dtype != np.uint8 or np.array_equal(highest, colour.min(axis=2)):
        return highest
    codes = colour.astype(np.int64) @ (1 << 16, 1 << 8, 1)
    known, counts = np.unique(codes, return_counts=True)
    ground = int(known[counts.argmax()])
    ground_colour = np.array([ground >> 16, ground >> 8 & 255, ground & 255], np.int16)
    if 2 * counts.max() < codes.size or int(ground_colour.max()) == int(highest.min()) < int(highest.max()):
        return highest
    apart = np.abs(colour.astype(np.int16) - ground_colour).max(axis=2)
    return np.asarray(apart, np.uint8)


def _by_index(indices: npt.NDArray[np.uint8], colour: Values, by_value: Mask) -> Mask:
    """By index, but for a palette that is a grey ramp: its indices are grey values, or in any order."""
    mask: Mask = (indices > 0) & (indices < VOID)
    grey = colour.ndim == 2 or bool((colour.max(axis=2) == colour.min(axis=2)).all())
    return by_value if grey and (not mask.any() or mask.mean() > 0.5) else mask


def _above_background(values: Values, lossy: bool) -> Mask:
    """bool (H, W): the pixels of ``values`` (H, W), of any number type, above the background."""
    if values.dtype == np.bool_:
        return values
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = values.min(), values.max()
    if low == high or (values.dtype.kind in "ui" and low >= 0 and high <= MAX_IDS):
        mask: Mask = values > 0
        return mask
    levels = None if lossy else _levels(values)
    if levels is None:
        return np.asarray(values > _between_clusters(values), np.bool_)
    background, first, void = levels
    mask = values > (float(background) + float(first)) / 2
    return mask & (values != VOID) if void else mask


def _levels(values: Values) -> tuple[float, float, bool] | None:
    """Background, the darkest foreground, and whether 255 is void; None where there are too many values to tell.

    A value counts where a pixel of it has only its like around it, or where few of its pixels touch a brighter one:
    the values of an anti-aliased rim do neither.
    """
    known = _known(values)
    if len(known) > _MAX_LEVELS:
        return None
    if len(known) == 2:
        return float(known[0]), float(known[1]), False
    inside = {float(v): _has_inside(values, v) for v in known[1:]}
    solid = [float(v) for v in known[1:] if inside[float(v)] or not _is_rim(values, v)]
    ids = [v for v in solid if v != VOID]
    void = known[-1] == VOID and not inside[float(VOID)] and bool(ids) and ids[-1] <= MAX_IDS
    return float(known[0]), solid[0], bool(void)


def _known(values: Values) -> Values:
    """The values there are, in order; without sorting all of them where there are but 256."""
    if values.dtype != np.uint8:
        return np.unique(values)
    return np.flatnonzero(cv2.calcHist([np.ascontiguousarray(values)], [0], None, [256], [0, 256]))


def _has_inside(values: Values, value: Any) -> bool:
    same = (values == value).view(np.uint8)
    return bool(cv2.erode(same, np.ones((3, 3), np.uint8), borderValue=1).any())


def _is_rim(values: Values, value: Any) -> bool:
    beside = cv2.dilate((values > value).view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    same = values == value
    return int((beside & same).sum()) * 2 > int(same.sum())


def _between_clusters(values: Values) -> float:
    """The cut halfway between the means of two clusters that start at the two ends of ``values``."""
    flat = values.astype(np.float64).reshape(-1)
    cut = (flat.min() + flat.max()) / 2
    for _ in range(32):
        above = flat > cut
        if above.all() or not above.any():
            break
        moved = (flat[above].mean() + flat[~above].mean()) / 2
        if abs(moved - cut) < 1e-9:
            break
        cut = moved
    return float(cut)


def top_value(decoded: DecodedImage) -> int:
    """The highest value of a mask's pixels, which some formats name the defect by; 0 for values that are no number."""
    highest = float(decoded.colour.max()) if decoded.indices is None else float(decoded.indices.max())
    return int(highest) if np.isfinite(highest) else 0
