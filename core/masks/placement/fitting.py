"""Find a place on free ground for a shape, and cut it to the ground."""

from __future__ import annotations

from collections.abc import Callable
from math import atan2, pi
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from core.images.geometry import coverage
from core.masks.morphology import largest_component
from core.masks.placement.free_area import FreeArea
from core.types import Mask

ShapeDrawer = Callable[[float, float | None], Mask]
"""(area in px, direction of the long axis in radians or None for any) to a shape on a canvas that just fits it.

The same shape each time it is called, only larger or turned.
"""
Direction = float | Literal["edge", "middle"] | None
"""Of a shape's long axis: radians from x toward y, along the edge where it lies, on the middle line and along it,
or any."""
_MIN_SHARE_INSIDE = 0.97
"""Share of a shape that must lie on the ground."""
MAX_TRIES = 12
"""Places that are tried before a shape is made smaller or put elsewhere."""
_SHRINK = 0.7
MAX_TILT = 0.15
"""Radians either way by which a shape is turned that goes where an example of it lies."""


def fit_inside(
    maker: ShapeDrawer,
    area: float,
    ground: FreeArea,
    rng: np.random.Generator,
    direction: Direction,
    overflow: float = 0.0,
    within: Mask | None = None,
) -> Mask:
    """The shape somewhere on the ground: bool (H, W), not empty, a subset of the ground.

    Places are drawn evenly from all where it fits; where there is none the shape gets smaller until there is.
    ``direction`` in radians turns it; "edge" turns it along the edge nearest to its place; "middle" puts it on the
    ground's middle line and turns it along that. Up to ``overflow``, a share of it, may lie off the ground but
    ``within`` a mask (H, W) that holds the ground; then it is a subset of that.
    """
    fits = min(_MIN_SHARE_INSIDE, 1 - overflow)
    within = within if overflow else None
    while area >= 2:
        if direction == "middle":
            found = _fit_on_middle_line(maker, area, ground, rng, fits, within)
            if found is not None:
                return found
            area *= _SHRINK
            continue
        places = ground.draw_centres(rng, MAX_TRIES, 0.0)
        angle = _edge_direction(ground, places[0]) if direction == "edge" else direction
        patch = maker(area, angle)
        places = places if direction != "edge" else places[:1]
        room = 0.35 * min(patch.shape)
        if direction != "edge":
            places = np.concatenate([ground.draw_centres(rng, MAX_TRIES, room), places])
        found = _first_fit(patch, ground.mask, places, fits, within)
        if found is None and direction != "edge":
            found = _search(patch, ground, rng)
        if found is not None:
            return found
        area *= _SHRINK
    _, row, col = ground.deepest
    mask = np.zeros(ground.mask.shape, np.bool_)
    mask[row, col] = True
    return mask


def fit_near(
    maker: ShapeDrawer,
    area: float,
    ground: FreeArea,
    rng: np.random.Generator,
    centre: tuple[float, float],
    axis: float,
) -> Mask | None:
    """The shape near ``centre``, (row, column) as shares of the frame's sides: bool (H, W), a subset of the ground.

    Its long axis lies within MAX_TILT of ``axis`` in radians. What lies at the frame stays at it. None where it fits
    nowhere near.
    """
    sides = np.array(ground.mask.shape, np.float64)
    for spread in (0.04, 0.08, 0.16):
        near = np.array(centre) * sides + rng.normal(0, spread * sides.min(), (MAX_TRIES, 2))
        found = fit_at(maker, area, ground, rng, near, axis)
        if found is not None:
            return found
    return None


def fit_at(
    maker: ShapeDrawer, area: float, ground: FreeArea, rng: np.random.Generator, places: npt.NDArray[Any], axis: float
) -> Mask | None:
    """The shape at the first of ``places`` where it fits: bool (H, W), a subset of the ground.

    ``places`` are rows and columns (N, 2); those too near to the frame are moved away from it. The shape's long axis
    lies within MAX_TILT of ``axis``.
    """
    patch = maker(area, axis + float(rng.uniform(-MAX_TILT, MAX_TILT)))
    half = np.array(patch.shape) // 2
    most = np.maximum(np.array(ground.mask.shape) - np.array(patch.shape) + half, half)
    return _first_fit(
        patch, ground.mask, np.asarray(np.clip(np.round(places), half, most), np.int64), _MIN_SHARE_INSIDE
    )


def _fit_on_middle_line(
    maker: ShapeDrawer, area: float, ground: FreeArea, rng: np.random.Generator, fits: float, within: Mask | None
) -> Mask | None:
    points, directions = ground.middle_line
    for index in rng.permutation(len(points))[:MAX_TRIES]:
        patch = maker(area, float(directions[index]))
        place = np.round(points[index : index + 1, ::-1]).astype(np.int64)
        found = _first_fit(patch, ground.mask, place, fits, within)
        if found is not None:
            return found
    return None


