"""Near-duplicates: a small vector per sample, such that samples a person calls "the same again" lie close."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from core.images.geometry import mask_box
from core.types import Image, Mask

Descriptor = npt.NDArray[np.float32]

_GRID = 5
_SHARES = {"place": 0.2, "size": 0.2, "aspect": 0.05, "colour": 0.2, "shape": 0.15, "look": 0.2}
"""Share of each part in the squared distance; they sum to 1, so that no distance exceeds 1."""

DIMENSIONS = 2 + 1 + 1 + 6 + _GRID * _GRID + _GRID * _GRID


DUPLICATE_DISTANCE = 0.1
"""Distance of two descriptors below which a person calls the anomalies the same."""


def descriptor(image: Image, mask: Mask) -> Descriptor:
    """float32 (60,) of an anomaly: its place, size, colour, shape and look.

    ``image`` uint8 (H, W, 3), ``mask`` bool (H, W). The Euclidean distance of two descriptors is in 0..1:
    0 is the same anomaly, below about DUPLICATE_DISTANCE a person calls them the same. An empty mask gives zeros.
    """
    rows, cols = mask_box(mask)
    if rows.stop == 0:
        return np.zeros(DIMENSIONS, np.float32)
    height, width = mask.shape
    inside = mask[rows, cols].astype(np.float32)
    box_h, box_w = inside.shape
    place = np.array([(rows.start + rows.stop) / (2 * height), (cols.start + cols.stop) / (2 * width)])
    share = inside.sum() / (height * width)
    # Logarithms, because twice the area looks the same step at every size; 10 octaves reach below a speck.
    size = np.array([np.log2(share * 2**10 + 1) / 10])
    aspect = np.array([np.arctan2(box_h, box_w) / (np.pi / 2)])
    around = _ring(mask, rows, cols)
    within = image[rows, cols][mask[rows, cols]].mean(axis=0) / 255.0
    outside = image[around[0], around[1]][around[2]].mean(axis=0) / 255.0 if around[2].any() else within
    colour = np.concatenate([within, (within - outside + 1) / 2])
    # By the fullest cell, or every thin crack would look like every other: all their cells are nearly empty.
    cells = cv2.resize(inside, (_GRID, _GRID), interpolation=cv2.INTER_AREA)
    fullest = max(float(cells.max()), 1e-6)
    shape = cells / fullest
    grey = cv2.cvtColor(np.ascontiguousarray(image[rows, cols]), cv2.COLOR_RGB2GRAY).astype(np.float32) / 255.0
    look = cv2.resize(grey * inside, (_GRID, _GRID), interpolation=cv2.INTER_AREA) / fullest
    parts = {"place": place, "size": size, "aspect": aspect, "colour": colour}
    parts |= {"shape": shape.ravel(), "look": look.ravel()}
    vector = [part * np.sqrt(_SHARES[name] / part.size) for name, part in parts.items()]
    return np.concatenate(vector).astype(np.float32)


def nearest_distance(vector: Descriptor, kept: Sequence[Descriptor] | npt.NDArray[np.float32]) -> float:
    """Distance 0..1 from ``vector`` (60,) to the closest of ``kept`` (N, 60); 1.0 when nothing is kept yet."""
    if len(kept) == 0:
        return 1.0
    gaps = np.asarray(kept, np.float32) - vector
    return float(np.sqrt(np.einsum("ij,ij->i", gaps, gaps).min()))


def group_near_duplicates(
    descriptors: Sequence[Descriptor] | npt.NDArray[np.float32],
    threshold: float = DUPLICATE_DISTANCE,
    block: int = 256,
) -> list[int]:
    """A group number for each of N descriptors (N, D), counted from 0 in order of first appearance.

    The first member leads its group and every other lies within ``threshold`` of it, so groups cannot chain
    from one look to another. Leaders lie further than ``threshold`` apart. One matrix product per block.
    """
    vectors = np.asarray(descriptors, np.float32)
    if vectors.size == 0:
        return []
    limit = np.float32(threshold) ** 2
    squared = np.einsum("ij,ij->i", vectors, vectors)
    groups = np.empty(len(vectors), np.int64)
    leaders = np.empty(len(vectors), np.int64)
    count = 0
    for start in range(0, len(vectors), block):
        stop = min(start + block, len(vectors))
        rows = np.arange(start, stop)
        open_rows = np.ones(len(rows), np.bool_)
        if count:
            own = leaders[:count]
            gap = squared[rows, None] + squared[own] - 2 * vectors[rows] @ vectors[own].T
            best = gap.argmin(axis=1)
            open_rows = gap[np.arange(len(rows)), best] > limit
            groups[rows[~open_rows]] = best[~open_rows]
        rows = rows[open_rows]
        gap = squared[rows, None] + squared[rows] - 2 * vectors[rows] @ vectors[rows].T
        close = gap <= limit
        waiting = np.ones(len(rows), np.bool_)
        for i, row in enumerate(rows):
            if waiting[i]:
                member = close[i] & waiting
                member[i] = True
                groups[rows[member]] = count
                waiting &= ~member
                leaders[count] = row
                count += 1
    return [int(g) for g in groups]


def _ring(mask: Mask, rows: slice, cols: slice) -> tuple[slice, slice, Mask]:
    # The surroundings to compare with: as wide as a quarter of the box, so that it scales with the defect.
    reach = max(3, (rows.stop - rows.start + cols.stop - cols.start) // 8)
    wide_rows, wide_cols = mask_box(mask, pad=reach)
    return wide_rows, wide_cols, ~mask[wide_rows, wide_cols]
