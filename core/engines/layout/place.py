"""Where a part may go: inside the frame, on the surface it came from, clear of other parts."""

from __future__ import annotations

import cv2
import numpy as np

from core.engines.layout.cut import Part
from core.engines.layout.window import Floats
from core.errors import InputError
from core.types import Image, Mask

GRID = 128
"""Cells along the longer side of the coarse grid on which places are sought."""


class NoPlace(InputError):
    """The part fits nowhere; another region or seed may do."""


def free_shift(
    photo: Image, part: Part, blocked: Mask, rng: np.random.Generator, least: float, name: str
) -> tuple[int, int]:
    """A random (dy, dx) in whole pixels that puts the part on a free place much like the one it lay on.

    photo: the surface to lie on. blocked: bool (H, W) that the part's footprint may not touch. least: shortest
    way to go in pixels. Raises NoPlace. Shifts are whole cells and cells count as touched when one pixel is,
    so no chosen place touches a blocked pixel.
    """
    height, width = blocked.shape
    cell = max(1, -(-max(height, width) // GRID))
    closed = _cells(blocked, cell, 0, 0, edge=True)
    top, left = part.window.y0 // cell, part.window.x0 // cell
    foot = _cells(part.footprint, cell, part.window.y0 - top * cell, part.window.x0 - left * cell, edge=False)
    rows, cols = np.nonzero(foot)
    foot = foot[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]
    top, left = top + rows.min(), left + cols.min()
    if foot.shape[0] > closed.shape[0] or foot.shape[1] > closed.shape[1]:
        raise NoPlace(f"layout: region {name!r} is larger than any free place; choose a smaller region")
    kernel = foot.astype(np.float32)
    touched = cv2.matchTemplate(closed.astype(np.float32), kernel, cv2.TM_CCORR)
    ys, xs = np.mgrid[: touched.shape[0], : touched.shape[1]]
    way = np.hypot(ys - top, xs - left) * cell
    fits = (touched < 0.5) & (way >= max(least, cell))
    if not fits.any():
        raise NoPlace(
            f"layout: no free place for region {name!r} clear of the other regions; "
            "give dx and dy, or allow overlap, or choose a smaller region"
        )
    cost = cv2.matchTemplate(_strangeness(photo, part.surface, closed.shape, cell), kernel, cv2.TM_CCORR)
    cost /= kernel.sum()
    limit = np.quantile(cost[fits], 0.2) * 1.1 + 1.0
    choices = np.argwhere(fits & (cost <= limit))
    y, x = choices[int(rng.integers(len(choices)))]
    return int(y - top) * cell, int(x - left) * cell


def _cells(mask: Mask, cell: int, above: int, before: int, edge: bool) -> Mask:
    """One bool per cell: is any of its pixels True? Pixels that fill up the border cells count as ``edge``."""
    height, width = mask.shape
    below, after = -(height + above) % cell, -(width + before) % cell
    padded = np.pad(mask, ((above, below), (before, after)), constant_values=edge)
    # Rows first: whole rows are joined many pixels at a time.
    rows = padded.reshape(padded.shape[0] // cell, cell, padded.shape[1]).any(axis=1)
    return np.asarray(rows.reshape(rows.shape[0], -1, cell).any(axis=2), np.bool_)


def _strangeness(photo: Image, surface: Floats, shape: tuple[int, int], cell: int) -> Floats:
    """Mean squared difference from the home surface's colour per cell: float32 of ``shape``."""
    below, after = shape[0] * cell - photo.shape[0], shape[1] * cell - photo.shape[1]
    padded = np.pad(photo, ((0, below), (0, after), (0, 0)), mode="edge") if below or after else photo
    small = cv2.resize(padded, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    off = ((small.astype(np.float32) - surface) ** 2).sum(2)
    # A part of another make under the footprint is no worse than very strange.
    return np.asarray(np.minimum(off, 60.0**2 * 3), np.float32)
