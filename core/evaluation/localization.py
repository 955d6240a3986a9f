"""Trains a detector on pairs and good photos, and says how well it finds real anomalies.

The protocol of the papers on generated anomalies: maps and masks judged at 256x256, pixels pooled over the product,
PRO up to a false positive rate of 0.3. Their networks are chosen by the test set; here the metrics are those of the
last epoch, and what the choice would have given stands beside them as ``best_on_test``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from core.device import choose_device
from core.errors import InputError, Unavailable
from core.evaluation.detectors.api import Detector, DetectorParams, TrainContext, TrainedDetector, detector
from core.evaluation.photo_sets import Shot, check_disjoint
from core.evaluation.results import EvalResult
from core.evaluation.saved_detector import DETECTOR_FILE, ScoreCalibration, serialize_detector
from core.evaluation.seeds import CurveRecorder, averaged_over_seeds, fingerprint, run_seeds
from core.evaluation.test_set import TestSet, TestSetResult
from core.types import GOOD

EVALUATION_SIDE = 256
"""Side in pixels of maps and masks in the papers' numbers."""

SELECTION_METRICS = ("image_auroc", "pixel_auroc", "pixel_ap", "pro")
"""The released code keeps the epoch with the largest sum of these on the test set."""

LIVE_METRICS = ("pixel_ap", "image_auroc")
_PIXEL_FIRST = ("pixel_", "pro", "spro", "image_")
_IMAGE_FIRST = ("image_", "pixel_", "pro", "spro")


def evaluate_localization(
    train: Sequence[Shot],
    test: Sequence[Shot],
    *,
    detector: str = "unet",
    preset: str = "cpu",
    params: Mapping[str, object] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    without: Sequence[str] = (),
    side: int | None = EVALUATION_SIDE,
    ctx: TrainContext | None = None,
    source: Mapping[str, object] | None = None,
) -> EvalResult:
    """Train once per seed, test each on real anomalies, and sum up: where is the defect?

    ``params`` change single values of the preset; labels ``without`` are left out of both sets; ``side`` is the size
    at which maps are judged (None: each photo's own). ``source`` (paths) goes into the result's config as it is.
    With ``ctx.checkpoint`` a finished seed is kept there and not trained again. With ``ctx.keep`` the result's files
    hold the detector of the first seed, for core.evaluation.saved_detector.
    InputError if a set lacks good photos, anomalies or masks, or if a test photo was learned from; NotFound or
    Unavailable for the detector; Cancelled within a step.
    """
    return _evaluate("localization", detector, preset, params, seeds, without, side, ctx, source, train, test)


def evaluate_detection(
    train: Sequence[Shot],
    test: Sequence[Shot],
    *,
    detector: str = "unet",
    preset: str = "cpu",
    params: Mapping[str, object] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    without: Sequence[str] = (),
    side: int | None = EVALUATION_SIDE,
    ctx: TrainContext | None = None,
    source: Mapping[str, object] | None = None,
) -> EvalResult:
    """The same, asked the other way: is this part good? The metrics of whole photos come first."""
    return _evaluate("detection", detector, preset, params, seeds, without, side, ctx, source, train, test)


def _evaluate(
    kind: Literal["localization", "detection"],
    name: str,
    preset: str,
    changes: Mapping[str, object] | None,
    seeds: Sequence[int],
    without: Sequence[str],
    side: int | None,
    ctx: TrainContext | None,
    source: Mapping[str, object] | None,
    train: Sequence[Shot],
    test: Sequence[Shot],
) -> EvalResult:
    ctx = ctx or TrainContext()
    chosen = detector(name)
    if reason := chosen.available():
        raise Unavailable(f"detector {name}: {reason}")
    params = chosen.Params.preset(preset, changes)
    train, test = without_labels(train, without, "training set"), without_labels(test, without, "test set")
    if not chosen.needs_pairs:
        train = [shot for shot in train if shot.good]
    check_disjoint(train, test)
    photos = TestSet(test, side, ctx.check)
    own = {
        "detector": name,
        "preset": preset,
        "params": params.model_dump(mode="json"),
        "without": sorted(without),
        "judged_at": photos.side or "own size",
        "device": str(choose_device(ctx.device)),
    }
    key = fingerprint({"kind": kind, **own}, train, test)
    notes = _notes(train, test, without, photos)
    one = lambda each: _train_and_test(kind, chosen, params, train, photos, each, notes)  # noqa: E731
    results = run_seeds(seeds, ctx, f"{kind}-{key}", one)
    counts = {"train_photos": _counts(train), "test_photos": photos.counts()}
    config = {**(source or {}), **own, "seeds": list(seeds), **counts}
    title = f"{'Localization' if kind == 'localization' else 'Detection'}: {chosen.title}, {preset} preset"
    return averaged_over_seeds(results, seeds, title, config)


