"""What to make of a diagnosis: how many pairs of which label, by which engine, like which misses."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from core.loop.loop_state import DefectFacts, Diagnosis, EngineTrial, LoopMiss, PlannedPairs

FEWEST = 4
"""Pairs of a label that are worth making."""
_PLACED_ANEW = 0.5
"""Share of misses beyond the sizes of the learning anomalies from which on pairs take the misses' sizes."""
_SIZE_MARGIN = 1.25


def share_out(pairs: int, weights: Mapping[str, float]) -> dict[str, int]:
    """``pairs`` among labels in proportion to their weights, whole numbers that add up; labels that would get fewer
    than FEWEST get none as long as another one does."""
    wanted = {label: weight for label, weight in sorted(weights.items()) if weight > 0}
    while wanted:
        total = sum(wanted.values())
        exact = {label: pairs * weight / total for label, weight in wanted.items()}
        counts = {label: int(value) for label, value in exact.items()}
        rest = sorted(exact, key=lambda label: (counts[label] - exact[label], label))
        for label in rest[: pairs - sum(counts.values())]:
            counts[label] += 1
        few = [label for label, count in counts.items() if count < FEWEST]
        if not few or len(wanted) == 1:
            return counts
        del wanted[min(few, key=lambda label: (counts[label], wanted[label], label))]
    return {}


def ranked_engines(label: str, trials: Sequence[EngineTrial]) -> list[tuple[str, float]]:
    """The engines that were tried and their gain for ``label``, the best first; equal ones by their gain for all."""
    found = []
    for trial in trials:
        if trial.reason or label not in trial.gains:
            continue
        overall = float(np.mean(list(trial.gains.values())))
        found.append((trial.engine, trial.gains[label], overall))
    found.sort(key=lambda one: (-one[1], -one[2], one[0]))
    return [(name, gain) for name, gain, _ in found]


def plan_pairs(
    diagnosis: Diagnosis,
    trials: Sequence[EngineTrial],
    learned: Sequence[DefectFacts],
    pairs: int,
    spent: Collection[tuple[str, str]] = (),
) -> tuple[PlannedPairs, ...]:
    """The pairs of a round. ``learned`` are the facts of the learning anomalies; ``spent`` are (label, engine) of
    rounds that did not help: the next best engine takes their place."""
    able = {label: _engine(label, trials, spent) for label in diagnosis.weights}
    weights = {label: weight for label, weight in diagnosis.weights.items() if able[label] is not None}
    planned = []
    for label, count in share_out(pairs, weights).items():
        chosen = able[label]
        assert chosen is not None
        misses = [one for one in diagnosis.misses if one.facts.label == label]
        planned.append(
            PlannedPairs(
                label=label,
                engine=chosen[0],
                count=count,
                aims=tuple(one.facts for one in misses),
                placement=_placement(misses, [f for f in learned if f.label == label]),
                reason=_reason(label, misses, chosen, diagnosis),
            )
        )
    return tuple(planned)


def nearest_to_aims(facts: Mapping[str, DefectFacts], aims: Sequence[DefectFacts], count: int) -> list[str]:
    """Ids of the ``count`` pairs most like what is missed: each aim in turn takes the nearest that is left. Without
    aims the first ones."""
    left = list(facts)
    chosen: list[str] = []
    while left and len(chosen) < count:
        if not aims:
            chosen.append(left.pop(0))
            continue
        aim = aims[len(chosen) % len(aims)]
        best = min(left, key=lambda id: (aim_distance(facts[id], aim), id))
        left.remove(best)
        chosen.append(best)
    return chosen


def aim_distance(made: DefectFacts, aim: DefectFacts) -> float:
    """How far a pair is from a miss: twice the size, a tenth of full contrast, another place and another surface count
    alike."""
    size = abs(float(np.log2(max(made.size, 1e-6) / max(aim.size, 1e-6))))
    contrast = abs(made.contrast - aim.contrast) / 0.1
    return size + contrast + float(made.place != aim.place) + float(made.surroundings != aim.surroundings)


def _engine(label: str, trials: Sequence[EngineTrial], spent: Collection[tuple[str, str]]) -> tuple[str, float] | None:
    return next((one for one in ranked_engines(label, trials) if (label, one[0]) not in spent), None)


def _placement(misses: Sequence[LoopMiss], learned: Sequence[DefectFacts]) -> dict[str, Any]:
    """Rules of placement where most misses are smaller or larger than all that is learned from; else the usual ones,
    which lay a defect as a real one lies."""
    sizes = [one.facts.size for one in misses]
    if not sizes or not learned:
        return {}
    low, high = min(f.size for f in learned), max(f.size for f in learned)
    outside = [s for s in sizes if s < low / _SIZE_MARGIN or s > high * _SIZE_MARGIN]
    if len(outside) <= _PLACED_ANEW * len(sizes):
        return {}
    percent = [100 * s for s in sizes]
    smallest, largest = max(0.001, min(percent) / _SIZE_MARGIN), min(100.0, max(percent) * _SIZE_MARGIN)
    return {"position": "anywhere", "size_pct": [round(smallest, 4), round(largest, 4)]}


def _reason(label: str, misses: Sequence[LoopMiss], chosen: tuple[str, float], diagnosis: Diagnosis) -> str:
    photos = next((one.photos for one in diagnosis.bins if one.by == "label" and one.name == label), 0)
    missed = sum(one.missed for one in misses)
    name, gain = chosen
    said = f"{missed:.1f} of {photos} {label} are missed"
    held = f"on held-out {label} of the learning part"
    if gain > 0:
        return f"{said}; {name} gained {gain:.4f} image AUROC {held}, more than any other left"
    return f"{said}; no engine that is left gained {held}, {name} lost least ({gain:+.4f} image AUROC)"
