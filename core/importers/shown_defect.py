"""Which of several photos shows a defect where a mask lies: for masks whose names do not say whose they are."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.images import isolated
from core.importers.source_entry import SourceEntry
from core.types import Mask

RING_PX = 4
_CLEAR = 20.0
"""A defect that is this many grey levels off its surroundings is seen."""
_ALIKE = 0.9
_MOST_OPENED = 32


def contrast(grey: npt.NDArray[np.float64], mask: Mask) -> float:
    """How far the mean of ``grey`` (H, W) inside a mask bool (H, W) is from that around it; 0 if they do not fit."""
    if mask.shape != grey.shape or not mask.any():
        return 0.0
    side = 2 * RING_PX + 1
    around = cv2.dilate(mask.view(np.uint8), np.ones((side, side), np.uint8)).astype(np.bool_) & ~mask
    return abs(float(grey[mask].mean()) - float(grey[around].mean())) if around.any() else 0.0


def photo_that_shows(mask: SourceEntry, photos: Sequence[SourceEntry]) -> SourceEntry | None:
    """The photo on which the mask lies most clearly on a defect, the first of those that show it alike; else None."""
    try:
        drawn = isolated.read_mask(mask.load(), name=mask.name)
        seen = [
            contrast(isolated.read_image(photo.load(), photo.name).mean(axis=2), drawn)
            for photo in photos[:_MOST_OPENED]
        ]
    except InputError:
        return None
    if not seen or max(seen) < _CLEAR:
        return None
    return next(photo for photo, clear in zip(photos, seen, strict=False) if clear >= _ALIKE * max(seen))
