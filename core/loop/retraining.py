"""Trainings of a round: each seed from its own start, kept as soon as it is there; and how much is synthetic."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from core.evaluation.detectors.api import TrainContext, TrainedDetector
from core.evaluation.photo_sets import Shot
from core.images import atomic_write
from core.jobs.product_data import ProductData
from core.loop.contract import LoopContract
from core.loop.loop_photos import good_shots, pair_shots, real_shots, repeated
from core.loop.loop_state import LoopState, LoopTraining, split_of
from core.loop.loop_training import (
    ScoredSet,
    empty_table,
    half_synthetic,
    packed_detector,
    score_set,
    train_once,
    with_seed,
)

BEST_DETECTOR = "detector.safetensors"
AS_MADE, HALF = "as made", "at most half synthetic"

SaveState = Callable[[LoopState], None]


@dataclass(frozen=True)
class LoopWork:
    """What the stages work with: the product, the loop's folder and name, how to tell and to stop, and ``save``, which
    keeps what a stage has so far."""

    material: ProductData
    folder: Path
    name: str
    ctx: TrainContext
    save: SaveState


def untrained(like: LoopTraining, pairs: tuple[str, ...], repeats: Mapping[str, int]) -> LoopTraining:
    """A training of the same photos, on ``pairs``, before its first seed."""
    tables = (replace(table, scores={}, peaks={}) for table in (like.validation, like.test))
    return LoopTraining(pairs, repeats, *tables)


def train_seeds(
    work: LoopWork, state: LoopState, start: LoopTraining, into: Callable[[LoopTraining], LoopState], file: str
) -> LoopTraining:
    """``start`` trained with every seed that it lacks; each is saved, the first one's detector as ``file``."""
    project, parts, spec = work.material.project, split_of(state), state.spec
    real = repeated(real_shots(project, parts.learn_real), start.repeats)
    train = [*good_shots(project, parts.learn_good), *real, *pair_shots(project, start.pairs)]
    guides = [*good_shots(project, parts.validation_good), *real_shots(project, parts.validation_real)]
    judges = [*good_shots(project, parts.test_good), *real_shots(project, parts.test_real)]
    for seed in range(spec.seeds):
        if str(seed) in start.test.scores:
            continue
        fitted = train_once(spec, train, seed, work.ctx)
        seen = score_set(spec, fitted, guides, work.ctx)
        if seed == 0:
            _write_detector(work, state, fitted, guides, seen, file)
        judged = score_set(spec, fitted, judges, work.ctx)
        start = replace(
            start, validation=with_seed(start.validation, seed, seen), test=with_seed(start.test, seed, judged)
        )
        work.save(into(start))
    return start


def probe_mix(work: LoopWork, state: LoopState, pairs: tuple[str, ...], repeats: dict[str, int]) -> float:
    """What a mix reaches on the photos that guide, with a seed beyond those that gate."""
    project, parts, spec = work.material.project, split_of(state), state.spec
    real = repeated(real_shots(project, parts.learn_real), repeats)
    guides = [*good_shots(project, parts.validation_good), *real_shots(project, parts.validation_real)]
    train = [*good_shots(project, parts.learn_good), *real, *pair_shots(project, pairs)]
    fitted = train_once(spec, train, spec.seeds, work.ctx)
    table = with_seed(empty_table(guides), spec.seeds, score_set(spec, fitted, guides, work.ctx))
    contract = LoopContract.parse(spec.contract)
    # Of a few photos the goal takes few values; the ranking decides between mixes that reach the same.
    return contract.check(table)[0].value + 1e-3 * statistics.fmean(table.values("image_auroc").values())


def training_mixes(real: list[Shot], pairs: list[Shot]) -> dict[str, dict[str, int]]:
    """How often each label's real anomalies are taken, by the mix's name."""
    half = half_synthetic(real, pairs)
    return {AS_MADE: {}, HALF: half} if half else {AS_MADE: {}}


def _write_detector(
    work: LoopWork, state: LoopState, fitted: TrainedDetector, shots: list[Shot], seen: ScoredSet, file: str
) -> None:
    packed = packed_detector(state.spec, fitted, shots, seen)
    if packed is not None:
        work.folder.mkdir(parents=True, exist_ok=True)
        atomic_write(work.folder / file, packed)


def keep_detector(work: LoopWork, state: LoopState) -> None:
    made = work.folder / round_detector(state)
    if made.is_file():
        atomic_write(work.folder / BEST_DETECTOR, made.read_bytes())


def round_detector(state: LoopState) -> str:
    return f"detector-round-{state.round.number}.safetensors"
