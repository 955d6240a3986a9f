"""Runs a loop from wherever it is to where a person is asked, or to its end; after each stage its page is written."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import InputError, NotFound
from core.evaluation.detectors.api import TrainContext
from core.jobs.product_data import ProductData
from core.loop.loop_report import write_loop_report
from core.loop.loop_state import LoopSpec, LoopState, load_state, save_state
from core.loop.pair_making import round_job
from core.loop.retraining import LoopWork
from core.loop.stages import STAGE_WORK

REPORT_FILE = "loop.html"
LOOPS_FOLDER = "loops"
"""Under the project: one folder for each loop."""


@dataclass(frozen=True)
class LoopOutcome:
    """Where a run of the loop left it. ``waits_for`` is the job whose pairs a person may look at now, "" where nothing
    waits."""

    state: LoopState
    folder: Path
    waits_for: str = ""

    @property
    def report(self) -> Path:
        """The loop's page."""
        return self.folder / REPORT_FILE


def loop_folder(project: Path, spec: LoopSpec, out: Path | None = None) -> Path:
    """Where a loop lies: ``out``, else a folder of the project named by what is asked for."""
    return out if out is not None else project / LOOPS_FOLDER / spec.digest()


def run_loop(material: ProductData, spec: LoopSpec, folder: Path, ctx: TrainContext) -> LoopOutcome:
    """Go on with the loop in ``folder``, or begin it. With ``spec.auto`` nobody is asked.

    InputError where the folder holds a loop of other settings, where photos are missing, or at a leak; Cancelled
    within a step. What was finished is kept.
    """
    state = _begun(folder, spec)
    while not state.ended:
        if state.stage == "review" and not (state.shown or spec.auto):
            save_state(folder, replace(state, shown=True))
            return LoopOutcome(state, folder, round_job(spec.digest(), state.round.number))
        state = _advanced(material, folder, state, ctx)
    return LoopOutcome(state, folder)


def _advanced(material: ProductData, folder: Path, state: LoopState, ctx: TrainContext) -> LoopState:
    """The state after its next stage, saved, with its page."""
    began, before = time.monotonic(), state.seconds

    def timed(now: LoopState) -> LoopState:
        return replace(now, seconds=before + time.monotonic() - began)

    work = LoopWork(material, folder, state.spec.digest(), ctx, lambda now: save_state(folder, timed(now)))
    after = timed(STAGE_WORK[state.stage](work, state))
    save_state(folder, after)
    write_loop_report(folder / REPORT_FILE, material.project, after, folder)
    return after


def _begun(folder: Path, spec: LoopSpec) -> LoopState:
    try:
        found = load_state(folder)
    except NotFound:
        return LoopState(spec)
    if found.spec.digest() != spec.digest():
        raise InputError(f"{folder}: holds a loop of other settings ({found.spec.contract}); choose another --out")
    return found
