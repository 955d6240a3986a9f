"""A test set read once, and a detector's maps of it turned into numbers and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from core.errors import InputError
from core.evaluation.loco_means import loco_folders, loco_means
from core.evaluation.metrics import MapMetrics, map_metrics
from core.evaluation.panels import heat_panel
from core.evaluation.photo_sets import Shot
from core.evaluation.results import Picture
from core.evaluation.saturation import Saturation
from core.evaluation.training.batches import fit_mask
from core.images.geometry import resized
from core.types import GOOD, Image, Mask

ScoreMap = Any
"""float32 (H, W); see core.evaluation.detectors.api."""

BATCH_SIZE = 16
"""Photos handed to a detector together."""

_KEPT_BYTES = 1 << 30
_SHOWN = 4


@dataclass(frozen=True)
class TestSetResult:
    """A detector's work on a test set: the numbers, and the maps they were made of, at the set's size."""

    metrics: MapMetrics
    maps: tuple[ScoreMap, ...]
    image_scores: tuple[float, ...]


class TestSet:
    """Real photos and their masks. ``side`` is the size (side x side) at which maps are judged; None: each its own.

    The published protocol judges at 256x256. A set with saturation thresholds (MVTec LOCO) is judged at its own size,
    since thresholds in pixels mean nothing at another one. InputError without good photos, anomalies or masks.
    """

    __test__ = False

    def __init__(self, shots: Sequence[Shot], side: int | None, check: Callable[[], None] = lambda: None) -> None:
        self.shots = tuple(shots)
        good = sum(shot.good for shot in self.shots)
        if not good or good == len(self.shots):
            raise InputError(
                f"test set: expected good photos and real anomalies, got {good} good photos and "
                f"{len(self.shots) - good} anomalies; one class alone cannot be told apart"
            )
        self.saturated = any(shot.config for shot in self.shots)
        self.side = None if self.saturated else side
        self.labels = tuple(shot.label for shot in self.shots)
        self._kept: list[Image] = []
        self._truth: list[tuple[list[Mask], list[Saturation]]] = []
        room = _KEPT_BYTES
        for shot in self.shots:
            check()
            image = shot.read()
            room -= image.nbytes
            if room > 0:
                self._kept.append(image)
            self._truth.append(self._masks(shot, image))

    def counts(self) -> dict[str, int]:
        """How many photos of each label, good ones first."""
        names = [GOOD, *sorted(set(self.labels) - {GOOD})]
        return {name: self.labels.count(name) for name in names}

    def evaluate(
        self, score: Callable[[Sequence[Image]], list[ScoreMap]], image_score: Callable[[ScoreMap], float]
    ) -> TestSetResult:
        """Score every photo and measure."""
        maps = [m for some in self._chunks() for m in score(some)]
        if self.side:
            maps = [resized(m, (self.side, self.side), "linear") for m in maps]
        image_scores = [image_score(m) for m in maps]
        masks = [masks for masks, _ in self._truth]
        numbers = map_metrics(
            maps,
            masks,
            self.labels,
            saturation=[saturations for _, saturations in self._truth] if self.saturated else None,
            image_scores=image_scores,
        )
        return TestSetResult(numbers, tuple(maps), tuple(image_scores))

    def loco_means(self, verdict: TestSetResult) -> dict[str, float]:
        """spro_mean and image_auroc_mean where this is a test set of MVTec LOCO; else {}."""
        folders = loco_folders(self.shots)
        if not folders:
            return {}
        per_folder = map_metrics(
            verdict.maps,
            [masks for masks, _ in self._truth],
            folders,
            saturation=[saturations for _, saturations in self._truth] if self.saturated else None,
            image_scores=verdict.image_scores,
        ).per_label
        return loco_means(per_folder)

    def pictures(self, verdict: TestSetResult, prefix: str = "") -> tuple[Picture, ...]:
        """The anomalies found worst and best, and the good photos that look worst, each with its heat map."""
        top = max(float(m.max()) for m in verdict.maps)
        low = min(float(m.min()) for m in verdict.maps)
        bad = [i for i, shot in enumerate(self.shots) if not shot.good]
        marks = {i: _precision(verdict.maps[i], self._union(i)) for i in bad}
        bad.sort(key=lambda i: (marks[i], self.shots[i].name))
        good = [i for i, shot in enumerate(self.shots) if shot.good]
        good.sort(key=lambda i: (-verdict.image_scores[i], self.shots[i].name))
        shown = [("worst", i, f"AP {marks[i]:.2f}") for i in bad[:_SHOWN]]
        shown += [("best", i, f"AP {marks[i]:.2f}") for i in reversed(bad[-_SHOWN:]) if i not in bad[:_SHOWN]]
        shown += [("false_alarm", i, f"image score {verdict.image_scores[i]:.3f}") for i in good[: _SHOWN // 2]]
        made = []
        for rank, (what, i, says) in enumerate(shown):
            shot = self.shots[i]
            panel = heat_panel(self._image(i), shot.mask, verdict.maps[i], (low, top))
            title = f"{what.replace('_', ' ').capitalize()}: {shot.name}, {says}"
            made.append(Picture(f"{prefix}{rank:02d}_{what}", title, panel))
        return tuple(made)

    def _image(self, index: int) -> Image:
        return self._kept[index] if index < len(self._kept) else self.shots[index].read()

    def _chunks(self) -> Iterator[list[Image]]:
        for start in range(0, len(self.shots), BATCH_SIZE):
            yield [self._image(i) for i in range(start, min(start + BATCH_SIZE, len(self.shots)))]

    def _masks(self, shot: Shot, image: Image) -> tuple[list[Mask], list[Saturation]]:
        channels = shot.channels((image.shape[0], image.shape[1]))
        shape = (self.side, self.side) if self.side else None
        return [fit_mask(m, shape) if shape else m for m, _ in channels], [s for _, s in channels]

    def _union(self, index: int) -> Mask:
        return np.asarray(np.logical_or.reduce(self._truth[index][0]), np.bool_)


def _precision(scores: ScoreMap, mask: Mask) -> float:
    from sklearn.metrics import average_precision_score

    if mask.shape != scores.shape:
        scores = cv2.resize(scores, mask.shape[::-1])
    return float(average_precision_score(mask.ravel(), scores.ravel()))
