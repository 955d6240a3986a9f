"""Why a detector falls short: what it misses and rejects wrongly, what that has in common, what no threshold mends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from core.evaluation.generation.nearest_real import crop_around, embed
from core.evaluation.photo_sets import Shot
from core.features.extract import available
from core.loop.contract import LoopContract
from core.loop.defect_facts import place_words
from core.loop.loop_state import DefectBin, DefectFacts, Diagnosis, FalseAlarm, LoopMiss, LoopTraining
from core.loop.seed_scores import SeedScores
from core.types import GOOD

OUT_OF_REACH = 0.5
"""Share of good parts from which on rejecting them is no way to catch an anomaly."""
_ALIKE = 0.35
"""Distance (1 - cosine) of two misses' looks up to which they are of one cluster."""
_THIRDS = {"size": ("small", "medium", "large"), "contrast": ("faint", "visible", "strong")}

Grouping = Callable[[DefectFacts], str]


def groupings(facts: Sequence[DefectFacts]) -> dict[str, Grouping]:
    """In which respects anomalies are told apart. Sizes and contrasts are split in thirds of what there is."""
    sizes, contrasts = _thirds([f.size for f in facts]), _thirds([f.contrast for f in facts])
    return {
        "label": lambda f: f.label,
        "size": lambda f: _THIRDS["size"][sizes(f.size)],
        "contrast": lambda f: _THIRDS["contrast"][contrasts(f.contrast)],
        "place": lambda f: f.place,
        "surroundings": lambda f: f.surroundings,
    }


def diagnose(
    training: LoopTraining,
    facts: Sequence[DefectFacts],
    contract: LoopContract,
    shots: Sequence[Shot],
    check: Callable[[], None] = lambda: None,
) -> Diagnosis:
    """What the validation photos show. ``facts`` and ``shots`` are those of their anomalies."""
    table = training.validation
    missed, needs = table.missed(contract.false_rejects), table.false_rejects_needed()
    by_name = {name: place for place, name in enumerate(table.names)}
    misses = [
        LoopMiss(f, float(missed[by_name[f.name]]), float(needs[by_name[f.name]]))
        for f in facts
        if missed[by_name[f.name]] > 0
    ]
    misses.sort(key=lambda one: (-one.missed, -one.needs, one.facts.name))
    return Diagnosis(
        misses=tuple(misses),
        alarms=_alarms(table, missed),
        bins=_bins(facts, {f.name: float(missed[by_name[f.name]]) for f in facts}),
        clusters=_clusters([one.facts.name for one in misses], shots, check),
        sentences=_sentences(table, misses, contract),
        weights=_weights(facts, missed, needs, by_name),
    )


def _weights(
    facts: Sequence[DefectFacts], missed: np.ndarray, needs: np.ndarray, by_name: Mapping[str, int]
) -> dict[str, float]:
    """How much each label lacks: its misses, and the good parts that lie above its anomalies, both mean over seeds."""
    found: dict[str, float] = {}
    for f in facts:
        place = by_name[f.name]
        found[f.label] = found.get(f.label, 0.0) + float(missed[place]) + float(needs[place])
    return found


def _alarms(table: SeedScores, passed: np.ndarray) -> tuple[FalseAlarm, ...]:
    """The good photos that are rejected, the most often first; where each map is highest is that of the first seed."""
    peaks = next(iter(table.peaks.values()), ())
    found = [
        FalseAlarm(name, float(1 - passed[i]), place_words(*peaks[i]) if i < len(peaks) else "")
        for i, (name, label) in enumerate(zip(table.names, table.labels, strict=True))
        if label == GOOD and passed[i] < 1
    ]
    return tuple(sorted(found, key=lambda one: (-one.rejected, one.name)))


def _bins(facts: Sequence[DefectFacts], missed: Mapping[str, float]) -> tuple[DefectBin, ...]:
    found: list[DefectBin] = []
    for by, group_of in groupings(facts).items():
        groups: dict[str, list[float]] = defaultdict(list)
        for f in facts:
            groups[group_of(f)].append(missed[f.name])
        own = [DefectBin(by, name, len(values), float(sum(values))) for name, values in groups.items()]
        found += sorted(own, key=lambda one: (-one.missed / one.photos, -one.photos, one.name))
    return tuple(found)


def _thirds(values: Sequence[float]) -> Callable[[float], int]:
    """Which third of ``values`` a value is in, 0 to 2."""
    low, high = (float(q) for q in np.quantile(values, (1 / 3, 2 / 3))) if values else (0.0, 0.0)
    return lambda value: 0 if value <= low else 1 if value <= high else 2


def _clusters(names: Sequence[str], shots: Sequence[Shot], check: Callable[[], None]) -> tuple[tuple[str, ...], ...]:
    """Misses that look alike round the defect, the largest cluster first; none where the features are missing."""
    by_name = {shot.name: shot for shot in shots}
    if len(names) < 2 or available() is not None:
        return tuple((name,) for name in names)
    from sklearn.cluster import AgglomerativeClustering

    vectors = []
    for name in names:
        check()
        image = by_name[name].read()
        vectors.append(embed(*crop_around(image, by_name[name].mask((image.shape[0], image.shape[1])))))
    model = AgglomerativeClustering(None, metric="cosine", linkage="average", distance_threshold=_ALIKE)
    groups: dict[int, list[str]] = defaultdict(list)
    for name, group in zip(names, model.fit_predict(np.stack(vectors)), strict=True):
        groups[int(group)].append(name)
    return tuple(tuple(own) for own in sorted(groups.values(), key=lambda own: (-len(own), own[0])))


def _sentences(table: SeedScores, misses: Sequence[LoopMiss], contract: LoopContract) -> tuple[str, ...]:
    good = table.labels.count(GOOD)
    bad = len(table.labels) - good
    said = [f"{sum(one.missed for one in misses):.1f} of {bad} anomalies are missed on the mean of the seeds."]
    if contract.false_rejects and contract.false_rejects * good < 1:
        said.append(
            f"With {good} good photos a single one is {1 / good:.1%}: "
            f"false_rejects<={contract.false_rejects:g} means none."
        )
    goal = contract.check(table)[0]
    if not goal.passed and goal.bound.metric in ("image_recall", "worst_recall"):
        said.append(
            f"No threshold reaches the contract: the one that rejects no more good parts than it allows finds "
            f"{goal.value:.1%} ({goal.bound.name})."
        )
    lost = [one for one in misses if one.needs >= OUT_OF_REACH]
    if lost:
        first = ", ".join(one.facts.name for one in lost[:3])
        said.append(
            f"{len(lost)} of them no threshold reaches: each would reject half of the good parts or more ({first}). "
            "The detector does not see these; only training can mend that."
        )
    return tuple(said)