def fit_along_edge(
    maker: ShapeDrawer,
    area: float,
    whole: FreeArea,
    free: FreeArea,
    rng: np.random.Generator,
    direction: float | Literal["edge"] | None,
) -> Mask | None:
    """The shape on the edge of ``whole`` and cut by it, a subset of ``free``; None where no place was found.

    It is drawn so much larger that what the cut leaves has the area asked for.
    """
    points, normals = whole.edge
    for _ in range(MAX_TRIES):
        index = int(rng.integers(len(points)))
        point, normal = points[index], normals[index]
        angle = atan2(normal[1], normal[0]) + pi / 2 if direction == "edge" else direction
        share_inside = float(rng.uniform(0.55, 1.0))
        drawn_area, best = area, None
        for _ in range(3):
            patch = maker(drawn_area, angle)
            mask = _on_edge(patch, point, normal, share_inside, free.mask)
            left = int(np.count_nonzero(mask))
            if left < 0.3 * drawn_area or left == 0:
                break
            best = mask
            if abs(left - area) <= 0.1 * area:
                return best
            drawn_area *= area / left
        if best is not None and 0.5 * area <= np.count_nonzero(best) <= 1.6 * area:
            return best
        area *= 0.9
    return None


def _edge_direction(ground: FreeArea, place: npt.NDArray[np.int64]) -> float:
    points, normals = ground.edge
    nearest = int(np.argmin(((points - place[::-1]) ** 2).sum(axis=1)))
    return atan2(normals[nearest, 1], normals[nearest, 0]) + pi / 2


def _first_fit(
    patch: Mask, ground: Mask, centres: npt.NDArray[np.int64], share: float, within: Mask | None = None
) -> Mask | None:
    """The patch at the first of the centres (N, 2) row, column where at least ``share`` of it is on the ground.

    It is cut to the ground, or to ``within``; there, at most a thirtieth may be lost.
    """
    height, width = patch.shape
    needed = share * np.count_nonzero(patch)
    if height > ground.shape[0] or width > ground.shape[1]:
        return None
    for row, col in centres:
        top, left = int(row) - height // 2, int(col) - width // 2
        if top < 0 or left < 0 or top + height > ground.shape[0] or left + width > ground.shape[1]:
            continue
        place = np.s_[top : top + height, left : left + width]
        common = ground[place] & patch
        if np.count_nonzero(common) >= needed:
            if within is not None:
                common = within[place] & patch
                if np.count_nonzero(common) < _MIN_SHARE_INSIDE * np.count_nonzero(patch):
                    continue
            return _placed(common, patch, ground.shape, top, left)
    return None


def _search(patch: Mask, ground: FreeArea, rng: np.random.Generator) -> Mask | None:
    """The patch at one of the places where it fits best, found by correlation on the reduced grid."""
    step = ground.step
    grid = ground.mask[step // 2 :: step, step // 2 :: step].astype(np.float32)
    size = (max(1, round(patch.shape[1] / step)), max(1, round(patch.shape[0] / step)))
    if size[0] > grid.shape[1] or size[1] > grid.shape[0]:
        return None
    kernel = coverage(patch, size[::-1])
    kernel /= kernel.sum()
    cover = cv2.matchTemplate(grid, kernel, cv2.TM_CCORR)
    good = np.flatnonzero(cover.reshape(-1) >= max(0.9, float(cover.max()) - 0.03))
    if not len(good):
        return None
    rows, cols = np.divmod(good[rng.integers(0, len(good), MAX_TRIES)], cover.shape[1])
    corner = np.stack([rows, cols], axis=1) * step
    return _first_fit(patch, ground.mask, corner + np.array(patch.shape) // 2, _MIN_SHARE_INSIDE)


def _on_edge(
    patch: Mask, point: npt.NDArray[np.float64], normal: npt.NDArray[np.float64], share: float, free: Mask
) -> Mask:
    """The patch put on an edge point so that about ``share`` of its depth is inside, cut to the free ground."""
    rows, cols = np.nonzero(patch)
    reach = (cols - patch.shape[1] // 2) * normal[0] + (rows - patch.shape[0] // 2) * normal[1]
    low, high = float(reach.min()), float(reach.max())
    centre = point - normal * (low + (1 - share) * (high - low))
    top, left = round(centre[1]) - patch.shape[0] // 2, round(centre[0]) - patch.shape[1] // 2
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(free.shape[0], top + patch.shape[0]), min(free.shape[1], left + patch.shape[1])
    if y0 >= y1 or x0 >= x1:
        return np.zeros(free.shape, np.bool_)
    common = free[y0:y1, x0:x1] & patch[y0 - top : y1 - top, x0 - left : x1 - left]
    return _placed(common, patch, free.shape, y0, x0)


def _placed(common: Mask, patch: Mask, shape: tuple[int, ...], top: int, left: int) -> Mask:
    """The cut patch in the frame; a shape that was one piece stays one."""
    if np.count_nonzero(common) < np.count_nonzero(patch):
        count, _ = cv2.connectedComponents(patch.astype(np.uint8), connectivity=8)
        if count == 2:
            common = largest_component(common)
    mask = np.zeros(shape, np.bool_)
    mask[top : top + common.shape[0], left : left + common.shape[1]] = common
    return mask
