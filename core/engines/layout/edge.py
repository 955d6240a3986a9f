"""How soft a region's edge is in the photo: a lens, or a loosely drawn mask, leaves part beyond the drawn line."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.layout.window import distance, distance_to, window_of
from core.types import Image, Mask

MIN_CONTRAST = 12.0
"""Difference in levels per channel between part and surface from which the edge's width can be read."""
MIN_LEAN = 0.04
"""Share of the part's colour that counts as a trace of it."""
SECTORS = 16
LIT_SECTOR = 12
"""Of the sectors around the part, ordered from the most shadowed, the one that is taken to be lit."""


def band_width(photo: Image, mask: Mask, others: Mask) -> float:
    """Half-width in pixels, 2 to 10, of the band in which the region's edge really lies. Masks are (H, W).

    It is read from how soon the colours outside stop leaning towards the part's: on the lit side, for a shadow
    looks like more of a dark part and hides the edge of a bright one.
    """
    tight = window_of(mask)
    size = float(np.sqrt(mask[tight.slices].sum()))
    least, most = float(np.clip(1.3 + 0.012 * size, 2.0, 5.0)), float(np.clip(0.05 * size + 2, 3.0, 10.0))
    window = tight.grown(int(2 * most + 3)).clipped(mask.shape)
    inner, pixels = mask[window.slices], photo[window.slices]
    outside, inside = distance_to(inner), distance(inner)
    bare = _around(inner) & (distance_to(others[window.slices] & ~inner) > 3)
    rim, far = (inside > most) & (inside < 2 * most), bare & (outside > most) & (outside < 2 * most)
    if rim.sum() < 20 or far.sum() < 20:
        return least
    fore, back = np.median(pixels[rim], axis=0), np.median(pixels[far], axis=0)
    step = fore - back
    if (power := float(step @ step)) < 3 * MIN_CONTRAST**2:
        return least
    bright = float(step.sum()) > 0
    for width in np.arange(1.0, most):
        rows, cols = np.nonzero(bare & (np.abs(outside - width) <= 0.5))
        lean = (pixels[rows, cols] - back) @ step / power
        means = np.sort(_sector_means(rows, cols, lean, inner))
        if not means.size:
            return least
        lit = means[::1 if bright else -1][min(LIT_SECTOR * means.size // SECTORS, means.size - 1)]
        if lit < MIN_LEAN:
            return max(least, float(width))
    return max(least, most)


def _around(inner: Mask) -> Mask:
    """What is outside the region but not in a hole of it."""
    ringed = np.pad(~inner, 1, constant_values=True).astype(np.uint8)
    _, labels = cv2.connectedComponents(ringed, connectivity=4)
    return np.asarray((labels == labels[0, 0])[1:-1, 1:-1], np.bool_)


def _sector_means(
    rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp], values: npt.NDArray[np.float64], inner: Mask
) -> npt.NDArray[np.float64]:
    """Mean of ``values`` at (rows, cols) per sector around the middle of ``inner``; empty sectors are left out."""
    ys, xs = np.nonzero(inner)
    turn = (np.arctan2(rows - ys.mean(), cols - xs.mean()) / (2 * np.pi)) % 1.0
    sector = np.minimum((turn * SECTORS).astype(int), SECTORS - 1)
    count = np.bincount(sector, minlength=SECTORS)
    return np.bincount(sector, values, minlength=SECTORS)[count > 0] / count[count > 0]
