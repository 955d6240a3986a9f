"""What one click may mean: many quick guesses in one view, to be ranked by core.segmentation.mask_scoring.

Four families, each weak alone: pixels coloured like the click, pixels unlike the window's surroundings, marker
watershed between the click and a ring, and each of these with thin bridges cut.
"""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from core.images.geometry import mask_box
from core.segmentation.view_pyramid import Floats, PyramidView, squared
from core.types import Mask

_CLICK_DISTANCES = (5.0, 7.0, 10.0, 14.0, 19.0, 26.0, 36.0, 50.0)
_SURROUNDING_DISTANCES = (2.0, 3.0, 4.5, 7.0)
_CLOSER = (0.5, 0.62)
_RINGS = (0.47, 0.3)


def propose_masks(view: PyramidView, x: float, y: float) -> list[Mask]:
    """bool (h, w) masks that hold the photo point (x, y), at least 6 view pixels each, unordered."""
    column, row = view.to_view(x, y)
    like = _distance_to_click(view, column, row)
    found: list[Mask] = []
    for limit in _CLICK_DISTANCES:
        found += _component_at((like < limit), column, row)
    own = _own_model(view, column, row)
    for ring in _surroundings(view, column, row):
        unlike = distance_to_model(view, surface_model(ring))
        near = unlike[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        if near.max() > _SURROUNDING_DISTANCES[0]:
            for limit in _SURROUNDING_DISTANCES:
                found += _component_at((unlike > limit), column, row)
        # Grain makes single pixels join the wrong side: the vote of the neighbourhood counts.
        share = cv2.GaussianBlur(unlike / (unlike + own + 0.1), (0, 0), 1.5)
        for limit in _CLOSER:
            found += _component_at((share > limit), column, row)
    for radius in _RINGS:
        found += _watershed(view, like, column, row, radius)
    found = distinct_masks(found)
    found = distinct_masks(found + [piece for mask in found for piece in _without_bridges(mask, column, row)])
    return [fill_pinholes(mask, cv2.countNonZero(mask.view(np.uint8))) for mask in found]


def _distance_to_click(view: PyramidView, column: int, row: int) -> Floats:
    patch = view.colour[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].reshape(-1, 3)
    offset = np.column_stack((np.eye(3), -np.median(patch, axis=0)))
    return np.asarray(cv2.sqrt(squared(cv2.transform(view.colour, offset))), np.float32)


def _own_model(view: PyramidView, column: int, row: int) -> Floats:
    """Deviations from the colours within a few pixels of the click."""
    reach = max(3, max(view.shape) // 24)
    patch = view.colour[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
    return distance_to_model(view, surface_model(np.ascontiguousarray(patch.reshape(-1, 3)), modes=2))


def _surroundings(view: PyramidView, column: int, row: int) -> list[Floats]:
    """Colours (n, 3) along the window's frame, and along a circle about the click."""
    h, w = view.shape
    frame = np.ones((h, w), np.bool_)
    edge = max(2, min(h, w) // 12)
    frame[edge : h - edge, edge : w - edge] = False
    circle = np.zeros((h, w), np.uint8)
    cv2.circle(circle, (column, row), int(0.33 * max(h, w)), 1, max(2, edge // 2))
    pixels = [view.colour[frame], view.colour[circle > 0]]
    return [p[:: max(1, len(p) // 400)] for p in pixels if len(p) >= 12]


SurfaceModel = list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]


def surface_model(pixels: npt.NDArray[np.float32], modes: int = 3) -> SurfaceModel:
    """Up to ``modes`` (mean, deviation) pairs of float32 (n, 3) colours; rare ones are left out."""
    modes = min(modes, len(pixels))
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 8, 0.5)
    cv2.setRNGSeed(7)
    _, labels, _ = cv2.kmeans(np.ascontiguousarray(pixels), modes, None, stop, 1, cv2.KMEANS_PP_CENTERS)
    model: SurfaceModel = []
    for k in range(modes):
        own = pixels[labels[:, 0] == k]
        if len(own) >= max(4, 0.08 * len(pixels)):
            model.append((own.mean(axis=0), np.maximum(own.std(axis=0), 3.0)))
    return model or [(pixels.mean(axis=0), np.maximum(pixels.std(axis=0), 3.0))]


def distance_to_model(view: PyramidView, model: SurfaceModel) -> Floats:
    """float32 (h, w): root mean square of deviations from the nearest mode."""
    out: Floats | None = None
    for mean, deviation in model:
        z = squared(cv2.transform(view.colour, np.column_stack((np.diag(1 / deviation), -mean / deviation))))
        out = z if out is None else cv2.min(out, z)
    assert out is not None
    return np.asarray(cv2.sqrt(out / 3), np.float32)


def _component_at(mask: Mask, column: int, row: int) -> list[Mask]:
    """The component at the click; nothing if it is a speck or the whole window."""
    h, w = mask.shape
    seed = (column, row)
    if not mask[row, column]:
        ys, xs = np.nonzero(mask[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3])
        if not len(ys):
            return []
        seed = (max(column - 2, 0) + int(xs[0]), max(row - 2, 0) + int(ys[0]))
    _, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=4)
    own = np.asarray(labels == labels[seed[1], seed[0]])
    size = cv2.countNonZero(own.view(np.uint8))
    if size < 6 or size > 0.9 * h * w:
        return []
    return [own]


def fill_pinholes(mask: Mask, size: int, share: float = 0.015) -> Mask:
    """``mask`` with holes below ``share`` of its ``size`` (or 3 pixels) filled: grain, not a bore."""
    limit = max(3, int(share * size))
    part = mask_box(mask)
    if not part[0].stop:
        return mask
    # Holes lie within the bounding box; what touches its sides is outside.
    around = cv2.copyMakeBorder((~mask[part]).view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(around, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] <= limit
    small[0] = False
    if count < 3 or not small.any():
        return mask
    out = mask.copy()
    out[part] |= small[labels][1:-1, 1:-1]
    return out


def _watershed(view: PyramidView, like: Floats, column: int, row: int, radius: float) -> list[Mask]:
    h, w = view.shape
    markers = np.full((h, w), 2, np.int32)
    reach = int(radius * max(h, w))
    cv2.circle(markers, (column, row), reach, 0, -1)
    markers[[0, -1]] = 2
    markers[:, [0, -1]] = 2
    cv2.circle(markers, (column, row), max(2, reach // 25), 1, -1)
    # Edges of the photo and of the distance to the clicked colour both hold the flood.
    relief = np.dstack([view.lab[..., 0], np.minimum(like * 2, 255).astype(np.uint8), view.lab[..., 2]])
    cv2.watershed(np.ascontiguousarray(relief), markers)
    own = markers == 1
    # The watershed line itself (-1) belongs to the object on its inner side.
    own = cv2.morphologyEx(own.view(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
    return _component_at(own, column, row)


def _without_bridges(mask: Mask, column: int, row: int) -> list[Mask]:
    """What stays with the click once bridges thinner than a share of the object's size are cut."""
    size = cv2.countNonZero(mask.view(np.uint8))
    if size < 60:
        return []
    out = []
    for share in (0.08, 0.2):
        k = int(round(share * math.sqrt(size))) | 1
        if k < 3:
            continue
        rows, columns = mask_box(mask, k)
        opened = cv2.morphologyEx(mask[rows, columns].view(np.uint8), cv2.MORPH_OPEN, _disc(k))
        if opened[row - rows.start, column - columns.start] and cv2.countNonZero(opened) < 0.97 * size:
            whole = np.zeros(mask.shape, np.bool_)
            whole[rows, columns] = opened > 0
            out += _component_at(whole, column, row)
    return out


@cache
def _disc(k: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (k, k)), np.uint8)


def distinct_masks(masks: list[Mask], above: float = 0.94) -> list[Mask]:
    """``masks`` without those that overlap an earlier one by more than ``above`` (IoU)."""
    kept: list[tuple[int, npt.NDArray[np.uint8]]] = []
    for mask in masks:
        own = mask.view(np.uint8)
        area = cv2.countNonZero(own)
        for other, seen in kept:
            # Areas too different rule nearly all pairs out.
            if min(area, other) > above * max(area, other):
                common = cv2.countNonZero(cv2.bitwise_and(own, seen))
                if common > above * (area + other - common):
                    break
        else:
            kept.append((area, own))
    return [own.view(np.bool_) for _, own in kept]
