"""Small pictures that show an anomaly with its surroundings: a whole photo at 66 pixels shows none."""

from __future__ import annotations

from collections.abc import Sequence

from core.images import thumbnail_bytes
from core.types import Image, Mask

ROOM = 2.2
"""Side of a close-up in sizes of the mask's box."""
LEAST_SHARE = 1 / 6
"""Of the photo's shorter side that a close-up shows at least, so that one sees where on the part it is."""
SIDE = 320
"""Longer side of the picture in pixels."""

Box = tuple[int, int, int, int]


def close_up_box(box: Sequence[float], shape_hw: tuple[int, int]) -> Box:
    """(x0, y0, x1, y1) in pixels, ends exclusive: about the mask's ``box``, square where the photo (H, W) has room."""
    height, width = shape_hw
    x0, y0, x1, y1 = box
    side = round(max(ROOM * max(x1 - x0, y1 - y0), LEAST_SHARE * min(height, width), 32))
    wide, tall = min(side, width), min(side, height)
    left = min(max(round((x0 + x1 - wide) / 2), 0), width - wide)
    top = min(max(round((y0 + y1 - tall) / 2), 0), height - tall)
    return left, top, left + wide, top + tall


def close_up_bytes(image: Image, box: Box, mask: Mask | None = None) -> bytes:
    """A JPEG of the box, the mask outlined if given."""
    x0, y0, x1, y1 = box
    return thumbnail_bytes(image[y0:y1, x0:x1], SIDE, None if mask is None else mask[y0:y1, x0:x1])
