"""How far each pixel of an anomaly is the anomaly's, and not what it lies on."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.masks.morphology import dilate, inner_distance
from core.types import Image, Mask

_BAND = 4.0
"""Pixels inside the outline, at most, where a pixel may be a mixture."""
_CLEAR = 10.0
"""Levels beyond the surroundings' noise from which on a pixel is the anomaly's alone."""


def soft_alpha(pixels: Image, mask: Mask, before: Image | None = None) -> npt.NDArray[np.float32]:
    """float32 (H, W) in 0..1: 0 outside ``mask``, 1 in its core, between them as much as a pixel differs
    from the part.

    ``pixels`` uint8 (H, W, 3) show the anomaly, ``before`` the same place without it. Without one, what lay under the
    anomaly is taken from its surroundings.
    """
    inside = inner_distance(np.pad(mask, 1))[1:-1, 1:-1]
    band = min(_BAND, 0.4 * float(inside.max()))
    core = np.clip(inside / (band + 1), 0, 1)
    ground = before if before is not None else _ground(pixels, mask)
    apart = np.abs(pixels.astype(np.float32) - ground.astype(np.float32)).max(axis=2)
    around = dilate(mask, 6) & ~dilate(mask, 1)
    noise = float(np.median(apart[around])) if before is None and around.any() else 2.0
    own = np.clip((cv2.blur(apart, (3, 3)) - noise) / (2 * noise + _CLEAR), 0, 1)
    return np.where(mask, np.maximum(core, own), 0).astype(np.float32)


def _ground(pixels: Image, mask: Mask) -> Image:
    """The surface without the anomaly, by continuing what surrounds it; outside, the same but smooth."""
    hole = dilate(mask, 2)
    if hole.all():
        return pixels
    filled = cv2.inpaint(np.ascontiguousarray(pixels), hole.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    return np.asarray(cv2.medianBlur(filled, 5), np.uint8)
