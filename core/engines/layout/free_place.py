"""Where a part may go: inside the frame, on the surface it came from, clear of other parts."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.ground.aligned import OtherPhoto
from core.engines.layout.cutout import CutPart
from core.engines.layout.ground_edges import ground_edges
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


MOST_CROSSED = 0.01
"""Share of the cells under a part that may hold an edge."""
SLOPE_SIGMA, CLEARANCE = 0.8, 3
"""Cells by which slopes are smoothed, and around a part within which they count."""
NEAR = 0.35
"""Sides of the part by which it may reach beyond where parts are known to lie, and still lie on the same ground."""
NEARNESS, ROOM, BEST = 3, 1, 0.05
"""How much it counts that parts are known to lie near and that there is room about a place, where that it is calm and
of the part's own surface each count 1; the share of the possible places, the best ones, of which one is taken."""


ADVICE = "drag the part to a place (Right and Down), lower Scale, choose another Region, or use Replace"
"""What helps, in the words of the form."""


class NoFreePlace(InputError):
    """The part fits nowhere; another region or seed may do."""


@dataclass(frozen=True)
class OpenGround:
    """What a part may be laid on.

    photo: uint8 (H, W, 3), the surface. blocked: bool (H, W) that the part's footprint may not touch. taken: bool
    (H, W), where parts are known to lie, on this photo or on other good ones. others: other good photos.
    """

    photo: Image
    blocked: Mask
    taken: Mask
    others: tuple[OtherPhoto, ...] = ()


def free_shift(
    ground: OpenGround, part: CutPart, rng: np.random.Generator, least: float, name: str
) -> tuple[int, int]:
    """A random (dy, dx) in whole pixels that puts the part on a free place.

    The place is one surface without a wall or an edge. Of such places, one is drawn that is near to where parts are
    known to lie, with room about it, calm, and much like the surface that the part lay on. least: shortest way to go
    in pixels. Raises NoFreePlace. Shifts are whole cells and cells count as touched when one pixel is, so no chosen
    place touches a blocked pixel.
    """
    grid = _Grid.of(ground, part)
    if any(foot > whole for foot, whole in zip(grid.foot.shape, grid.closed.shape, strict=True)):
        raise NoFreePlace(
            f"layout: region {name!r} is larger than any free place; lower Scale or choose a smaller region"
        )
    touched = grid.under_foot(grid.closed.astype(np.float32))
    ys, xs = np.mgrid[: touched.shape[0], : touched.shape[1]]
    way = np.hypot(ys - grid.top, xs - grid.left) * grid.cell
    fits = (touched < 0.5) & (way >= max(least, grid.cell))
    if not fits.any():
        raise NoFreePlace(
            f"layout: no free place for region {name!r} clear of the other regions, turned or not; "
            f"{ADVICE}, or tick Allow overlap"
        )
    small, ring = _shrunk(ground.photo, grid.closed.shape, grid.cell), _ring(part, grid.cell, grid.closed)
    edges = ground_edges(ground.photo, ground.blocked, ground.others, grid.cell, ring)
    # Where a part lies on another photo there is no wall.
    walls = np.where(grid.taken, np.float32(0), edges.cells)
    fits &= grid.under_foot(walls) <= MOST_CROSSED * np.count_nonzero(grid.foot)
    # One photo alone does not tell a soft wall from shade; where parts lie near, it is shade.
    near = _reach(grid.taken, grid.foot) * grid.cell <= NEAR * part.size
    fits &= _even(small, grid.foot.astype(np.float32), ring) | (near & edges.lasting)
    if not fits.any():
        raise NoFreePlace(
            f"layout: no free place for region {name!r} that is all one surface, without a wall or an edge, "
            f"turned or not; {ADVICE}"
        )
    choices = _best_places(grid, part, fits, small, walls)
    y, x = choices[int(rng.integers(len(choices)))]
    return int(y - grid.top) * grid.cell, int(x - grid.left) * grid.cell


