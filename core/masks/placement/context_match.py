"""Where a photo looks as it does around a real anomaly, and one like it would therefore belong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core.images.geometry import bounding_box
from core.masks.morphology import dilate
from core.masks.placement.mask_template import scale_to_photo
from core.types import AnomalyExample, Image

Floats = npt.NDArray[np.floating[Any]]

_LONGEST = 512
"""Side in pixels to which larger photos are reduced for the search."""
_TEMPLATE = 64
"""Side in pixels to which larger surroundings are reduced."""
_LEAST_RING = 4
_RING = 1.0
"""Width of the ring around an anomaly that is compared, in sides of a square of its area."""
_BEST = 0.0007
"""Share of all places that count as alike."""
_MAX_COMPARED = 3
_HOME = 0.25
"""How far from its own place, in shares of the photo's shorter side, one of those is still likely."""


@dataclass(frozen=True)
class ContextMatch:
    """Places (N, 2), rows and columns of a photo, at which it looks as around an anomaly, and how likely each is.

    ``difference`` is the mean squared difference at the best of them: 0 the same, 2 nothing in common.
    """

    difference: float
    positions: Floats
    probabilities: Floats

    def draw(self, rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
        """``count`` of them, (count, 2)."""
        drawn = rng.choice(len(self.positions), size=count, p=self.probabilities)
        return np.asarray(np.floor(self.positions[drawn]), np.int64)


def match_context(example: AnomalyExample, photo: Image) -> ContextMatch | None:
    """Where ``photo`` looks as around the example's anomaly.

    A ring around the anomaly is compared with every place by mean squared difference, both photos brought to the same
    mean and spread first. The best places, one in 1,400, are kept; those near the anomaly's own place are likelier
    than those far off. None where the anomaly is at the frame, beyond which nothing is known, or too large to move.
    """
    scale = scale_to_photo(example.mask, photo.shape[:2])
    found = bounding_box(example.mask)
    assert found is not None, "an example has a mask"
    y0, x0, y1, x1 = found
    height, width = example.mask.shape
    if min(y0, x0) == 0 or y1 == height or x1 == width:
        return None
    reach = ceil(max(_LEAST_RING / scale, _RING * sqrt(np.count_nonzero(example.mask))))
    top, left, bottom, right = max(0, y0 - reach), max(0, x0 - reach), min(height, y1 + reach), min(width, x1 + reach)
    box = np.s_[top:bottom, left:right]
    ring = dilate(example.mask, reach)[box] & ~dilate(example.mask, 1)[box]
    shrink = min(1.0, _LONGEST / max(photo.shape[:2]), _TEMPLATE / (scale * max(ring.shape)))
    seen = 1 if _is_grey(photo) and _is_grey(example.pixels) else 3
    template = _resized(_levels(example.pixels[box], example.pixels)[..., :seen], scale * shrink)
    searched = _levels(_resized(photo[..., :seen], shrink), photo)
    weight = _resized(ring.astype(np.float32)[..., None], scale * shrink)
    if any(a >= b for a, b in zip(template.shape, searched.shape[:2], strict=False)) or not weight.any():
        return None
    cost = cv2.matchTemplate(searched, template, cv2.TM_SQDIFF, mask=np.repeat(weight, seen, axis=2))
    cost /= seen * weight.sum()
    rows, cols = np.nonzero(cost <= np.quantile(cost, _BEST) + 1e-6)
    inner = np.array([(y0 + y1) / 2 - top, (x0 + x1) / 2 - left]) * scale * shrink
    places = (np.stack([rows, cols], axis=1) + inner) / shrink
    home = np.array([(y0 + y1) / 2 / height, (x0 + x1) / 2 / width]) * photo.shape[:2]
    away = ((places - home) ** 2).sum(axis=1) / (_HOME * min(photo.shape[:2])) ** 2
    likely = np.exp(-(away - away.min()) / 2)
    return ContextMatch(max(0.0, float(cost.min())), places, likely / likely.sum())


def choose_fitting_example(
    examples: Sequence[AnomalyExample], photo: Image, rng: np.random.Generator
) -> tuple[AnomalyExample, ContextMatch | None]:
    """One of the ``examples`` and where on ``photo`` its like belongs: of a few at random the one that belongs most.

    A few are three, but no more than a third of all, so that each has its turn.
    An example at its photo's frame, for which that is not known, is neither preferred nor passed over.
    """
    drawn = [
        examples[int(i)] for i in rng.permutation(len(examples))[: max(1, min(_MAX_COMPARED, len(examples) // 3))]
    ]
    first = match_context(drawn[0], photo)
    if first is None:
        return drawn[0], None
    others = ((example, match_context(example, photo)) for example in drawn[1:])
    known = [(drawn[0], first), *((example, alike) for example, alike in others if alike is not None)]
    return min(known, key=lambda pair: pair[1].difference)


def _is_grey(image: Image) -> bool:
    return bool((image == image[..., :1]).all())


def _levels(part: npt.NDArray[Any], photo: Image) -> Floats:
    """A part of ``photo``, or the same smaller, float32 (h, w, C): as if the photo's mean were 0 and its spread 1."""
    means, spreads = (np.ravel(numbers) for numbers in cv2.meanStdDev(photo))
    mean = float(means.mean())
    spread = float(np.sqrt((spreads**2 + (means - mean) ** 2).mean()))
    return np.asarray((part.astype(np.float32) - mean) / max(spread, 1.0), np.float32)


def _resized(array: npt.NDArray[Any], factor: float) -> npt.NDArray[Any]:
    """(H, W, C) as large times ``factor``."""
    size = (max(1, round(array.shape[1] * factor)), max(1, round(array.shape[0] * factor)))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(np.ascontiguousarray(array), size, interpolation=how)
    return np.asarray(resized.reshape(*size[::-1], array.shape[2]))
