"""A region and its surroundings at one size, so that a speck and a long crack are looked at alike."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import MaskError
from core.images.crop import crop_of_mask
from core.images.geometry import dilated
from core.types import Image, Mask

SIDE = 192
"""Pixels a side of a window."""
_MARGIN = 0.5
"""Surroundings on each side, as a share of the region's longer side."""
_LEAST = 32
"""Photo pixels a side that a window holds at least: fewer would show nothing but blown-up edges."""
_RING = 24
"""Width of the surroundings, in window pixels."""


@dataclass(frozen=True)
class RegionCrop:
    """A square cut around a region and resized to SIDE.

    ``image`` uint8 (SIDE, SIDE, 3) continues the photo's edge pixels beyond its frame. ``mask`` is the region,
    never empty, ``ring`` its surroundings on the photo; both bool (SIDE, SIDE). ``scale`` is window pixels per
    photo pixel.
    """

    image: Image
    mask: Mask
    ring: Mask
    scale: float


def crop_region(image: Image, mask: Mask) -> RegionCrop:
    """The window of region ``mask`` on ``image``; MaskError if the mask is empty."""
    box = crop_of_mask(mask, grow=0)
    if box is None:
        raise MaskError("region: its mask is empty; give a mask of the defect")
    reach = max(round(max(box.shape) * (1 + 2 * _MARGIN)), _LEAST)
    top, left = (box.y0 + box.y1 - reach) // 2, (box.x0 + box.x1 - reach) // 2
    height, width = mask.shape
    ys = np.clip(np.arange(top, top + reach), 0, height - 1)
    xs = np.clip(np.arange(left, left + reach), 0, width - 1)
    on_photo = ((ys == np.arange(top, top + reach))[:, None] & (xs == np.arange(left, left + reach))).astype(np.uint8)
    scale = SIDE / reach
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    pixels = np.asarray(cv2.resize(image[np.ix_(ys, xs)], (SIDE, SIDE), interpolation=how), np.uint8)
    share = _resized(mask[np.ix_(ys, xs)].astype(np.float32) * on_photo, how)
    # By half of the best covered pixel, not of a whole one: a hair-thin region on a large window covers none by half.
    region = share >= 0.5 * float(share.max())
    near = dilated(share > 0, _RING)
    ring = near & (share == 0) & (_resized(on_photo.astype(np.float32), how) > 0.5)
    return RegionCrop(pixels, np.asarray(region), np.asarray(ring), scale)


def _resized(values: npt.NDArray[np.float32], how: int) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.resize(values, (SIDE, SIDE), interpolation=how), np.float32)
