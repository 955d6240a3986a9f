"""Trainings of a loop: the same start for each seed, and the scores of the photos that guide and judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np

from core.errors import InputError, Unavailable
from core.evaluation.detectors.api import Detector, DetectorParams, ScoreMap, TrainContext, TrainedDetector, detector
from core.evaluation.localization import EVALUATION_SIDE
from core.evaluation.photo_sets import Shot
from core.evaluation.pixel_levels import PixelLevels, PixelPool
from core.evaluation.saved_detector import ScoreCalibration, serialize_detector
from core.evaluation.test_set import BATCH_SIZE
from core.evaluation.training.batches import fit_mask
from core.images.geometry import resized
from core.loop.loop_state import LoopSpec
from core.loop.seed_scores import Peak, SeedScores
from core.types import GOOD


@dataclass(frozen=True)
class ScoredSet:
    """What a detector says of photos: image scores, where each map is highest, and the maps as they were judged."""

    scores: tuple[float, ...]
    peaks: tuple[Peak, ...]
    maps: tuple[ScoreMap, ...]


def loop_detector(spec: LoopSpec) -> tuple[Detector, DetectorParams]:
    """The detector of a loop with its settings; InputError for one that pairs cannot teach, Unavailable, NotFound."""
    chosen = detector(spec.detector)
    if not chosen.needs_pairs:
        raise InputError(
            f"loop: the detector {spec.detector} learns from good photos alone, so pairs cannot help it; "
            "take one that learns from pairs, such as features or unet"
        )
    if reason := chosen.available():
        raise Unavailable(f"detector {spec.detector}: {reason}")
    return chosen, chosen.Params.preset(spec.preset, spec.params)


def train_once(spec: LoopSpec, train: Sequence[Shot], seed: int, ctx: TrainContext) -> TrainedDetector:
    """A detector trained from the start that ``seed`` gives."""
    chosen, params = loop_detector(spec)
    return chosen.fit(train, params, replace(ctx, seed=seed))


def score_set(spec: LoopSpec, fitted: TrainedDetector, shots: Sequence[Shot], ctx: TrainContext) -> ScoredSet:
    """The scores of ``shots``, judged at the size of the published protocol."""
    chosen, _ = loop_detector(spec)
    maps: list[ScoreMap] = []
    for start in range(0, len(shots), BATCH_SIZE):
        ctx.check()
        found = fitted.score([shot.read() for shot in shots[start : start + BATCH_SIZE]])
        maps += [resized(one, (EVALUATION_SIDE, EVALUATION_SIDE), "linear") for one in found]
    return ScoredSet(tuple(chosen.image_score(one) for one in maps), tuple(map(_peak, maps)), tuple(maps))


def with_seed(table: SeedScores, seed: int, found: ScoredSet) -> SeedScores:
    """The table with one more seed."""
    return replace(
        table,
        scores={**table.scores, str(seed): found.scores},
        peaks={**table.peaks, str(seed): found.peaks},
    )


def empty_table(shots: Sequence[Shot]) -> SeedScores:
    """The table of photos before any seed was trained."""
    return SeedScores(tuple(s.name for s in shots), tuple(s.label for s in shots))


def half_synthetic(real: Sequence[Shot], pairs: Sequence[Shot]) -> dict[str, int]:
    """How often each label's real anomalies have to be taken so that pairs are no more than half of it."""
    counts: dict[str, int] = {}
    for label in sorted({shot.label for shot in real}):
        theirs = sum(shot.label == label for shot in pairs)
        counts[label] = max(1, ceil(theirs / sum(shot.label == label for shot in real)))
    return {label: count for label, count in counts.items() if count > 1}


def packed_detector(spec: LoopSpec, fitted: TrainedDetector, shots: Sequence[Shot], found: ScoredSet) -> bytes | None:
    """The detector as a file, read by the scores of the validation photos ``shots``; None where it cannot be kept."""
    chosen, params = loop_detector(spec)
    levels = [PixelLevels.of(scores, _mask(shot, scores)) for shot, scores in zip(shots, found.maps, strict=True)]
    good = sorted(score for shot, score in zip(shots, found.scores, strict=True) if shot.label == GOOD)
    alarms = ScoreCalibration(PixelPool.of(levels).best_f1()[1], tuple(good), EVALUATION_SIDE)
    return serialize_detector(chosen, params, fitted, alarms)


def label_aurocs(table: SeedScores) -> Mapping[str, float]:
    """By label the image AUROC against all good photos, mean of the seeds."""
    return {
        label: float(np.mean(list(table.values("image_auroc", label).values()))) for label in table.anomaly_labels()
    }


def _mask(shot: Shot, scores: ScoreMap) -> Any:
    if shot.good:
        return None
    image = shot.read()
    return fit_mask(shot.mask((image.shape[0], image.shape[1])), scores.shape)


def _peak(scores: ScoreMap) -> Peak:
    row, column = np.unravel_index(int(scores.argmax()), scores.shape)
    return (float((column + 0.5) / scores.shape[1]), float((row + 0.5) / scores.shape[0]))
