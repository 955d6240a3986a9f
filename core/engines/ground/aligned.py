"""Other good photos of the product, laid on this one: shift, turn and scale, light, and how alike their grain is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core.images.geometry import dilated
from core.types import Image, Mask

Floats = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

ROUNDS = 2
"""Steps by which a photo is moved until its edges meet those of this one (Lucas and Kanade 1981)."""
MOST_SHIFT = 2.5
"""Pixels of one step at most."""
DARK = 4.0
"""Levels added before logarithms, so that black does not decide."""
FEW = 1500
"""Pixels from which the light is told."""
LEAST_KNOWN = 200
EDGE = 3
"""Pixels around a region of another photo that may still show its part."""


@dataclass(frozen=True)
class OtherPhoto:
    """Another good photo, uint8 (H, W, 3); ``matrix`` float64 (2, 3) takes its pixels to this photo's.

    ``parts``: bool (H, W), where its own regions lie, None where it has none.
    """

    pixels: Image
    matrix: Matrix
    parts: Mask | None = None


@dataclass(frozen=True)
class AlignedCrop:
    """Another photo as this one's camera and light would show it: float32 (h, w, 3) in 0..255.

    ``seen``: bool (h, w), inside the other photo. ``likeness``: correlation of the two photos' grain where both show
    the ground, -1..1. ``parts``: bool (h, w), where its parts and their edges lie; None where nobody named them.
    """

    levels: Floats
    seen: Mask
    likeness: float
    parts: Mask | None = None


def aligned_crop(photo: Image, known: Mask, other: OtherPhoto, top: int, left: int) -> AlignedCrop | None:
    """The ``other`` photo over the window ``photo``, uint8 (h, w, 3), whose corner is at (top, left) of its photo.

    ``known``: bool (h, w), where ``photo`` surely shows the ground. None where the two show too little in common.
    """
    matrix = _moved(photo, known, other, top, left)
    if matrix is None:
        return None
    crop, seen = _warped(other.pixels, matrix, photo.shape[:2])
    parts = None if other.parts is None else _laid(other.parts, matrix, photo.shape[:2])
    there = known & seen if parts is None else known & seen & ~parts
    if np.count_nonzero(there) < LEAST_KNOWN:
        return None
    levels = np.clip(crop * np.exp(_light(photo, crop, there)), 0, 255).astype(np.float32)
    return AlignedCrop(levels, seen, _likeness(photo, levels, there), parts)


def _moved(photo: Image, known: Mask, other: OtherPhoto, top: int, left: int) -> Matrix | None:
    """``other.matrix`` into the window, moved until the edges meet; None where too little is known."""
    target = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 1.0)
    slopes = cv2.Sobel(target, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(target, cv2.CV_32F, 0, 1, scale=0.125)
    matrix = other.matrix.copy()
    matrix[:, 2] -= (left, top)
    for _ in range(ROUNDS):
        crop, seen = _warped(other.pixels, matrix, photo.shape[:2])
        there = known & seen
        if np.count_nonzero(there) < LEAST_KNOWN:
            return None
        lit = crop * np.exp(_light(photo, crop, there))
        matrix[:, 2] += _step(target, lit, slopes, there)
    return matrix


def _warped(pixels: Image, matrix: Matrix, shape: Sequence[int]) -> tuple[Floats, Mask]:
    size = (shape[1], shape[0])
    crop = cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    whole = np.full(pixels.shape[:2], 255, np.uint8)
    seen = cv2.warpAffine(whole, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT) > 254
    return crop.astype(np.float32), seen


def _laid(parts: Mask, matrix: Matrix, shape: Sequence[int]) -> Mask:
    """The other photo's parts in the window, with their edges."""
    laid = cv2.warpAffine(parts.view(np.uint8), matrix, (shape[1], shape[0]), flags=cv2.INTER_NEAREST)
    return dilated(laid > 0, EDGE)


def _step(target: Floats, crop: Floats, slopes: tuple[Floats, Floats], known: Mask) -> npt.NDArray[np.float64]:
    """The shift (x, y) in pixels by which ``crop`` still misses; what is too different to be the same is left out."""
    grey = cv2.GaussianBlur(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)
    across, down = (s[known].astype(np.float64) for s in slopes)
    miss = (target - grey)[known].astype(np.float64)
    miss -= np.median(miss)
    scale = 1.4826 * float(np.median(np.abs(miss))) + 0.5
    # A wall that is off by a pixel differs by much, so the limit is wide.
    weight = (np.abs(miss) < 8 * scale).astype(np.float64)
    xx, yy, xy = (float((weight * a * b).sum()) for a, b in ((across, across), (down, down), (across, down)))
    ridge = 0.02 * scale**2 * known.sum() / 10
    # grey(x + d) = target(x): the crop's content has to move by -d.
    right = np.array([(weight * across * miss).sum(), (weight * down * miss).sum()])
    found = np.linalg.solve(np.array([[xx + ridge, xy], [xy, yy + ridge]]), right)
    return np.clip(-found, -MOST_SHIFT, MOST_SHIFT)


def _light(photo: Image, crop: Floats, known: Mask) -> Floats:
    """Log of the light here over that there: a plane for each channel, float32 (h, w, 3); what is no light is left
    out."""
    height, width = known.shape
    at = np.flatnonzero(known)
    rows, columns = np.divmod(at[:: max(1, at.size // FEW)], width)
    design = np.stack([np.ones(rows.size), rows / height - 0.5, columns / width - 0.5], axis=1)
    here, there = photo[rows, columns].astype(np.float64), crop[rows, columns].astype(np.float64)
    ratio = np.log((here + DARK) / (there + DARK))
    plane = np.zeros((3, 3))
    plane[0] = np.median(ratio, axis=0)
    for _ in range(4):
        rest = ratio - design @ plane
        off = largest(np.abs(rest))
        scale = 1.4826 * float(np.median(off)) + 0.004
        weight = np.clip(1 - (off / (4 * scale)) ** 2, 0, 1) ** 2
        heavy = design * weight[:, None]
        plane = np.linalg.solve(heavy.T @ design + 1e-3 * np.diag([0, 1, 1]) * len(at) ** 0.5, heavy.T @ ratio)
    down, along = np.arange(height) / height - 0.5, np.arange(width) / width - 0.5
    return np.asarray(plane[0] + down[:, None, None] * plane[1] + along[None, :, None] * plane[2], np.float32)


def _likeness(photo: Image, crop: Floats, known: Mask) -> float:
    inner = cv2.erode(known.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if np.count_nonzero(inner) < LEAST_KNOWN:
        return 0.0
    fine = []
    for picture in (photo.astype(np.float32), crop):
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        fine.append((cv2.GaussianBlur(grey, (0, 0), 0.8) - cv2.GaussianBlur(grey, (0, 0), 3.0))[inner])
    a, b = fine
    limits = [3 * 1.4826 * float(np.median(np.abs(v))) + 0.5 for v in (a, b)]
    usual = (np.abs(a) < limits[0]) & (np.abs(b) < limits[1])
    if np.count_nonzero(usual) < LEAST_KNOWN // 2:
        return 0.0
    a, b = a[usual] - a[usual].mean(), b[usual] - b[usual].mean()
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-6))


def largest(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The largest of three channels, (..., 3) to (...); numpy's own maximum over so short an axis is slow."""
    return np.asarray(np.maximum(np.maximum(values[..., 0], values[..., 1]), values[..., 2]))
