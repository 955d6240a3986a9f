"""The loop of a project: begun, gone on with, watched; and where each one lies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.api.evaluation.evaluations import detector_cards
from core.errors import InputError, NewerFormat, NotFound, Unavailable
from core.evaluation.detectors.api import TrainContext, detectors
from core.images import cached_file, read_image, read_mask, thumbnail_bytes
from core.images.geometry import covered
from core.jobs.product_data import ProductData
from core.jobs.runner import JobControl, JobRunner
from core.loop.contract import EXAMPLE, LoopContract
from core.loop.loop_state import STATE_FILE, LoopSpec, LoopState, load_state
from core.loop.planning import ranked_engines
from core.progress import Progress, unwatched
from core.store import ExampleRow
from core.types import Mask

__all__ = ["EXAMPLE", "LoopCard", "LoopSpec", "LoopsApi", "LoopState", "parse_budget"]

_BUDGET = re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?")


@dataclass(frozen=True)
class LoopCard:
    """A loop as the app and the command line show it: its folder, its state, where it is in a sentence, and the job
    whose pairs wait for a person, "" where none do."""

    folder: Path
    state: LoopState
    said: str
    waits_for: str

    @property
    def report(self) -> Path:
        """The loop's page; it is there once a stage is done."""
        from core.loop.run_loop import REPORT_FILE

        return self.folder / REPORT_FILE

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they are printed."""
        state = self.state
        contract = LoopContract.parse(state.spec.contract)
        trained = {"baseline": state.baseline} | {str(r.number): r.training for r in state.rounds}
        reached = {
            name: {check.bound.name: check.value for check in contract.check(one.test)}
            for name, one in trained.items()
            if one is not None and one.test.scores
        }
        best = state.best
        met = best is not None and bool(best.test.scores) and all(c.passed for c in contract.check(best.test))
        gates = {str(r.number): {"kept": r.gate.kept, "reason": r.gate.reason} for r in state.rounds if r.gate}
        return {
            "folder": str(self.folder), "report": str(self.report), "stage": state.stage, "said": self.said,
            "ended": state.ended, "waits_for": self.waits_for, "contract": str(contract), "contract_met": met,
            "reached": reached, "rounds": gates, "pairs": state.pairs_spent(), "minutes": round(state.seconds / 60, 1),
        }  # fmt: skip


@dataclass(frozen=True)
class MissCard:
    """A missed anomaly as the app shows it: a small picture with its outline, and what is known of it, in words."""

    example_id: str
    label: str
    picture: Path
    missed: float
    said: str


@dataclass(frozen=True)
class MissPlace:
    """Where Studio makes more like a miss: a good photo, the miss's outline on it, its label, and the engine that the
    loop would take, "" where it has tried none."""

    normal_id: str
    mask: Mask
    label: str
    engine: str


class LoopsApi:
    """The desk behind ``launch.py loop`` and the loop in Evaluate."""

    def __init__(self, material: ProductData, jobs: JobRunner) -> None:
        self._material = material
        self._jobs = jobs

    def detectors(self) -> list[tuple[str, str]]:
        """Titles and names of the detectors that pairs can teach and that run here."""
        return [(c.title, c.name) for c in detector_cards() if c.reason is None and detectors()[c.name].needs_pairs]

    def run(
        self,
        spec: LoopSpec,
        out: Path | None = None,
        progress: Progress = unwatched,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> LoopCard:
        """Go on with a loop, or begin it, until a person is asked or it ends. See core.loop.run_loop."""
        from core.loop.run_loop import loop_folder, run_loop

        ctx = TrainContext(progress=progress, cancelled=cancelled, keep=False)
        folder = loop_folder(self._material.project.path, spec, out)
        return _card(folder, run_loop(self._material, spec, folder, ctx).state)

    def start(self, spec: LoopSpec) -> str:
        """``run`` in the background."""

        def work(control: JobControl) -> Mapping[str, Any]:
            found = self.run(spec, None, control.progress, control.cancelled)
            return {"message": found.said, "folder": str(found.folder)}

        return self._jobs.submit("evaluate", f"Loop with {spec.detector}", work)

    def misses(self, card: LoopCard, most: int = 24) -> list[MissCard]:
        """What the newest diagnosis of a loop found missed, the most often first; those that were removed are left
        out."""
        found = next((r.diagnosis for r in reversed(card.state.rounds) if r.diagnosis is not None), None)
        cards = []
        for miss in found.misses if found is not None else ():
            id = miss.facts.name.rpartition("/")[2]
            try:
                row = self._material.project.example_row(id)
            except NotFound:
                continue
            path = self._material.project.cache_dir / "misses" / f"{id}.png"
            picture = cached_file(path, partial(_thumbnail, row))
            facts = miss.facts
            said = f"{facts.size:.2%} of the part, contrast {facts.contrast:.0%}, {facts.place}, {facts.surroundings}"
            cards.append(MissCard(id, row.label, picture, miss.missed, said))
        return cards[:most]

    def place_like(self, example_id: str) -> MissPlace:
        """Where to make more like this miss: on the good photo that is most like its own, in its outline. NotFound;
        InputError without photos of good parts."""
        project = self._material.project
        row = project.example_row(example_id)
        try:
            normal_id = self._material.nearest(read_image(row.path)).id
        except Unavailable:
            normal_id = project.normals(0, 1)[0].id
        normal = project.normal_row(normal_id)
        mask = covered(_mask_of(row), (normal.height, normal.width))
        trials = next((card.state.trials for card in self.loops() if card.state.trials), ())
        best = ranked_engines(row.label, trials)
        return MissPlace(normal_id, mask, row.label, best[0][0] if best else "")

    def loops(self) -> list[LoopCard]:
        """The project's loops, the one worked on last first; damaged ones are passed over."""
        from core.loop.run_loop import LOOPS_FOLDER

        found = []
        for path in (self._material.project.path / LOOPS_FOLDER).glob(f"*/{STATE_FILE}"):
            try:
                found.append((path.stat().st_mtime, _card(path.parent, load_state(path.parent))))
            except (InputError, NewerFormat, NotFound, OSError):
                continue
        return [card for _, card in sorted(found, key=lambda one: -one[0])]


def loop_parts(card: LoopCard) -> str:
    """What each round of a loop brought, as HTML."""
    from core.loop.loop_report import rounds_table

    return rounds_table(card.state)


def parse_budget(texts: list[str]) -> dict[str, float]:
    """``["pairs=200", "minutes=45"]`` as numbers; InputError for another name or a number that is none."""
    found: dict[str, float] = {}
    for text in (part.strip() for one in texts for part in one.split(",")):
        name, _, value = text.partition("=")
        if name not in ("pairs", "minutes") or not _BUDGET.fullmatch(value):
            raise InputError(
                f"--budget {text[:80]!r}: expected pairs=NUMBER or minutes=NUMBER of at most 9 digits, "
                "for example pairs=200"
            )
        found[name] = float(value)
    return found


def _thumbnail(row: ExampleRow) -> bytes:
    return thumbnail_bytes(read_image(row.path), 256, _mask_of(row))


def _mask_of(row: ExampleRow) -> Mask:
    return np.asarray(np.logical_or.reduce([read_mask(path) for path in row.mask_paths]), np.bool_)


def _card(folder: Path, state: LoopState) -> LoopCard:
    from core.loop.loop_report import loop_progress
    from core.loop.pair_making import round_job

    waits = state.stage == "review" and not state.ended
    return LoopCard(
        folder, state, loop_progress(state), round_job(state.spec.digest(), state.round.number) if waits else ""
    )
