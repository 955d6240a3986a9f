"""Masks as vector outlines: sharp at every zoom of the browser, a few hundred bytes each."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from core.types import Mask

MAX_POINTS = 4000
"""Corners of one outline at most; finer masks are drawn a little rounder."""


def outline(mask: Mask) -> dict[str, Any]:
    """``{"path": SVG path data, "box": [x0, y0, x1, y1]}`` in image pixels, box corners exclusive at the end.

    ``mask`` bool (H, W). The path runs around the mask's pixels; an empty mask gives "" and the whole image.
    """
    height, width = mask.shape
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return {"path": "", "box": [0, 0, width, height]}
    # Padded, so that the outline of a mask at the frame is closed there too.
    padded = np.pad(mask.astype(np.uint8), 1)
    around = cv2.dilate(padded, np.ones((3, 3), np.uint8))
    found, _ = cv2.findContours(around, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    slack = max(0.5, min(height, width) / 1200)
    rings = [cv2.approxPolyDP(ring, slack, True)[:, 0, :] for ring in found]
    while sum(map(len, rings)) > MAX_POINTS:
        slack *= 2
        rings = [cv2.approxPolyDP(ring, slack, True)[:, 0, :] for ring in found]
    # From padded pixels to the middle of the image's pixels.
    corners = ("L".join(f"{x - 0.5:g} {y - 0.5:g}" for x, y in ring) for ring in rings if len(ring) > 1)
    path = "".join(f"M{ring}Z" for ring in corners)
    return {"path": path, "box": [int(cols[0]), int(rows[0]), int(cols[-1]) + 1, int(rows[-1]) + 1]}
