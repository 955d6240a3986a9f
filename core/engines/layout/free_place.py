"""Where a part may go: inside the frame, on the surface it came from, clear of other parts."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.layout.cutout import CutPart
from core.engines.layout.work_area import Floats, distance_to
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
SLOPE_SIGMA, CLEARANCE = 0.8, 3
"""Cells by which slopes are smoothed, and around a part within which they count."""
NEARNESS, BEST = 3, 0.05
"""How much more it counts that parts are known to lie near than that a place is calm or of the part's own surface; the
share of the possible places, the best ones, of which one is taken."""


ADVICE = "drag the part to a place (Right and Down), lower Scale, choose another Region, or use Replace"
"""What helps, in the words of the form."""


class NoFreePlace(InputError):
    """The part fits nowhere; another region or seed may do."""


@dataclass(frozen=True)
class OpenGround:
    """What a part may be laid on.

    photo: uint8 (H, W, 3), the surface. blocked: bool (H, W) that the part's footprint may not touch. taken: bool
    (H, W), where parts are known to lie, on this photo or on other good ones.
    """

    photo: Image
    blocked: Mask
    taken: Mask


def free_shift(
    ground: OpenGround, part: CutPart, rng: np.random.Generator, least: float, name: str
) -> tuple[int, int]:
    """A random (dy, dx) in whole pixels that puts the part on a free place.

    The place is one surface without a wall or an edge. Of such places, one is drawn that is near to where parts are
    known to lie, calm, and much like the surface that the part lay on. least: shortest way to go in pixels. Raises
    NoFreePlace. Shifts are whole cells and cells count as touched when one pixel is, so no chosen place touches a
    blocked pixel.
    """
    height, width = ground.blocked.shape
    cell = max(1, -(-max(height, width) // GRID))
    closed = _cells(ground.blocked, cell, 0, 0, edge=True)
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
    small = _shrunk(ground.photo, closed.shape, cell)
    fits &= _on_one_surface(ground.photo, part, closed, small, kernel)
    if not fits.any():
        raise NoFreePlace(
            f"layout: no free place for region {name!r} that is all one surface, without a wall or an edge, "
            f"turned or not; {ADVICE}"
        )
    choices = _best_places(part, fits, _reach(ground.taken, cell, closed, foot), small, closed, foot)
    y, x = choices[int(rng.integers(len(choices)))]
    return int(y - top) * cell, int(x - left) * cell


def _best_places(
    part: CutPart, fits: Mask, strange: Floats, small: Floats, closed: Mask, foot: Mask
) -> npt.NDArray[np.intp]:
    """(N, 2) rows and columns of the places to choose from: near where parts lie, calm, of the part's surface."""
    # A part of another make under the footprint is no worse than very strange.
    off = np.minimum(((small - part.surface) ** 2).sum(2), 60.0**2 * 3)
    cost = cv2.matchTemplate(off, foot.astype(np.float32), cv2.TM_CCORR)
    slope = _steepest(small, closed, foot)
    order = NEARNESS * _ranks(strange[fits]) + _ranks(slope[fits]) + _ranks(cost[fits])
    return np.argwhere(fits)[order <= np.quantile(order, BEST)]


def _ranks(values: Floats) -> npt.NDArray[np.float64]:
    """The share of the values that are smaller: float64 of the same length, 0..1; equal ones have the same."""
    return np.searchsorted(np.sort(values), values) / values.size


def _reach(taken: Mask, cell: int, closed: Mask, foot: Mask) -> Floats:
    """How far, in cells, the footprint reaches at each place from where parts are known to lie: float32."""
    away = distance_to(_cells(taken, cell, 0, 0, edge=False))
    most = cv2.dilate(away, foot.astype(np.uint8), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(most[: closed.shape[0] - foot.shape[0] + 1, : closed.shape[1] - foot.shape[1] + 1], np.float32)


def _on_one_surface(photo: Image, part: CutPart, closed: Mask, small: Floats, kernel: Floats) -> Mask:
    """At which places the footprint is even and crosses no edge; one bool per place."""
    cell = max(1, -(-max(photo.shape[:2]) // GRID))
    even, ring = cv2.blur(small, (3, 3)), _ring(part, cell, closed)
    edges = _edge_cells(photo, cell, closed.shape, ring)
    crossed = cv2.matchTemplate(edges, kernel, cv2.TM_CCORR)
    calm: Mask = (_spread(even, kernel) <= _most_spread(even, ring)) & (crossed <= MOST_CROSSED * kernel.sum())
    return calm


def _steepest(small: Floats, closed: Mask, foot: Mask) -> Floats:
    """The steepest slope, in levels per cell, under and close around the footprint at each place: float32.

    ``small``: float32 (h, w, 3), the colour of every cell. A fillet or the foot of a wall is too soft for an edge but
    steep for a floor. What lies on closed cells and their rims tells nothing of the ground.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), (0, 0), SLOPE_SIGMA)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *order, scale=0.125) for order in ((1, 0), (0, 1)))
    slope = np.where(dilated(closed, 1), np.float32(0), np.hypot(across, down))
    wide = dilated(np.pad(foot, CLEARANCE), CLEARANCE).astype(np.uint8)
    slope = np.pad(slope, CLEARANCE)
    most = cv2.dilate(slope, wide, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(most[: closed.shape[0] - foot.shape[0] + 1, : closed.shape[1] - foot.shape[1] + 1], np.float32)


def _edge_cells(photo: Image, cell: int, shape: tuple[int, ...], ring: Mask) -> Floats:
    """1 where a cell holds an edge that the surface around the part does not have, else 0; float32 of ``shape``."""
    grey = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), EDGE_SIGMA)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *order, scale=0.125) for order in ((1, 0), (0, 1)))
    steep = np.hypot(across, down)
    below, after = shape[0] * cell - steep.shape[0], shape[1] * cell - steep.shape[1]
    steep = np.pad(steep, ((0, below), (0, after)))
    steepest = steep.reshape(shape[0], cell, shape[1], cell).max(axis=(1, 3))
    usual = float(np.quantile(steepest[ring], 0.25)) if ring.any() else 0.0
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
