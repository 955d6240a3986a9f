"""Curves to look at: a few hundred of the exact curve's points, dense where it bends."""

from __future__ import annotations

import numpy as np

from core.evaluation.metrics.ranking import Doubles, Ints, ScoreRanking
from core.evaluation.results import MAX_POINTS, Curve


def roc_curve(ranking: ScoreRanking) -> Curve:
    """True against false positive rate, from (0, 0) to (1, 1)."""
    hits = ranking.true_positives
    x = np.concatenate(([0.0], ranking.false_positives / ranking.negatives, [1.0]))
    y = np.concatenate(([0.0], hits / hits[-1], [1.0]))
    return _curve(x, y, "false positive rate", "true positive rate")


def pr_curve(ranking: ScoreRanking) -> Curve:
    """Precision against recall, from the strictest threshold on."""
    hits = ranking.true_positives
    return _curve(hits / hits[-1], hits / (hits + ranking.false_positives), "recall", "precision")


def overlap_curve(ranking: ScoreRanking, weights: Doubles, regions: int, limit: float, y_label: str) -> Curve:
    """Mean overlap against false positive rate, from 0 to ``limit``; ``weights`` (n,) as in ``regions.area_under``."""
    before = np.cumsum(weights) - weights
    x = np.stack((ranking.negatives_above, ranking.false_positives), 1).ravel() / ranking.negatives
    y = np.stack((before, before + weights), 1).ravel() / regions
    x, y = np.concatenate(([0.0], x, [1.0])), np.concatenate(([0.0], y, [1.0]))
    inside = int(np.searchsorted(x, limit, "left"))
    end = np.interp(limit, x[inside - 1 : inside + 1], y[inside - 1 : inside + 1])
    return _curve(np.append(x[:inside], limit), np.append(y[:inside], end), "false positive rate", y_label)


def _curve(x: Doubles, y: Doubles, x_label: str, y_label: str) -> Curve:
    kept = _spread(x, y)
    y = np.clip(y[kept], 0.0, 1.0)
    return Curve(tuple(np.round(x[kept], 6).tolist()), tuple(np.round(y, 6).tolist()), x_label, y_label)


def _spread(x: Doubles, y: Doubles) -> Ints:
    """Indices of at most MAX_POINTS points, evenly along the way, the first and the last among them."""
    if len(x) <= MAX_POINTS:
        return np.arange(len(x))
    width = float(x[-1] - x[0]) or 1.0
    way = np.concatenate(([0.0], np.cumsum(np.abs(np.diff(x)) / width + np.abs(np.diff(y)))))
    kept = np.searchsorted(way, np.linspace(0.0, way[-1], MAX_POINTS - 2))
    return np.unique(np.concatenate((kept, [0, len(x) - 1])))
