"""How far an edited photo is from the truth: levels, ghost, mask."""

from __future__ import annotations

import cv2
import numpy as np

from core.types import Image, Mask

NEAR, FAR = 3 / 512, 12 / 512
"""Half-width of the band along the outline, and how far the rings beside it reach; in sides of the photo."""
TELEA_RADIUS = 5


def error_levels(image: Image, levels: np.ndarray, where: Mask) -> float:
    """Mean absolute difference to the noiseless truth, in grey levels, over the true change."""
    return float(np.abs(image[where].astype(np.float32) - levels[where]).mean()) if where.any() else 0.0


def telea(photo: Image, hole: Mask) -> Image:
    """OpenCV's fill of the true change (Telea 2004), which knows exactly what to fill."""
    wide = cv2.dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8))
    filled = cv2.inpaint(cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), wide, TELEA_RADIUS, cv2.INPAINT_TELEA)
    return np.asarray(cv2.cvtColor(filled, cv2.COLOR_BGR2RGB), np.uint8)


def ghost(image: Image, levels: np.ndarray, outline: Mask, covered: Mask) -> float:
    """How much more the error changes along the outline of what is gone than beside it.

    Root mean square gradient of the error against the noiseless truth in a band along the outline, over that of the
    rings inside and outside; pixels of ``covered``, where another part lies now, do not count. 1 is no ghost.
    """
    side = max(image.shape[:2])
    error = cv2.GaussianBlur((image.astype(np.float32) - levels).mean(axis=2), (0, 0), 1.0 * side / 512)
    across, down = (cv2.Sobel(error, cv2.CV_32F, *order, scale=0.125) for order in ((1, 0), (0, 1)))
    energy = across**2 + down**2
    inside = cv2.distanceTransform(outline.astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((~outline).astype(np.uint8), cv2.DIST_L2, 5)
    away = np.maximum(inside, outside)
    near, far = NEAR * side, FAR * side
    band = (away <= near) & ~covered
    rings = [(d > 1.5 * near) & (d <= far) & ~covered for d in (inside, outside)]
    rings = [ring for ring in rings if ring.sum() >= 30]
    if band.sum() < 30 or not rings:
        return 1.0
    beside = float(np.mean([energy[ring].mean() for ring in rings]))
    return float(np.sqrt(energy[band].mean() / max(beside, 1e-6)))


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union; 1 where both are empty."""
    either = int((a | b).sum())
    return float((a & b).sum() / either) if either else 1.0
