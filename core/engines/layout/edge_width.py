"""How soft a region's edge is in the photo: a lens, or a loosely drawn mask, leaves part beyond the drawn line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.layout.work_area import Floats, count, distance, distance_to, sampled_pixels, work_area_of
from core.types import Image, Mask

MIN_CONTRAST = 12.0
"""Difference in levels per channel between part and surface from which the edge's width can be read."""
MIN_LEAN = 0.04
"""Share of the part's colour that counts as a trace of it."""
SECTORS = 16
MOST_PIXELS = 1000
"""Pixels from which a typical colour is taken."""
LIT_SECTOR = 12
"""Of the sectors around the part, ordered from the most shadowed, the one that is taken to be lit."""


def band_width(photo: Image, mask: Mask, others: Mask) -> float:
    """Half-width in pixels, 2 to 10, of the band in which the region's edge really lies. Masks are (H, W).

    It is read from how soon the colours outside stop leaning towards the part's: on the lit side, for a shadow
    looks like more of a dark part and hides the edge of a bright one.
    """
    tight = work_area_of(mask)
    size = float(np.sqrt(count(mask[tight.slices])))
    least, most = float(np.clip(1.3 + 0.012 * size, 2.0, 5.0)), float(np.clip(0.05 * size + 2, 3.0, 10.0))
    window = tight.grown(int(2 * most + 3)).clipped(mask.shape)
    inner, pixels = mask[window.slices], photo[window.slices]
    outside, inside = distance_to(inner), distance(inner)
    bare = _around(inner) & (distance_to(others[window.slices] & ~inner) > 3)
    rim, far = (inside > most) & (inside < 2 * most), bare & (outside > most) & (outside < 2 * most)
    if count(rim) < 20 or count(far) < 20:
        return least
    fore, back = (np.median(sampled_pixels(pixels, chosen, MOST_PIXELS), axis=0) for chosen in (rim, far))
    step = fore - back
    if (power := float(step @ step)) < 3 * MIN_CONTRAST**2:
        return least
    bright = float(step.sum()) > 0
    for width, means in enumerate(_leans(pixels, bare, outside, most, (back, step / power)), start=1):
        if not means.size:
            return least
        lit = means[:: 1 if bright else -1][min(LIT_SECTOR * means.size // SECTORS, means.size - 1)]
        if lit < MIN_LEAN:
            return max(least, float(width))
    return max(least, most)


def _around(inner: Mask) -> Mask:
    """What is outside the region but not in a hole of it."""
    ringed = np.pad(~inner, 1, constant_values=True).astype(np.uint8)
    _, labels = cv2.connectedComponents(ringed, connectivity=4)
    return np.asarray((labels == labels[0, 0])[1:-1, 1:-1], np.bool_)


def _leans(
    pixels: Image, bare: Mask, outside: Floats, most: float, scale: tuple[npt.NDArray[Any], npt.NDArray[Any]]
) -> Iterator[npt.NDArray[np.float64]]:
    """Per whole pixel of distance below ``most``: how far the colours lean towards the part's, mean per sector
    around the middle, in rising order; empty sectors are left out. ``scale``: the surface's colour, and the
    direction in which to measure."""
    rows, cols = np.nonzero(bare & (outside < most))
    lean = (pixels[rows, cols] - scale[0]) @ scale[1]
    middle = (outside.shape[0] / 2, outside.shape[1] / 2)
    turn = (np.arctan2(rows - middle[0], cols - middle[1]) / (2 * np.pi)) % 1.0
    sector = np.minimum((turn * SECTORS).astype(int), SECTORS - 1)
    ring = np.rint(outside[rows, cols]).astype(int)
    rings = int(np.ceil(most)) + 1
    number = np.bincount(ring * SECTORS + sector, minlength=rings * SECTORS).reshape(-1, SECTORS)
    total = np.bincount(ring * SECTORS + sector, lean, minlength=rings * SECTORS).reshape(-1, SECTORS)
    for ring_number, ring_total in zip(number[1 : rings - 1], total[1 : rings - 1], strict=True):
        seen = ring_number > 0
        yield np.sort(ring_total[seen] / ring_number[seen])
