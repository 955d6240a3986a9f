"""Where a part may go: inside the frame, on the surface it came from, clear of other parts."""

from __future__ import annotations

import cv2
import numpy as np

from core.engines.layout.cutout import CutPart
from core.engines.layout.work_area import Floats
from core.errors import InputError
from core.images.geometry import dilated
from core.types import Image, Mask

GRID = 128
"""Cells along the longer side of the coarse grid on which places are sought."""
UNEVEN = 6.0
"""Deviation in levels that one calm surface has at most; a wall or an edge under a part has more."""
MOST_UNEVEN = 2.0
"""The same for a lively surface, in deviations of its own."""


EDGE_LEVELS, OWN_EDGES, EDGE_SIGMA = 2.5, 3.0, 1.2
"""Levels per pixel from which there is an edge, at least so many times what is usual around the part; smoothed so."""
MOST_CROSSED = 0.01
"""Share of the cells under a part that may hold an edge."""


ADVICE = "drag the part to a place (Right and Down), lower Scale, choose another Region, or use Replace"
"""What helps, in the words of the form."""


class NoFreePlace(InputError):
    """The part fits nowhere; another region or seed may do."""


def free_shift(
    photo: Image, part: CutPart, blocked: Mask, rng: np.random.Generator, least: float, name: str
) -> tuple[int, int]:
    """A random (dy, dx) in whole pixels that puts the part on a free place much like the one it lay on.

    photo: the surface to lie on. blocked: bool (H, W) that the part's footprint may not touch. least: shortest
    way to go in pixels. Raises NoFreePlace. Shifts are whole cells and cells count as touched when one pixel is,
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
        raise NoFreePlace(
            f"layout: region {name!r} is larger than any free place; lower Scale or choose a smaller region"
        )
    kernel = foot.astype(np.float32)
    touched = cv2.matchTemplate(closed.astype(np.float32), kernel, cv2.TM_CCORR)
    ys, xs = np.mgrid[: touched.shape[0], : touched.shape[1]]
    way = np.hypot(ys - top, xs - left) * cell
    fits = (touched < 0.5) & (way >= max(least, cell))
    if not fits.any():
        raise NoFreePlace(
            f"layout: no free place for region {name!r} clear of the other regions, turned or not; "
            f"{ADVICE}, or tick Allow overlap"
        )
    small = _shrunk(photo, closed.shape, cell)
    even, ring = cv2.blur(small, (3, 3)), _ring(part, cell, closed)
    fits &= _spread(even, kernel) <= _most_spread(even, ring)
    edges = _edge_cells(photo, cell, closed.shape, ring)
    fits &= cv2.matchTemplate(edges, kernel, cv2.TM_CCORR) <= MOST_CROSSED * kernel.sum()
    if not fits.any():
        raise NoFreePlace(
            f"layout: no free place for region {name!r} that is all one surface, without a wall or an edge, "
            f"turned or not; {ADVICE}"
        )
    # A part of another make under the footprint is no worse than very strange.
    off = np.minimum(((small - part.surface) ** 2).sum(2), 60.0**2 * 3)
    cost = cv2.matchTemplate(off, kernel, cv2.TM_CCORR) / kernel.sum()
    limit = np.quantile(cost[fits], 0.2) * 1.1 + 1.0
    choices = np.argwhere(fits & (cost <= limit))
    y, x = choices[int(rng.integers(len(choices)))]
    return int(y - top) * cell, int(x - left) * cell


def _edge_cells(photo: Image, cell: int, shape: tuple[int, ...], ring: Mask) -> Floats:
    """1 where a cell holds an edge that the surface around the part does not have, else 0; float32 of ``shape``."""
    grey = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), EDGE_SIGMA)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *order, scale=0.125) for order in ((1, 0), (0, 1)))
    steep = np.hypot(across, down)
    below, after = shape[0] * cell - steep.shape[0], shape[1] * cell - steep.shape[1]
    steep = np.pad(steep, ((0, below), (0, after)))
    steepest = steep.reshape(shape[0], cell, shape[1], cell).max(axis=(1, 3))
    usual = float(np.median(steepest[ring])) if ring.any() else 0.0
    return np.asarray(steepest > max(EDGE_LEVELS, OWN_EDGES * usual), np.float32)


def _spread(small: Floats, kernel: Floats) -> Floats:
    """Standard deviation in levels of what lies under the footprint at each place, the liveliest channel's."""
    weight = kernel / kernel.sum()
    middle = small.reshape(-1, 3).mean(0)
    channels = cv2.split(small - middle)
    if np.array_equal(channels[0], channels[1]) and np.array_equal(channels[1], channels[2]):
        channels = channels[:1]
    found: list[Floats] = []
    for channel in channels:
        mean, power = (cv2.matchTemplate(field, weight, cv2.TM_CCORR) for field in (channel, channel * channel))
        found.append(power - mean * mean)
    return np.asarray(np.sqrt(np.maximum(np.maximum.reduce(found), 0)), np.float32)


def _most_spread(small: Floats, ring: Mask) -> float:
    """How uneven one surface may be, judged by neighbouring cells around the part; walls there count little."""
    pairs = ring[:, 2:] & ring[:, :-2]
    if not pairs.any():
        return float("inf")
    steps = np.abs(small[:, 2:] - small[:, :-2])[pairs]
    deviation = 1.4826 * float(np.median(steps, axis=0).max()) / 2**0.5
    return max(UNEVEN, MOST_UNEVEN * deviation)


def _ring(part: CutPart, cell: int, closed: Mask) -> Mask:
    """The free cells close around where the part lay."""
    foot = part.window.full_mask(part.footprint, (closed.shape[0] * cell, closed.shape[1] * cell))
    inner = _cells(foot, cell, 0, 0, edge=False)
    reach = 2 + max(2, round(0.2 * part.size / cell))
    ring: Mask = dilated(inner, reach) & ~dilated(inner, 2) & ~closed
    return ring


def _cells(mask: Mask, cell: int, above: int, before: int, edge: bool) -> Mask:
    """One bool per cell: is any of its pixels True? Pixels that fill up the border cells count as ``edge``."""
    height, width = mask.shape
    below, after = -(height + above) % cell, -(width + before) % cell
    padded = np.pad(mask.astype(np.float32), ((above, below), (before, after)), constant_values=edge)
    size = (padded.shape[1] // cell, padded.shape[0] // cell)
    return np.asarray(cv2.resize(padded, size, interpolation=cv2.INTER_AREA) > 0, np.bool_)


def _shrunk(photo: Image, shape: tuple[int, int], cell: int) -> Floats:
    """The mean colour of every cell: float32 (*shape, 3) in 0..255. Of large cells, every few pixels are taken."""
    every = max(1, cell // 4)
    below, after = shape[0] * cell - photo.shape[0], shape[1] * cell - photo.shape[1]
    if below or after:
        photo = cv2.copyMakeBorder(photo, 0, below, 0, after, cv2.BORDER_REPLICATE)
    few = photo[::every, ::every].astype(np.float32)
    return np.asarray(cv2.resize(few, shape[::-1], interpolation=cv2.INTER_AREA), np.float32)
