"""How well scores tell positives from negatives: exact, at every threshold there is.

Only thresholds at a positive's score matter: between two of them recall stands still, so average precision and
the best F1 are decided there, and a ROC curve runs flat. So the positives are sorted, and for each of their
distinct scores the negatives above and at it are counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ScoreRanking:
    """Distinct scores of the positives, falling, each (n,): how many positives have it, and of ``negatives`` in
    all how many lie ``above`` it and at its ``level``."""

    thresholds: Floats
    positives: Ints
    negatives_above: Ints
    negatives_tied: Ints
    negatives: int

    @property
    def true_positives(self) -> Ints:
        """True positives at each threshold (score >= threshold), (n,)."""
        return np.cumsum(self.positives)

    @property
    def false_positives(self) -> Ints:
        """False positives at each threshold, (n,)."""
        return np.asarray(self.negatives_above + self.negatives_tied, np.int64)


def count_negatives(thresholds: Floats, negatives: Floats) -> tuple[Ints, Ints]:
    """How many of ``negatives`` (rising) lie above and at each of ``thresholds`` (falling), two (n,) int64."""
    rising = thresholds[::-1]
    below = np.searchsorted(negatives, rising, "left")
    level = np.zeros(len(rising), np.int64)
    if len(negatives):
        # Most scores of a real detector are unequal: only those that meet a negative are looked up twice.
        met = np.flatnonzero(negatives[np.minimum(below, len(negatives) - 1)] == rising)
        level[met] = np.searchsorted(negatives, rising[met], "right") - below[met]
    above = len(negatives) - below - level
    return above[::-1], level[::-1]


def rank_scores(positives: npt.ArrayLike, negatives: npt.ArrayLike) -> ScoreRanking:
    """The ranking of two flat lists of scores; both are compared as float32."""
    scores, counts = np.unique(np.asarray(positives, np.float32), return_counts=True)
    falling = scores[::-1]
    rising = np.sort(np.asarray(negatives, np.float32))
    above, level = count_negatives(falling, rising)
    return ScoreRanking(falling, counts[::-1].astype(np.int64), above, level, len(rising))


def auroc(ranking: ScoreRanking) -> float:
    """Area under the ROC curve: the share of (positive, negative) pairs in the right order, ties half."""
    below = ranking.negatives - ranking.negatives_above - ranking.negatives_tied
    right = ranking.positives @ (below + 0.5 * ranking.negatives_tied)
    return float(right / (float(ranking.positives.sum()) * ranking.negatives))


def average_precision(ranking: ScoreRanking) -> float:
    """Sum over thresholds of (R_n - R_(n-1)) P_n, without interpolation, as scikit-learn defines it."""
    hits = ranking.true_positives
    precision = hits / (hits + ranking.false_positives)
    return float(ranking.positives @ precision / hits[-1])


def f1_max(ranking: ScoreRanking) -> tuple[float, float]:
    """The best F1 over all thresholds, and the highest threshold that has it."""
    hits = ranking.true_positives
    f1 = 2 * hits / (hits + ranking.false_positives + hits[-1])
    best = int(np.argmax(f1))
    return float(f1[best]), float(ranking.thresholds[best])


def ranking_metrics(ranking: ScoreRanking, prefix: str) -> dict[str, float]:
    """``<prefix>_auroc``, ``_ap`` and ``_f1_max``, each 0..1; {} without negatives, where none is defined."""
    if not ranking.negatives or not len(ranking.thresholds):
        return {}
    return {
        f"{prefix}_auroc": auroc(ranking),
        f"{prefix}_ap": average_precision(ranking),
        f"{prefix}_f1_max": f1_max(ranking)[0],
    }
