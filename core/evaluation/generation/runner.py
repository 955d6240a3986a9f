"""``evaluate generation``: everything that is measured of the pairs themselves, label by label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, TypeVar

import numpy as np

from core.errors import InputError
from core.evaluation.generation import gallery
from core.evaluation.generation.distribution_metrics import (
    LEAST_FOR_SPLITS,
    cluster_by_nearest,
    inception_score,
    kernel_distance,
    mean_intra_cluster_distance,
)
from core.evaluation.generation.feature_networks import SIDE, FeatureNetworks, PerceptualNetwork, find_networks
from core.evaluation.generation.mask_statistics import compare_shapes
from core.evaluation.generation.measurements import MeasurementRun, PairMeasurements, defect_crops, measure
from core.evaluation.generation.nearest_real import find_nearest_real
from core.evaluation.generation.pairs import GeneratedPair
from core.evaluation.photo_sets import Shot
from core.evaluation.results import EvalResult
from core.features.extract import FEATURES
from core.progress import Steps, unwatched
from core.quality.ars import MAX_PHOTOS, train_discriminator
from core.types import Image

KID_MIN_IMAGES = 50
"""Fewer images than this on a side make KID rough."""

ARS_MIN_NORMALS = 10
"""Fewer photos of good parts than this teach ARS too little of how they differ."""

Metrics = dict[str, float]
S = TypeVar("S", bound=Shot)


def evaluate_generation(
    pairs: Sequence[GeneratedPair],
    reference: Sequence[Shot],
    *,
    normals: Sequence[Path | Image] | None = None,
    training: Sequence[Shot] | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Steps = unwatched,
    cancelled: Callable[[], bool] = lambda: False,
    source: Mapping[str, object] | None = None,
) -> EvalResult:
    """Measure generated ``pairs`` against real anomalies, the ``reference``; good shots in it count as normals.

    ``normals`` are photos of good parts, from which ARS' discriminator learns; None takes those that the pairs were
    made from and those of the reference. ``training`` are the real anomalies that an engine may have learned from,
    in which memorised ones are looked for; None takes the reference. ``source`` goes into the result's config.

    Metrics are per label, then the mean over labels, as published; docs/evaluate.md says what each is.
    InputError in one line: no pairs, no real anomalies, labels that don't match; MaskError: an empty mask.
    """
    real = [shot for shot in reference if not shot.good]
    _check(pairs, real)
    learned = real if training is None else [shot for shot in training if not shot.good]
    good = _normals(pairs, reference) if normals is None else list(normals)
    judges = find_networks(device)
    work = MeasurementRun(judges, seed, _steps(pairs, real, learned, good, judges), progress, cancelled)
    _train_discriminator(work, good)
    ours, theirs, taught = _by_label(pairs), _by_label(real), _by_label(learned)
    found = {label: _measure_label(work, ours[label], theirs[label], taught[label]) for label in sorted(ours)}
    per_label = {label: one.metrics for label, one in found.items()}
    numbered = [shot for one in found.values() for shot in one.numbered]
    closest = [pair for one in found.values() for pair in one.closest]
    pictures = gallery.gallery_pictures(numbered, closest, work.discriminator)
    progress(work.total, work.total)
    return EvalResult(
        kind="generation",
        title=f"{len(pairs)} pairs against {len(real)} real anomalies",
        config={**(source or {}), **_config(work, ours, theirs, len(good), len(learned))},
        metrics=_means(per_label.values()),
        per_label=per_label,
        notes=tuple(_notes(work, ours, theirs, numbered, len(good))),
        pictures=pictures,
    )


@dataclass(frozen=True)
class _LabelMeasurements:
    metrics: Metrics
    numbered: list[gallery.MeasuredShot]
    closest: list[gallery.ClosestPair]


def _measure_label(
    work: MeasurementRun, pairs: Sequence[GeneratedPair], real: Sequence[Shot], learned: Sequence[Shot]
) -> _LabelMeasurements:
    """The pairs of one label, against its real anomalies and those that an engine may have learned from."""
    made = [measure(work, pair) for pair in pairs]
    metrics = _reference_free_metrics(work, made)
    closest: list[gallery.ClosestPair] = []
    if others := [measure(work, shot) for shot in real]:
        metrics |= _reference_metrics(work, made, others)
    if learned:
        crops = defect_crops(work, learned)
        nearest = find_nearest_real([s.crop for s in made], crops, work.advance)
        metrics |= nearest.metrics()
        examples = list(zip(learned, crops, strict=True))
        closest = list(gallery.closest_pairs([(s.shot, s.crop) for s in made], examples, nearest))
    return _LabelMeasurements(metrics, [(s.shot, s.metrics) for s in made], closest)


def _check(pairs: Sequence[GeneratedPair], real: Sequence[Shot]) -> None:
    if not pairs:
        raise InputError("there are no generated pairs to evaluate; generate some and keep the good ones")
    if not real:
        raise InputError("there are no real anomalies to compare with; give a folder that has some with --reference")
    made, there = {p.label for p in pairs}, {s.label for s in real}
    if not made & there:
        raise InputError(
            f"the labels don't match: the pairs are {', '.join(sorted(made))}, the real anomalies "
            f"{', '.join(sorted(there))}; name them alike"
        )


def _by_label(shots: Iterable[S]) -> defaultdict[str, list[S]]:
    found: defaultdict[str, list[S]] = defaultdict(list)
    for shot in shots:
        found[shot.label].append(shot)
    return found


def _normals(pairs: Sequence[GeneratedPair], reference: Sequence[Shot]) -> list[Path | Image]:
    """The photos the pairs were made from, each once, and the good ones of the reference."""
    befores = {str(b) if isinstance(b, Path) else id(b): b for p in pairs if (b := p.before) is not None}
    return [*befores.values(), *(shot.image for shot in reference if shot.good)]


def _steps(
    pairs: Sequence[GeneratedPair],
    real: Sequence[Shot],
    learned: Sequence[Shot],
    good: Sequence[Any],
    judges: FeatureNetworks,
) -> int:
    """How many images are looked at, each time counted; at most, since clusters of one are not compared."""
    labels = {p.label for p in pairs}
    others = sum(shot.label in labels for shot in real)
    taught = sum(shot.label in labels for shot in learned)
    looks = len(judges.perceptual_networks) * 2 * (2 * len(pairs) + others)
    return len(pairs) + others + looks + len(pairs) + 2 * taught + min(len(good), MAX_PHOTOS)


def _train_discriminator(work: MeasurementRun, good: Sequence[Path | Image]) -> None:
    if not good:
        return
    there = min(len(good), MAX_PHOTOS)

    def news(done: int, total: int) -> None:
        work.progress(round(done / total * there), work.total)

    work.discriminator = train_discriminator(good, work.seed, news, work.cancelled)
    work.done = there


def _reference_free_metrics(work: MeasurementRun, made: Sequence[PairMeasurements]) -> Metrics:
    """What the pairs of a label say without real anomalies."""
    found = _means(seen.metrics for seen in made) | _ars_spread("ars_sd", made)
    for k, judge in enumerate(work.networks.class_networks):
        logits = np.stack([seen.class_features[k][1] for seen in made])
        found[judge.score_metric] = inception_score(logits, work.seed)
    return found


def _reference_metrics(
    work: MeasurementRun, made: Sequence[PairMeasurements], real: Sequence[PairMeasurements]
) -> Metrics:
    """What they say beside real anomalies of their label."""
    found = compare_shapes([s.shape for s in made], [s.shape for s in real])
    real_numbers = _means(seen.metrics for seen in real)
    if "ars" in real_numbers:
        found |= {"ars_real": real_numbers["ars"], **_ars_spread("ars_real_sd", real)}
    for k, judge in enumerate(work.networks.class_networks):
        if min(len(made), len(real)) > 1:
            features = [np.stack([s.class_features[k][0] for s in side]) for side in (made, real)]
            found[judge.distance_metric] = kernel_distance(*features)
    for look_judge in work.networks.perceptual_networks:
        whole = _diversity(work, look_judge, [s.resized for s in made], [s.resized for s in real])
        inside = _diversity(work, look_judge, [s.masked for s in made], [s.masked for s in real])
        for name, value in ((look_judge.metric, whole), (f"{look_judge.metric}_mask", inside)):
            if value is not None:
                found[name] = value
    return found


def _ars_spread(name: str, shots: Sequence[PairMeasurements]) -> Metrics:
    """The standard deviation (n - 1) of ARS between ``shots`` under ``name``; {} for fewer than two."""
    values = [seen.metrics["ars"] for seen in shots if "ars" in seen.metrics]
    return {name: stdev(values)} if len(values) > 1 else {}


def _diversity(
    work: MeasurementRun, judge: PerceptualNetwork, made: Sequence[Image], real: Sequence[Image]
) -> float | None:
    """Intra-cluster diversity: cluster by the most similar real image, compare within."""
    groups = cluster_by_nearest(judge.distances(made, real, work.advance), work.seed)
    return mean_intra_cluster_distance(
        [judge.pairwise_distances([made[k] for k in group], work.advance) for group in groups if len(group) > 1]
    )


def _means(tables: Iterable[Mapping[str, float]]) -> Metrics:
    """The mean of each number over the tables that have it."""
    columns: defaultdict[str, list[float]] = defaultdict(list)
    for table in tables:
        for name, value in table.items():
            columns[name].append(value)
    return {name: fmean(values) for name, values in columns.items()}


def _config(work: MeasurementRun, ours: Mapping[str, Sequence[Shot]], theirs: Mapping[str, Sequence[Shot]], good: int,
            learned: int) -> dict[str, Any]:  # fmt: skip
    return {
        "pairs_per_label": {label: len(shots) for label, shots in sorted(ours.items())},
        "real_per_label": {label: len(shots) for label, shots in sorted(theirs.items()) if shots},
        "normals": min(good, MAX_PHOTOS),
        "training_examples": learned,
        "seed": work.seed,
        "side": SIDE,
        "stand_in": FEATURES,
        "metrics_by": [j.score_metric for j in work.networks.class_networks]
        + [j.metric for j in work.networks.perceptual_networks],
    }


def _notes(
    work: MeasurementRun,
    ours: Mapping[str, Sequence[Shot]],
    theirs: Mapping[str, Sequence[Shot]],
    numbered: Sequence[gallery.MeasuredShot],
    good: int,
) -> Iterable[str]:  # fmt: skip
    yield from work.networks.missing
    if work.discriminator is None:
        yield "ARS left out: there are no photos of good parts to learn from."
    elif good < ARS_MIN_NORMALS:
        yield f"ARS is rough: it learned from only {good} photos of good parts and scores what is new as anomalous."
    unaligned = [shot.name for shot, numbers in numbered if "mask_iou" not in numbers]
    if unaligned:
        why = (
            f", {len(work.size_mismatches)} of them because their size differs from their photo's"
            if work.size_mismatches
            else ""
        )
        yield f"Mask alignment left out for {len(unaligned)} pairs: the photo they were made from is not known{why}."
    if strange := [label for label in sorted(ours) if not theirs.get(label)]:
        yield f"Not compared, because there are no real anomalies of this label: {', '.join(strange)}."
    few = [
        label
        for label in sorted(ours)
        if theirs.get(label) and min(len(ours[label]), len(theirs[label])) < KID_MIN_IMAGES
    ]
    if few:
        yield f"KID is rough below {KID_MIN_IMAGES} images a side: {', '.join(few)}."
    if small := [label for label in sorted(ours) if len(ours[label]) < LEAST_FOR_SPLITS]:
        yield (
            f"Inception Scores of fewer than {LEAST_FOR_SPLITS} pairs are computed without splits, which lowers them; "
            f"published ones are of 500 to 1,000: {', '.join(small)}."
        )