@dataclass(frozen=True)
class _Grid:
    """The photo in cells of ``cell`` pixels a side: ``closed``, where the part may not lie, and ``taken``, where parts
    are known to lie, bool (rows, columns); the part's footprint ``foot``, bool (h, w), and its corner."""

    cell: int
    closed: Mask
    taken: Mask
    foot: Mask
    top: int
    left: int

    @classmethod
    def of(cls, ground: OpenGround, part: CutPart) -> _Grid:
        cell = max(1, -(-max(ground.blocked.shape) // GRID))
        closed, taken = (_cells(m, cell, 0, 0, edge) for m, edge in ((ground.blocked, True), (ground.taken, False)))
        top, left = part.window.y0 // cell, part.window.x0 // cell
        foot = _cells(part.footprint, cell, part.window.y0 - top * cell, part.window.x0 - left * cell, edge=False)
        rows, cols = np.nonzero(foot)
        foot = foot[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]
        return cls(cell, closed, taken, foot, top + int(rows.min()), left + int(cols.min()))

    def under_foot(self, cells: Floats) -> Floats:
        """The sum of ``cells`` under the footprint at each place, float32."""
        return np.asarray(cv2.matchTemplate(cells, self.foot.astype(np.float32), cv2.TM_CCORR), np.float32)

    def about_foot(self, cells: Floats) -> Floats:
        """The sum of ``cells`` under and close around the footprint at each place, float32; outside the frame is 1."""
        wide = dilated(np.pad(self.foot, CLEARANCE), CLEARANCE).astype(np.float32)
        return np.asarray(
            cv2.matchTemplate(np.pad(cells, CLEARANCE, constant_values=1), wide, cv2.TM_CCORR), np.float32
        )


def _best_places(grid: _Grid, part: CutPart, fits: Mask, small: Floats, walls: Floats) -> npt.NDArray[np.intp]:
    """(N, 2) rows and columns of the places to choose from: near where parts lie, with room, calm, of the part's
    surface."""
    # A part of another make under the footprint is no worse than very strange.
    off = np.minimum(((small - part.surface) ** 2).sum(2), 60.0**2 * 3)
    crowd = np.rint(grid.about_foot(np.maximum(walls, grid.closed)))
    slope = _steepest(small, grid.closed, grid.foot)
    order = NEARNESS * _ranks(_reach(grid.taken, grid.foot)[fits]) + ROOM * _ranks(crowd[fits])
    order += _ranks(slope[fits]) + _ranks(grid.under_foot(off)[fits])
    return np.argwhere(fits)[order <= np.quantile(order, BEST)]


def _ranks(values: Floats) -> npt.NDArray[np.float64]:
    """The share of the values that are smaller: float64 of the same length, 0..1; equal ones have the same."""
    return np.searchsorted(np.sort(values), values) / values.size


def _reach(taken: Mask, foot: Mask) -> Floats:
    """How far, in cells, the footprint reaches at each place from cells where parts are known to lie: float32."""
    return _most_under(distance_to(taken), foot)


def _most_under(values: Floats, foot: Mask) -> Floats:
    """The largest value under ``foot`` at each of its places: float32."""
    most = cv2.dilate(values, foot.astype(np.uint8), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    rows, columns = values.shape[0] - foot.shape[0], values.shape[1] - foot.shape[1]
    return np.asarray(most[: rows + 1, : columns + 1], np.float32)


def _even(small: Floats, kernel: Floats, ring: Mask) -> Mask:
    """At which places the ground under the footprint is as even as that around the part; one bool per place."""
    smooth = cv2.blur(small, (3, 3))
    return np.asarray(_spread(smooth, kernel) <= _most_spread(smooth, ring), np.bool_)


def _steepest(small: Floats, closed: Mask, foot: Mask) -> Floats:
    """The steepest slope, in levels per cell, under and close around the footprint at each place: float32.

    ``small``: float32 (h, w, 3), the colour of every cell. A fillet or the foot of a wall is too soft for an edge but
    steep for a floor. What lies on closed cells and their rims tells nothing of the ground.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), (0, 0), SLOPE_SIGMA)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *order, scale=0.125) for order in ((1, 0), (0, 1)))
    slope = np.where(dilated(closed, 1), np.float32(0), np.hypot(across, down))
    wide = dilated(np.pad(foot, CLEARANCE), CLEARANCE)
    return _most_under(np.pad(slope, CLEARANCE), wide)


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
