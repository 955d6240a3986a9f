"""Edges of the ground that a part may not lie across: read off this photo, and more surely off several good ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from core.engines.ground.aligned import Matrix, OtherPhoto
from core.engines.layout.work_area import Floats
from core.images.geometry import dilated
from core.types import Image, Mask

LEVELS, OWN, SIGMA = 2.5, 3.0, 1.2
"""Levels per pixel from which there is an edge; how many times steeper it is at least than is usual around the part;
pixels by which it is smoothed first."""
RIDGE_LEVELS, RIDGE_DEVIATIONS, RIDGE_CELLS = 0.8, 2.5, 9
"""On the mean of several photos, which has less grain, there is an edge too where it is steeper than what is usual
within so many cells, by so many levels per pixel and deviations: shade is as steep all about."""
FINE = 32
"""Steps per level in which the usual steepness is told."""
FEW, MOST = 3, 8
"""So many photos tell lasting edges, and more than MOST tell little more."""
PIXELS = 4
"""Pixels a side of a cell on the pictures whose slopes are averaged."""
ROOM = 3
"""Cells about a part in which its own edge and shadow lie."""


@dataclass(frozen=True)
class GroundEdges:
    """``cells``: float32 (rows, columns), 1 where a cell holds an edge of the ground, else 0. ``lasting``: whether
    several photos tell it, so that it is neither grain nor shade."""

    cells: Floats
    lasting: bool


def ground_edges(photo: Image, parts: Mask, others: Sequence[OtherPhoto], cell: int, ring: Mask) -> GroundEdges:
    """The edges of ``photo``, uint8 (H, W, 3), in cells of ``cell`` pixels a side.

    ``parts``: bool (H, W), what lies on the ground. ``others``: other good photos, laid on this one; those whose parts
    nobody named tell nothing. ``ring``: bool (rows, columns), cells around the part that is to be laid; an edge is
    steeper than what is usual there.
    """
    rows, columns = ring.shape
    named = [one for one in others if one.parts is not None][: MOST - 1]
    lasting = len(named) + 1 >= FEW
    if lasting:
        steep = _lasting_steepness(photo, parts, named, cell, (rows, columns))
    else:
        steep = np.hypot(*_slopes(photo))
        steep = np.pad(steep, ((0, rows * cell - steep.shape[0]), (0, columns * cell - steep.shape[1])))
    steepest = steep.reshape(rows, len(steep) // rows, columns, -1).max(axis=(1, 3))
    usual = float(np.quantile(steepest[ring], 0.25)) if ring.any() else 0.0
    edges = steepest > max(LEVELS, OWN * usual)
    return GroundEdges(np.asarray(edges | _ridges(steepest) if lasting else edges, np.float32), lasting)


def _ridges(steepest: Floats) -> Mask:
    """Where a cell is steeper than those about it, by more than they differ elsewhere; bool (rows, columns)."""
    # OpenCV has wide medians of bytes alone; the steps of a byte are finer than grain.
    usual = cv2.medianBlur(np.clip(steepest * FINE, 0, 255).astype(np.uint8), RIDGE_CELLS) / np.float32(FINE)
    over = steepest - usual
    # Edges are on the upper side alone: the lower one tells the grain's own deviation.
    deviation = -float(np.quantile(over[steepest > 0], 0.16)) if steepest.any() else 0.0
    return np.asarray(over > max(RIDGE_LEVELS, RIDGE_DEVIATIONS * deviation), np.bool_)


def _lasting_steepness(
    photo: Image, parts: Mask, others: Sequence[OtherPhoto], cell: int, shape: tuple[int, int]
) -> Floats:
    """The length of the mean slope over all photos, each where it shows the ground: float32 (rows * side, ...)."""
    side = min(cell, PIXELS)
    scale = side / cell
    across, down, seen = (np.zeros((shape[0] * side, shape[1] * side), np.float32) for _ in range(3))
    for one in (OtherPhoto(photo, np.eye(2, 3), parts), *others):
        assert one.parts is not None
        picture, bare = _laid(one.pixels, one.parts, _scaled(one.matrix, scale), seen.shape)
        slopes = _slopes(picture)
        across, down, seen = across + slopes[0] * bare, down + slopes[1] * bare, seen + bare
    return np.asarray(np.hypot(across, down) / np.maximum(seen, 1), np.float32)


def _laid(pixels: Image, parts: Mask, matrix: Matrix, shape: tuple[int, ...]) -> tuple[Image, Floats]:
    """A photo over the frame of ``shape``, and 1 where it shows the ground, clear of parts and of its own border."""
    size = (shape[1], shape[0])
    picture = cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    closed = cv2.warpAffine(parts.view(np.uint8), matrix, size, flags=cv2.INTER_NEAREST, borderValue=1) > 0
    return np.asarray(picture, np.uint8), (~dilated(closed, ROOM * PIXELS)).astype(np.float32)


def _scaled(matrix: Matrix, scale: float) -> Matrix:
    """The map to a picture ``scale`` times as large, whose pixels' middles stay where they are."""
    return np.asarray(matrix * scale + [[0, 0, (scale - 1) / 2]] * 2, np.float64)


def _slopes(picture: Image) -> tuple[Floats, Floats]:
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), SIGMA)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *order, scale=0.125) for order in ((1, 0), (0, 1)))
    return np.asarray(across, np.float32), np.asarray(down, np.float32)
