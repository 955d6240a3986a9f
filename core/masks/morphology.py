"""Grow, shrink, smooth, fill, split and combine masks. Masks are bool (H, W); lengths are pixels.

Distances are exact and Euclidean, so growing is by a disc and ``dilate`` and ``erode`` are an adjunction on
the frame: ``grow(a, r) <= b`` exactly when ``a <= shrink(b, r)``. What lies beyond the frame is unknown, and
neither eats into a mask nor adds to it. Parts touch by side or corner (8-connected), holes by side only.
Every function returns a new array.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import InputError, MaskError
from core.images.geometry import bounding_box
from core.types import Mask, check_mask

_SMALL = 3
"""Radius in px up to which a disc's own pixels are quicker to walk than a distance transform."""

CombineMode = Literal["add", "subtract", "intersect", "replace"]


def dilate(mask: Mask, px: float) -> Mask:
    """All pixels within ``px`` of the mask."""
    _check_length(px, "grow")
    found = bounding_box(mask)
    if px == 0 or found is None:
        return mask.copy()
    y0, x0, y1, x1 = found
    pad = int(px) + 1
    h, w = mask.shape
    window = np.s_[max(0, y0 - pad) : min(h, y1 + pad), max(0, x0 - pad) : min(w, x1 + pad)]
    grown = np.zeros_like(mask)
    if px <= _SMALL:
        grown[window] = cv2.dilate(mask[window].astype(np.uint8), _disc(px))
    else:
        grown[window] = distance_to_mask(mask[window]) <= px
    return grown


def erode(mask: Mask, px: float) -> Mask:
    """The pixels farther than ``px`` from everything outside the mask; the frame's edge does not count as outside."""
    _check_length(px, "shrink")
    found = bounding_box(mask)
    if px == 0 or found is None:
        return mask.copy()
    y0, x0, y1, x1 = found
    window = np.s_[max(0, y0 - 1) : y1 + 1, max(0, x0 - 1) : x1 + 1]
    shrunk = np.zeros_like(mask)
    if px <= _SMALL:
        shrunk[window] = cv2.erode(mask[window].astype(np.uint8), _disc(px))
    else:
        shrunk[window] = inner_distance(mask[window]) > px
    return shrunk


def close(mask: Mask, px: float) -> Mask:
    """Grow, then shrink by ``px``, with room around the frame: fills gaps and holes narrower than 2 px."""
    _check_length(px, "close")
    pad = int(px) + 2
    return erode(dilate(np.pad(mask, pad), px), px)[pad:-pad, pad:-pad] | mask


def smooth(mask: Mask, px: float) -> Mask:
    """Round off corners and bumps narrower than about ``px``; the area stays about the same.

    A part that would vanish is left as it was drawn: smoothing never deletes a fine crack.
    """
    _check_length(px, "smooth")
    found = bounding_box(mask)
    if px == 0 or found is None:
        return mask.copy()
    y0, x0, y1, x1 = found
    pad = int(2 * px) + 2
    h, w = mask.shape
    window = np.s_[max(0, y0 - pad) : min(h, y1 + pad), max(0, x0 - pad) : min(w, x1 + pad)]
    part = mask[window]
    soft = cv2.GaussianBlur(part.astype(np.float32), (0, 0), px / 2, borderType=cv2.BORDER_REPLICATE)
    rounded = soft > 0.5
    count, labels = cv2.connectedComponents(part.astype(np.uint8), connectivity=8)
    survives = np.zeros(count, np.bool_)
    survives[np.unique(labels[rounded])] = True
    result = np.zeros_like(mask)
    result[window] = rounded | (part & ~survives[labels])
    return result


