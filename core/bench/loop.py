"""``launch.py bench loop``: what rounds of the loop bring, against as many pairs that are made without a diagnosis.

A folder's photos become a project, with five real anomalies of each label to learn from; of the others half guide the
loop and half judge it. The blind rows start from the same split and the same baseline, with as many pairs: each label
gets as many as another, of one engine, as they come, and nothing is taken back.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.api import Workbench
from core.bench.realism import EXCLUDED_LABELS
from core.bench.realism.environment import environment
from core.bench.realism.rows import open_project
from core.device import numpy_rng
from core.errors import InputError
from core.evaluation.detectors.api import TrainContext
from core.images import atomic_write
from core.loop.contract import LoopContract
from core.loop.loop_state import LoopSpec, LoopState, LoopTraining, PlannedPairs, split_of
from core.loop.pair_making import make_pairs_like, round_job
from core.loop.planning import share_out
from core.loop.retraining import LoopWork, train_seeds, untrained
from core.store import SplitRule

CONTRACT = "image_auroc>=0.995"
LEARNED = 5
"""Real anomalies of each label that teach."""
BLIND_ENGINE = "cut_paste"


def measure(
    quick: bool = False,
    *,
    data: Path | None = None,
    out: Path | None = None,
    seeds: int | None = None,
    count: int | None = None,
    detector: str = "features",
    preset: str = "cpu",
    params: dict[str, Any] | None = None,
    without: list[str] | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """``{"signature", "config", "rows"}``: of each round what the loop and the blind pairs reach on the photos that
    judge, mean and spread over seeds. ``count`` is the budget of pairs. Stopped, the loop goes on where it was.
    InputError without folders."""
    if data is None or out is None:
        raise InputError("bench loop: give --data (a folder with real anomalies) and --out (where its project goes)")
    spec = LoopSpec(
        CONTRACT, detector, preset, params or {}, rounds=1 if quick else 3, pairs=count or (24 if quick else 180),
        seeds=seeds or (2 if quick else 3), auto=True,
    )  # fmt: skip
    left_out = EXCLUDED_LABELS.get(data.name, ()) if without is None else tuple(without)
    with _project(out / "project", data, left_out) as bench:
        progress(f"{data.name}: loop of {spec.rounds} rounds, {spec.pairs} pairs, {spec.seeds} seeds")
        state = bench.loops.run(spec, out / "loop").state
    progress(f"{data.name}: {state.ended}")
    with _project(out / "blind", data, left_out) as bench:
        blind = _BlindRows(bench, out, state, progress).trainings()
    found = {
        "signature": environment("cpu"),
        "config": {"data": data.name, "contract": CONTRACT, "learned": LEARNED, "without": list(left_out),
                   "blind_engine": BLIND_ENGINE, "pairs": spec.pairs, "seeds": spec.seeds, "detector": detector,
                   "preset": preset, "minutes": round(state.seconds / 60, 1), "ended": state.ended},
        "rows": _rows(state, blind),
    }  # fmt: skip
    atomic_write(out / "results.json", json.dumps(found, indent=1).encode())
    return found


def _project(path: Path, data: Path, without: tuple[str, ...]) -> Workbench:
    """The folder as a project with LEARNED anomalies of each label to learn from, drawn by seed; the rest is kept for
    the test."""
    fresh = not path.is_dir()
    bench = open_project(path, data)
    if fresh:
        project = bench.project
        project.remove_examples([row.id for row in project.examples() if row.label in without])
        project.set_split(SplitRule.parse("1/2", 0))
        by_label: dict[str, list[str]] = {}
        for row in project.examples():
            by_label.setdefault(row.label, []).append(row.id)
        for label, ids in sorted(by_label.items()):
            for place, i in enumerate(numpy_rng(0, "bench", label).permutation(len(ids))):
                project.move_example(ids[i], "learn" if place < LEARNED else "test")
    return bench


class _BlindRows:
    """Trainings on pairs that nobody aimed, one for each round of the loop."""

    def __init__(self, bench: Workbench, out: Path, state: LoopState, say: Callable[[str], None]) -> None:
        self._state, self._say = state, say
        self._work = LoopWork(bench.material, out / "blind-detectors", "blind", TrainContext(keep=False), self._save)
        self._path = out / "blind.json"

    def trainings(self) -> list[LoopTraining]:
        """As many as the loop has rounds; pairs add up."""
        assert self._state.baseline is not None
        start = self._state.baseline
        pairs: tuple[str, ...] = ()
        found: list[LoopTraining] = []
        labels = sorted({label for label in start.validation.labels if label != "good"})
        for one in self._state.rounds:
            counts = share_out(len(one.kept), dict.fromkeys(labels, 1.0))
            for label, count in counts.items():
                planned = PlannedPairs(label, BLIND_ENGINE, count, (), {}, "blind")
                made = make_pairs_like(
                    self._work.material,
                    split_of(self._state),
                    planned,
                    round_job("blind", one.number),
                    1,
                    self._work.ctx,
                )
                pairs = (*pairs, *made.ids)
            training = untrained(start, (*start.pairs, *pairs), {})
            file = f"blind-{one.number}.safetensors"
            found.append(train_seeds(self._work, self._state, training, lambda _: self._state, file))
            self._say(f"blind, round {one.number}: {len(pairs)} pairs")
        return found

    def _save(self, state: LoopState) -> None:
        """Nothing is kept between seeds: a blind training takes minutes."""


def _rows(state: LoopState, blind: list[LoopTraining]) -> list[dict[str, Any]]:
    """The baseline, then each round: what the loop has then, and what as many blind pairs reach."""
    assert state.baseline is not None
    kept, rows = state.baseline, [{"round": 0, "pairs": 0, "loop": _reached(state.baseline)}]
    spent = 0
    for one, other in zip(state.rounds, blind, strict=True):
        spent += len(one.kept)
        if one.gate is not None and one.gate.kept and one.training is not None:
            kept = one.training
        loop, beside = _reached(kept), _reached(other)
        row = {"round": one.number, "pairs": spent, "loop": loop, "blind": beside,
               "tried": _reached(one.training) if one.training is not None else None,
               "kept": bool(one.gate and one.gate.kept), "reason": one.gate.reason if one.gate else ""}  # fmt: skip
        rows.append(row)
    return rows


def _reached(training: LoopTraining) -> dict[str, float]:
    values = list(LoopContract.parse(CONTRACT).check(training.test)[0].by_seed.values())
    return {"mean": statistics.fmean(values), "spread": statistics.stdev(values) if len(values) > 1 else 0.0}
