"""Per-region overlap: PRO and sPRO, exact.

name here ↔ symbol (Bergmann et al. 2022, "Beyond dents and scratches", eq. 1): area of a region ↔ |A_i|,
saturation area ↔ s_i, sPRO(P) = mean over regions of min(|A_i ∩ P| / s_i, 1); with s_i = |A_i| it is PRO.

Of a region only the s_i highest-scored pixels can raise its term, each by 1/s_i: every pixel gets a weight, and
the overlap at a threshold is the sum of the weights at or above it. Summed this way nothing is left to do for
each threshold: the area under the curve up to a limit L is the sum over pixels of weight times the length of
[0, L] to the right of the pixel's false positive rate. Pixels and negatives of one score come in together, on a
straight line between two points of the curve, as the trapezoids of MVTec's evaluation have it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from core.evaluation.metrics.ranking import Doubles, Floats, Ints
from core.evaluation.saturation import Saturation
from core.types import Mask


def pro_weights(union: Mask, at: Ints) -> tuple[Doubles, int]:
    """Weights of the anomalous pixels ``at`` (flat indices, rising) for PRO, and the number of regions.

    Regions are the 8-connected components of ``union`` (H, W).
    """
    _, labels = cv2.connectedComponents(union.view(np.uint8), connectivity=8, ltype=cv2.CV_32S)
    mine = labels.ravel()[at]
    area = np.bincount(mine)
    return 1.0 / area[mine], len(area) - 1


def spro_weights(channels: Sequence[tuple[Mask, Saturation]], scores: Floats, at: Ints) -> tuple[Doubles, int]:
    """Weights of the pixels ``at`` for sPRO, and the number of regions: one for each channel, touching or not.

    ``scores`` (len(at),) are those of ``at``. Where channels overlap a pixel counts for each.
    """
    weights = np.zeros(len(at))
    for mask, saturation in channels:
        mine = np.searchsorted(at, np.flatnonzero(mask))
        enough = saturation.pixels(len(mine))
        if enough < len(mine):
            mine = mine[np.argpartition(scores[mine], len(mine) - enough)[-enough:]]
        weights[mine] += 1.0 / enough
    return weights, len(channels)


def area_under(weights: Doubles, above: Ints, level: Ints, negatives: int, regions: int, limit: float) -> float:
    """Normalised area, 0..1, under mean overlap against false positive rate, from 0 to ``limit``.

    ``weights`` (n,) come in at thresholds that ``above`` of ``negatives`` negatives exceed and ``level`` equal.
    """
    before, after = above / negatives, (above + level) / negatives
    width = np.where(after <= limit, limit - (before + after) / 2, 0.0)
    crossing = (before < limit) & (after > limit)
    width[crossing] = (limit - before[crossing]) ** 2 / (2 * (after - before)[crossing])
    return float(weights @ width / (regions * limit))
