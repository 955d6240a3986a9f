"""Sizes of photos and masks: the one place where they are measured and resized.

Images are (H, W) or (H, W, C) of any dtype, masks bool (H, W); shapes are (rows, columns), lengths pixels.
"""

from __future__ import annotations

import cv2
import numpy as np

from core.types import Image


def shrunk_to(image: Image, longest: int) -> Image:
    """``image`` (H, W, 3) by area means so that neither side is more than ``longest``; itself where none is."""
    height, width = image.shape[:2]
    if max(height, width) <= longest:
        return image
    scale = longest / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