def fill_holes(mask: Mask, max_area: int | None = None) -> Mask:
    """Fill what the mask encloses; with ``max_area`` only holes of at most that many pixels.

    A gap that reaches the frame's edge is not a hole.
    """
    found = bounding_box(mask)
    if found is None:
        return mask.copy()
    window = np.s_[found[0] : found[2], found[1] : found[3]]
    height, width = mask[window].shape
    # A gap that reaches the box's edge reaches the world outside it.
    gaps = (~mask[window]).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(gaps, connectivity=4)
    left, top, wide, high, area = stats.T
    fill = (left > 0) & (top > 0) & (left + wide < width) & (top + high < height)
    if max_area is not None:
        fill &= area <= max_area
    fill[0] = True
    filled = mask.copy()
    filled[window] = fill[labels]
    return filled


def invert(mask: Mask) -> Mask:
    """Everything else."""
    return ~mask


def outline(mask: Mask, width: float = 1) -> Mask:
    """The mask's own pixels within ``width`` of its edge; the frame's edge closes the line."""
    _check_length(width, "outline")
    found = bounding_box(mask)
    line = np.zeros_like(mask)
    if found is not None:
        window = np.s_[found[0] : found[2], found[1] : found[3]]
        line[window] = mask[window] & (inner_distance(np.pad(mask[window], 1))[1:-1, 1:-1] <= width)
    return line


def components(mask: Mask) -> list[Mask]:
    """The connected parts as masks of the same shape, in reading order of their top left pixels."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    starts = []
    for value in range(1, count):
        left, top, wide = (int(n) for n in stats[value, :3])
        starts.append((top, left + int(np.argmax(labels[top, left : left + wide] == value)), value))
    return [labels == value for _, _, value in sorted(starts)]


def drop_small(mask: Mask, area: int) -> Mask:
    """The parts of at least ``area`` pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= area
    keep[0] = False
    return np.asarray(keep[labels], np.bool_)


