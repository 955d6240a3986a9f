"""How likely a change of the region is what a correcting click meant: measures of the change and of its result."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.segmentation.mask_scoring import framed, mask_score, measure_mask
from core.segmentation.view_pyramid import PyramidView
from core.types import Mask

CORRECTION_FEATURES = (
    "worth",  # of the result, by core.segmentation.mask_scoring
    "gain",  # its worth less that of the region so far
    "deep",  # depth of the click in the change it makes, 0..1
    "grow",  # log2 of change over region, where the change is the larger
    "shrink",  # the same where it is the smaller
    "basin",  # 1 for the watershed between the clicks
    "rank",  # place of the piece among what the click alone may mean
    "whole",  # 1 for a fresh reading of the first click instead of a correction
    "kept",  # IoU with the region so far
    "reach",  # log2 of how far the change goes from the click over how far the outline was from it, if positive
    "short",  # the same where it stays nearer, if positive
    "against",  # pixels lost to a positive click, or gained by a negative one, as a share of the region
)


@dataclass(frozen=True)
class CorrectionOption:
    """One way to obey the click: the resulting mask on the view, and CORRECTION_FEATURES."""

    mask: Mask
    features: npt.NDArray[np.float64]


class CorrectionScorer:
    """Measures what a click makes of the region ``base`` on ``view``."""

    def __init__(self, view: PyramidView, base: Mask, at: tuple[int, int], positive: bool) -> None:
        self._view, self._base, self._at, self._positive = view, base, at, positive
        self._photo_area = view.shape[0] * view.shape[1]
        self.size = max(cv2.countNonZero(base.view(np.uint8)), 1)
        self._before = self._mask_score(base) if base.any() else 0.0
        self._distance = distance_to_outline(base, at)

    def measured_option(self, mask: Mask, basin: float, rank: float, whole: float) -> CorrectionOption:
        """``mask``, non-empty, with CORRECTION_FEATURES."""
        value = self._mask_score(mask)
        change = mask != self._base
        changed = cv2.countNonZero(change.view(np.uint8))
        lost = cv2.countNonZero((self._base > mask).view(np.uint8))
        ratio = math.log2(max(changed, 1) / self.size)
        reach = math.log2((_farthest(change, self._at) + 1) / (self._distance + 1))
        features = [
            value,
            value - self._before,
            _depth(change, self._at),
            max(ratio, 0),
            max(-ratio, 0),
            basin,
            rank,
            whole,
            (self.size - lost) / (self.size + changed - lost),
            max(reach, 0.0),
            max(-reach, 0.0),
            min((lost if self._positive else changed - lost) / self.size, 1.0),
        ]
        return CorrectionOption(mask, np.array(features, np.float64))

    def _mask_score(self, mask: Mask) -> float:
        return float(mask_score([measure_mask(self._view, mask, self._photo_area)])[0])


def _farthest(change: Mask, at: tuple[int, int]) -> float:
    """How far the change goes from the click."""
    points = cv2.findNonZero(change.view(np.uint8))
    if points is None:
        return 0.0
    offsets = points.reshape(-1, 2) - np.array(at, np.int32)
    return math.sqrt(int(np.einsum("ij,ij->i", offsets, offsets).max()))


def distance_to_outline(mask: Mask, at: tuple[int, int]) -> float:
    """How far the point is from the outline of ``mask``, in view pixels; the view's size if there is none."""
    side = mask == mask[at[1], at[0]]
    if side.all():
        return float(max(mask.shape))
    return float(cv2.distanceTransform(side.astype(np.uint8), cv2.DIST_L2, 3)[at[1], at[0]])


def _depth(change: Mask, at: tuple[int, int]) -> float:
    """Depth of the click in the change it makes, 0..1: people click the middle of what is wrong."""
    field = cv2.distanceTransform(framed(change), cv2.DIST_L2, 3)
    return float(field[at[1] + 1, at[0] + 1]) / max(cv2.minMaxLoc(field)[1], 1e-3)
