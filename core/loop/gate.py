"""Did a round help, or did the seeds fall well? Paired by seed, one-sided, against the spread of the gains.

gains d_s = metric after - metric before, of the same seed s, on the same photos
t = mean(d) / (sd(d) / sqrt(n)), and p = P(T_{n-1} >= t): Student's paired one-sided test
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import InputError

ALPHA = 0.05
"""A round that changes nothing is taken for a help in one case of twenty."""
LEAST_SEEDS = 2
_NO_SPREAD = 1e-12


@dataclass(frozen=True)
class GateVerdict:
    """``gains`` by seed, in the metric's unit; ``p`` is the chance of gains like these from a round that changes
    nothing; ``reason`` says in a sentence why the round is ``kept``, or why it is taken back."""

    metric: str
    gains: dict[str, float]
    p: float
    kept: bool
    reason: str


def paired_p(gains: list[float]) -> float:
    """p of the paired one-sided test; 1 where no seed gained on the mean, 0 where all gained exactly the same.

    InputError for fewer than LEAST_SEEDS gains, which have no spread.
    """
    if len(gains) < LEAST_SEEDS:
        raise InputError(
            f"gate: {len(gains)} seed has no spread to compare a gain with; train with {LEAST_SEEDS} or more"
        )
    mean, spread = statistics.fmean(gains), statistics.stdev(gains)
    if mean <= _NO_SPREAD:
        return 1.0
    if spread <= _NO_SPREAD:
        return 0.0
    from scipy.stats import t as student

    return float(student.sf(mean / (spread / math.sqrt(len(gains))), len(gains) - 1))


def paired_gate(
    metric: str, before: Mapping[str, float], after: Mapping[str, float], alpha: float = ALPHA
) -> GateVerdict:
    """Whether ``after`` is better than ``before``, both by seed, beyond what seeds alone bring about."""
    if set(before) != set(after):
        raise InputError(f"gate: expected the same seeds before and after, got {sorted(before)} and {sorted(after)}")
    gains = {seed: after[seed] - before[seed] for seed in before}
    values = list(gains.values())
    p, mean, spread = paired_p(values), statistics.fmean(values), statistics.stdev(values)
    kept = p <= alpha
    said = f"{metric} gained {mean:+.4f} ± {spread:.4f} over {len(values)} seeds (p = {p:.3f})"
    return GateVerdict(metric, gains, p, kept, f"{said}: {_why(mean, kept)}")


def _why(mean: float, kept: bool) -> str:
    if kept:
        return "more than the seeds alone bring about"
    return "no more than the seeds alone bring about" if mean > 0 else "no gain"