def without_labels(shots: Sequence[Shot], labels: Sequence[str], what: str) -> list[Shot]:
    """``shots`` without those of ``labels``; InputError if the set has none of one of them."""
    there = {shot.label for shot in shots if not shot.good}
    if unknown := sorted(set(labels) - there):
        raise InputError(f"without {unknown[0]!r}: the {what} has no such label (it has: {', '.join(sorted(there))})")
    return [shot for shot in shots if shot.good or shot.label not in labels]


def _train_and_test(
    kind: Literal["localization", "detection"],
    chosen: Detector,
    params: DetectorParams,
    train: Sequence[Shot],
    photos: TestSet,
    ctx: TrainContext,
    notes: tuple[str, ...],
) -> EvalResult:
    recorder = CurveRecorder(ctx.curve)
    best: dict[str, float] = {}
    last: list[TestSetResult] = []

    def watch(fitted: TrainedDetector, epoch: int) -> None:
        verdict = photos.evaluate(fitted.score, chosen.image_score)
        last[:] = [verdict]
        overall = verdict.metrics.overall
        for name in LIVE_METRICS:
            recorder(name, epoch, overall[name])
        if not best or _rank(overall) > _rank(best):
            best.clear()
            best.update({**ordered_metrics(overall, kind), "epoch": float(epoch)})

    fitted = chosen.fit(train, params, replace(ctx, curve=recorder), watch)
    verdict = last[0]
    scales = {dtype: scale for shot in train for dtype, scale in shot.scales.items()}
    alarms = _calibration(photos, verdict)
    kept = serialize_detector(chosen, params, fitted, alarms, scales) if ctx.keep else None
    return EvalResult(
        kind=kind,
        title=chosen.title,
        config={"seed": ctx.seed},
        metrics=ordered_metrics({**verdict.metrics.overall, **photos.loco_means(verdict)}, kind),
        per_label={label: ordered_metrics(values, kind) for label, values in verdict.metrics.per_label.items()},
        best_on_test=best,
        curves={**verdict.metrics.curves, **recorder.curves()},
        notes=notes,
        pictures=photos.pictures(verdict),
        files={DETECTOR_FILE: kept} if kept else {},
    )


def _calibration(photos: TestSet, verdict: TestSetResult) -> ScoreCalibration:
    """By what a later photo's scores are read: those of the test set."""
    good = (s for label, s in zip(photos.labels, verdict.image_scores, strict=True) if label == GOOD)
    return ScoreCalibration(verdict.metrics.threshold, tuple(sorted(good)), photos.side)


def _rank(values: Mapping[str, float]) -> float:
    return sum(values[name] for name in SELECTION_METRICS if name in values)


def ordered_metrics(values: Mapping[str, float], kind: str) -> dict[str, float]:
    """``values`` with those of pixels first, or for ``kind`` "detection" those of whole photos."""
    groups = _IMAGE_FIRST if kind == "detection" else _PIXEL_FIRST
    place = {name: next((i for i, g in enumerate(groups) if name.startswith(g)), len(groups)) for name in values}
    return {name: float(values[name]) for name in sorted(values, key=lambda n: place[n])}


def _counts(shots: Sequence[Shot]) -> dict[str, int]:
    labels = [shot.label for shot in shots]
    return {label: labels.count(label) for label in sorted(set(labels))}


def _notes(train: Sequence[Shot], test: Sequence[Shot], without: Sequence[str], photos: TestSet) -> tuple[str, ...]:
    notes = []
    if without:
        notes.append(f"Left out of both sets: {', '.join(sorted(without))}.")
    learned, asked = ({s.label for s in shots if not s.good} for shots in (train, test))
    if learned and (strange := sorted(asked - learned)):
        notes.append(f"The training set has no {', '.join(strange)}; the test set has.")
    if photos.side:
        notes.append(f"Judged at {photos.side}x{photos.side} pixels.")
    return tuple(notes)
