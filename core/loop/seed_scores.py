"""What a detector says of a set of photos, seed by seed, and every number that is made of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.evaluation.calibration import CalibrationTarget, image_threshold
from core.evaluation.metrics import auroc, average_precision, f1_max, rank_scores
from core.types import GOOD

Floats = npt.NDArray[np.float64]
Peak = tuple[float, float]


@dataclass(frozen=True)
class SeedScores:
    """``names`` and ``labels`` of N photos; by seed the image score of each, and by seed where its map is highest, as
    (x, y) in shares of the photo's width and height."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    peaks: Mapping[str, tuple[Peak, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {len(self.names), len(self.labels), *map(len, self.scores.values()), *map(len, self.peaks.values())}
        if len(lengths) > 1:
            raise InputError(f"scores: expected as many labels, scores and peaks as photos, got {sorted(lengths)}")
        numbers = [*self.scores.values(), *(peak for peaks in self.peaks.values() for peak in peaks)]
        if not all(map(math.isfinite, chain.from_iterable(numbers))):
            raise InputError("scores: expected finite numbers")
        if self.scores and (GOOD not in self.labels or set(self.labels) == {GOOD}):
            raise InputError("scores: expected photos of good parts and of anomalies")

    def of(self, seed: str, label: str | None = None) -> Floats:
        """Scores of the anomalies, or of the photos of one ``label`` ("good" for good ones), float64 (n,)."""
        wanted = [other == label if label else other != GOOD for other in self.labels]
        return np.array(self.scores[seed], np.float64)[np.array(wanted, np.bool_)]

    def anomaly_labels(self) -> list[str]:
        """The labels of the anomalies, by name."""
        return sorted(set(self.labels) - {GOOD})

    def threshold(self, seed: str, false_rejects: float) -> float:
        """The lowest threshold that rejects no larger share (0..1) of the good photos."""
        return image_threshold(self.of(seed, GOOD), self.of(seed), CalibrationTarget("false rejects", false_rejects))

    def missed(self, false_rejects: float) -> Floats:
        """float64 (N,): in which share of the seeds a photo lies below the threshold; for good photos 1 is right."""
        below = [np.array(self.scores[s]) < self.threshold(s, false_rejects) for s in self.scores]
        return np.asarray(np.mean(below, axis=0), np.float64)

    def false_rejects_needed(self) -> Floats:
        """float64 (N,): the share of good photos that a threshold low enough for this photo rejects, mean of seeds."""
        shares = []
        for seed in self.scores:
            good = np.sort(self.of(seed, GOOD))
            shares.append(1 - np.searchsorted(good, np.array(self.scores[seed]), "left") / len(good))
        return np.asarray(np.mean(shares, axis=0), np.float64)

    def values(self, metric: str, label: str = "", false_rejects: float = 0.0) -> dict[str, float]:
        """A metric of METRICS, by seed. ``label`` narrows the anomalies to one label."""
        return {seed: METRICS[metric](self, seed, label, false_rejects) for seed in self.scores}


Measure = Callable[[SeedScores, str, str, float], float]


def _recall(table: SeedScores, seed: str, label: str, false_rejects: float) -> float:
    bad = table.of(seed, label or None)
    return float((bad >= table.threshold(seed, false_rejects)).mean())


def _worst_recall(table: SeedScores, seed: str, label: str, false_rejects: float) -> float:
    return min(_recall(table, seed, one, false_rejects) for one in table.anomaly_labels())


def _auroc(table: SeedScores, seed: str, label: str, false_rejects: float) -> float:
    return auroc(rank_scores(table.of(seed, label or None), table.of(seed, GOOD)))


def _ap(table: SeedScores, seed: str, label: str, false_rejects: float) -> float:
    return average_precision(rank_scores(table.of(seed, label or None), table.of(seed, GOOD)))


def _f1(table: SeedScores, seed: str, label: str, false_rejects: float) -> float:
    return f1_max(rank_scores(table.of(seed, label or None), table.of(seed, GOOD)))[0]


METRICS: dict[str, Measure] = {
    "image_recall": _recall,
    "worst_recall": _worst_recall,
    "image_auroc": _auroc,
    "image_ap": _ap,
    "image_f1": _f1,
}
"""What a contract may ask for. Recalls are those at the contract's false rejects; worst_recall is that of the label
found worst."""
AT_FALSE_REJECTS = ("image_recall", "worst_recall")
