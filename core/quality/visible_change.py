"""Which pixels a person would see as changed."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import MaskError
from core.images.geometry import mask_box
from core.types import Image, Mask

VISIBLE_LEVELS = 8
"""Levels of 255 from which a difference counts. About 3 % of full scale: well above the 1-2 % at which an
edge becomes just noticeable on a calm surface, and above the noise and JPEG ripple of a camera (2-4 levels)."""

SPECK_PIXELS = 3
"""A lone change of fewer pixels than this is seen only when it is twice as strong."""

GAP_RADIUS = 2
"""Gaps up to twice this many pixels inside a change belong to it: a person sees the defect, not its noise."""

HOLE_PIXELS = 32
"""Enclosed holes up to this area belong to the change around them."""


FADES, RIM_REACH = (2.5, 4.0, 5.5), 8.0
"""Levels of the mean difference at which the soft rim of a change ends, and how many pixels it is wide at most."""

RIM_SIGMA = 1.5
"""Pixels over which that difference is averaged."""

MIN_VISIBLE_SHARE = 0.85
"""Share of a mask, rim and all, that visibly differs."""


def difference(before: Image, after: Image) -> npt.NDArray[np.uint8]:
    """Largest absolute channel difference per pixel: uint8 (H, W), 0..255, of two uint8 (H, W, 3) images."""
    b, g, r = cv2.split(cv2.absdiff(before, after))
    return np.asarray(cv2.max(cv2.max(b, g), r), np.uint8)


def visible_change(before: Image, after: Image, within: Mask) -> Mask:
    """The part of ``within`` in which ``after`` visibly differs from ``before``.

    ``before`` and ``after`` are uint8 (H, W, 3), ``within`` bool (H, W); the result is bool (H, W). A pixel
    counts from VISIBLE_LEVELS on in any channel; gaps and holes smaller than noise are closed, lone faint specks
    are dropped, thin lines stay. Undoing the change outside the result and asking again gives the same result.
    MaskError when the shapes differ.
    """
    if before.shape != after.shape or within.shape != before.shape[:2]:
        raise MaskError(
            f"visible change: expected two images and a mask of one size, got {before.shape[:2]}, "
            f"{after.shape[:2]} and {within.shape}; compare a sample with its own photo"
        )
    result = np.zeros(within.shape, np.bool_)
    rows, cols = mask_box(within, pad=GAP_RADIUS)
    if rows.stop == 0:
        return result
    inside = np.ascontiguousarray(within[rows, cols]).view(np.uint8)
    diff = difference(np.ascontiguousarray(before[rows, cols]), np.ascontiguousarray(after[rows, cols])) * inside
    changed = cv2.compare(diff, VISIBLE_LEVELS, cv2.CMP_GE)
    if cv2.countNonZero(changed):
        result[rows, cols] = (_closed(changed, diff) != 0) & (inside != 0)
    return result


def _closed(changed: npt.NDArray[np.uint8], diff: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    # Pieces are told apart after the dilation, so that dropping one cannot alter how another closes.
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * GAP_RADIUS + 1, 2 * GAP_RADIUS + 1))
    wide = cv2.dilate(changed, disc)
    wide[_specks(wide, changed, diff)] = 0
    filled = cv2.erode(wide, disc)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.bitwise_not(filled), connectivity=4)
    height, width = filled.shape
    x, y, w, h, area = stats.T
    hole = (area <= HOLE_PIXELS) & (x > 0) & (y > 0) & (x + w < width) & (y + h < height)
    hole[0] = False
    if hole.any():
        filled[hole[labels]] = 255
    return np.asarray(filled, np.uint8)


def _specks(wide: npt.NDArray[np.uint8], changed: npt.NDArray[np.uint8], diff: npt.NDArray[np.uint8]) -> Mask:
    count, labels = cv2.connectedComponents(wide, connectivity=8)
    points = changed != 0
    owner = labels[points]
    pixels = np.bincount(owner, minlength=count)
    strong = np.bincount(owner[diff[points] >= 2 * VISIBLE_LEVELS], minlength=count) > 0
    speck = (pixels < SPECK_PIXELS) & ~strong
    speck[0] = False
    return np.asarray(speck[labels], np.bool_) if speck.any() else np.zeros(wide.shape, np.bool_)


def change_with_rim(before: Image, after: Image, within: Mask) -> Mask:
    """What ``visible_change`` finds and the soft rim about it, as far as it is ``within``; bool (H, W) all.

    Cut at what is visible, a change that fades would leave its outline. So what differs by the least of FADES on the
    mean belongs to it too, with which still MIN_VISIBLE_SHARE of it all is visible.
    """
    sure = visible_change(before, after, within)
    box = mask_box(sure, pad=round(RIM_REACH) + 8)
    seen, bounds = sure[box], within[box]
    if not seen.any():
        return sure
    old, new = (np.ascontiguousarray(image[box]).astype(np.float32) for image in (before, after))
    apart = np.abs(cv2.GaussianBlur(new - old, (0, 0), RIM_SIGMA)).max(axis=2)
    away = cv2.distanceTransform((~seen).view(np.uint8), cv2.DIST_L2, 5)
    near = bounds & (away <= RIM_REACH)
    for fade in FADES:
        _, labels = cv2.connectedComponents((seen | near & (apart >= fade)).view(np.uint8), connectivity=4)
        met = np.unique(labels[seen])
        mask = np.asarray(np.isin(labels, met[met > 0]), np.bool_)
        if seen.sum() >= MIN_VISIBLE_SHARE * mask.sum():
            out = sure.copy()
            out[box] = mask
            return out
    return sure