def largest_component(mask: Mask) -> Mask:
    """The part with the most pixels; an empty mask stays empty."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if len(stats) < 2:
        return mask.copy()
    return np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])), np.bool_)


def polygon(points_xy: npt.ArrayLike, shape: tuple[int, int]) -> Mask:
    """The pixels whose centres lie in a polygon; where it crosses itself the even-odd rule holds.

    ``points_xy`` is (N, 2), x to the right and y down in pixels, pixel (row, col) covering
    ``[col, col + 1) x [row, row + 1)``; ``shape`` is (H, W). Points may lie outside the frame.
    MaskError for fewer than three points or where no pixel is covered.
    """
    points = np.asarray(points_xy, np.float64)
    if points.ndim != 2 or points.shape[1:] != (2,) or len(points) < 3 or not np.isfinite(points).all():
        raise MaskError(f"polygon: expected at least 3 finite points (x, y), got {points.shape}; click the corners")
    height, width = shape
    x0, y0 = points[:, 0], points[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    # An edge crosses the centre line of every row from `first` on, before `last`.
    first = np.clip(np.ceil(np.minimum(y0, y1) - 0.5), 0, height).astype(np.int64)
    last = np.clip(np.ceil(np.maximum(y0, y1) - 0.5), 0, height).astype(np.int64)
    spans = last - first
    edge = np.repeat(np.arange(len(points)), spans)
    rows = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(spans) - spans, spans)
    slope = (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
    crossing = x0[edge] + (rows + 0.5 - y0[edge]) * slope
    cols = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
    mask = np.zeros(shape, np.bool_)
    if len(rows):
        top, bottom, right = int(rows.min()), int(rows.max()) + 1, min(width, int(cols.max()))
        toggles = np.bincount((rows - top) * (width + 1) + cols, minlength=(bottom - top) * (width + 1))
        odd = (toggles.reshape(bottom - top, width + 1)[:, :right] & 1).astype(np.uint8)
        mask[top:bottom, :right] = np.bitwise_xor.accumulate(odd, axis=1) == 1
    if not mask.any():
        raise MaskError(f"polygon: no pixel of the {width}x{height} photo lies inside; draw it larger or on the photo")
    return mask


def box(x0: float, y0: float, x1: float, y1: float, shape: tuple[int, int]) -> Mask:
    """Every pixel a rectangle touches; corners in pixels in any order, clipped to ``shape`` (H, W).

    MaskError where it lies outside the frame.
    """
    if not np.isfinite([x0, y0, x1, y1]).all():
        raise MaskError(f"box: expected four finite numbers, got {x0}, {y0}, {x1}, {y1}; drag it again")
    left, right = sorted((x0, x1))
    top, bottom = sorted((y0, y1))
    mask = np.zeros(shape, np.bool_)
    rows = slice(max(0, int(np.floor(top))), max(0, int(np.ceil(bottom)), int(np.floor(top)) + 1))
    cols = slice(max(0, int(np.floor(left))), max(0, int(np.ceil(right)), int(np.floor(left)) + 1))
    mask[rows, cols] = True
    if not mask.any():
        raise MaskError(f"box: lies outside the {shape[1]}x{shape[0]} photo; drag it on the photo")
    return mask


def combine(a: Mask, b: Mask, how: CombineMode) -> Mask:
    """``a`` changed by ``b``: add (union), subtract, intersect, or replace (just ``b``)."""
    check_mask(b, (a.shape[0], a.shape[1]), "second mask")
    if how == "add":
        return a | b
    if how == "subtract":
        return a & ~b
    if how == "intersect":
        return a & b
    if how == "replace":
        return b.copy()
    raise InputError(f"combine: expected add, subtract, intersect or replace, got {how!r}")


def inner_distance(mask: Mask) -> npt.NDArray[np.float32]:
    """Distance float32 (H, W) of each pixel to the nearest one outside the mask; infinite if there is none."""
    if mask.all():
        return np.full(mask.shape, np.inf, np.float32)
    distance = np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
    # Its last bit depends on where the array lies in memory. Squares of distances are whole numbers, so that
    # rounding them makes equal masks give equal distances, and a radius of 5 reach exactly 5 pixels.
    np.multiply(distance, distance, out=distance)
    np.rint(distance, out=distance)
    return np.asarray(np.sqrt(distance, out=distance))


def distance_to_mask(mask: Mask) -> npt.NDArray[np.float32]:
    """Distance float32 (H, W) of each pixel to the mask; infinite if it is empty."""
    return inner_distance(~mask)


def signed_edge_distance(mask: Mask) -> npt.NDArray[np.float32]:
    """Distance float32 (H, W) to the mask's edge, negative inside; the frame's edge counts as outside."""
    inside = inner_distance(np.pad(mask, 1))[1:-1, 1:-1]
    return np.where(mask, -inside, distance_to_mask(mask)).astype(np.float32)


def to_area(mask: Mask, area: float) -> Mask:
    """The mask grown or trimmed evenly along its edge until it has ``area`` pixels (or fills the frame)."""
    return lowest_pixels(signed_edge_distance(mask), area)


def lowest_pixels(field: npt.NDArray[np.float32], area_px: float) -> Mask:
    """The ``area_px`` pixels where the field (H, W) is lowest, at least one; pixels at infinity are never taken."""
    flat = field.reshape(-1)
    count = min(max(1, round(area_px)), int(np.isfinite(flat).sum()))
    mask = np.zeros(flat.size, np.bool_)
    chosen = np.arange(flat.size)
    if flat.size > 20_000:
        # A sample tells roughly where the level is, so that only pixels near and below it need sorting.
        share = min(1.0, 1.3 * count / flat.size + 0.01)
        sample = flat[::17]
        rank = min(len(sample) - 1, int(share * len(sample)))
        below = np.flatnonzero(flat <= np.partition(sample, rank)[rank])
        chosen = below if len(below) >= count else chosen
    mask[chosen[np.argpartition(flat[chosen], count - 1)[:count]]] = True
    return mask.reshape(field.shape)


def _disc(px: float) -> npt.NDArray[np.uint8]:
    y, x = np.mgrid[-int(px) : int(px) + 1, -int(px) : int(px) + 1]
    return np.asarray(x * x + y * y <= px * px, np.uint8)


def _check_length(px: float, what: str) -> None:
    if not np.isfinite(px) or px < 0:
        raise InputError(f"{what}: expected a length of 0 px or more, got {px}")
