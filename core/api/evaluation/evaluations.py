"""Evaluations of a project: run in the background, watched while they learn, kept, compared, written down."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.api.evaluation.photo_scores import PhotoScores
from core.api.evaluation.runner import LiveCurves, run_evaluation
from core.api.evaluation.specs import (
    EvalSpec,
    build_eval_sets,
    learned_reference_warnings,
    pairs_to_evaluate,
    real_anomalies,
)
from core.api.verdict_to_use import verdict_to_use
from core.errors import InputError, NewerFormat, NotFound
from core.evaluation import report_parts
from core.evaluation.detectors.api import detectors
from core.evaluation.glossary import format_with_spread, metric_description
from core.evaluation.photo_sets import Shot
from core.evaluation.report import write_report
from core.evaluation.results import Curve, EvalResult, SavedResult, load_saved_result, save_result
from core.evaluation.score_map_files import find_score_maps
from core.jobs.product_data import ProductData
from core.jobs.runner import JobControl, JobRunner
from core.store import SampleRow

__all__ = ["DetectorCard", "EvaluationEntry", "EvaluationsApi", "EvalSpec", "detector_cards", "report_parts"]

FOLDER = "evaluations"
"""Of a project's folder."""
_REPORT = "report.html"
_TRAININGS_FOLDER = ".trainings"
"""Finished trainings of runs: one that was stopped goes on after them."""
_MAX_LIVE_RUNS = 4
"""Runs whose live curves stay in memory."""


@dataclass(frozen=True)
class DetectorCard:
    """A detector as the app shows it. ``reason`` is None, or why it cannot be used and what to do."""

    name: str
    title: str
    summary: str
    reason: str | None


@dataclass(frozen=True)
class EvaluationEntry:
    """A kept run in a list: ``headline`` is its first number in words, ``created`` seconds since 1970."""

    id: str
    created: float
    kind: str
    title: str
    headline: str


@dataclass(frozen=True)
class EvaluationPreview:
    """What a run would take, in words by verb, with notes and with warnings that its numbers will mislead."""

    facts: dict[str, str]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def detector_cards() -> list[DetectorCard]:
    """Every registered detector."""
    return [DetectorCard(d.name, d.title, d.summary, d.available()) for d in detectors().values()]


class EvaluationsApi:
    """The desk behind the Evaluate tab."""

    def __init__(self, material: ProductData, jobs: JobRunner) -> None:
        self._project = material.project
        self._jobs = jobs
        self._known_runs: dict[str, EvaluationEntry] = {}
        self._live: dict[str, LiveCurves] = {}
        self.photo_scores = PhotoScores(self._project, self.folder)

    @property
    def folder(self) -> Path:
        """Where the results lie, one folder each."""
        return self._project.path / FOLDER

    def engines(self) -> dict[str, int]:
        """Engines of the pairs that an evaluation takes, with how many there are of each; {} without pairs."""
        return self._project.engine_counts(verdict_to_use(self._project))

    def preview(self, trial: EvalSpec) -> EvaluationPreview:
        """What a run would take; InputError says what is missing."""
        if trial.kind == "maps":
            return EvaluationPreview(_score_map_facts(trial))
        if trial.kind == "generation":
            pairs, notes = pairs_to_evaluate(self._project, trial.engine)
            real = real_anomalies(self._project, trial.against)
            warnings = learned_reference_warnings(self._project, pairs, real)
            return EvaluationPreview(_pairs_facts(pairs, real), tuple(notes), warnings)
        chosen = build_eval_sets(self._project, trial)
        return EvaluationPreview(chosen.facts(), chosen.notes, chosen.warnings)

    def start(self, trial: EvalSpec) -> str:
        """Run in the background; the job's result is ``{"id", "message"}`` of what was kept. InputError at once."""
        self.preview(trial)
        curves = LiveCurves()

        def work(control: JobControl) -> dict[str, Any]:
            result = run_evaluation(self._project, trial, control, curves, self.folder / _TRAININGS_FOLDER)
            if trial.name:
                result = replace(result, title=trial.name)
            id = save_result(self.folder, result).name
            return {"id": id, "message": f"{report_parts.KIND_TITLES[result.kind]}: {_headline(result)}"}

        job_id = self._jobs.submit("evaluate", f"Evaluate {report_parts.KIND_TITLES[trial.kind].lower()}", work)
        self._live[job_id] = curves
        for old in list(self._live)[:-_MAX_LIVE_RUNS]:
            del self._live[old]
        return job_id

    def running(self) -> str:
        """The id of this process' newest run that has not ended; "" if there is none."""
        active = {event.job_id for event in self._jobs.active()}
        return next((job_id for job_id in reversed(self._live) if job_id in active), "")

    def live_curves(self, job_id: str) -> dict[str, Curve]:
        """The curves of a run of this process so far, by name."""
        return self._live[job_id].snapshot() if job_id in self._live else {}

    def runs(self) -> list[EvaluationEntry]:
        """The kept runs, newest first."""
        there = {p.parent.name for p in self.folder.glob("*/result.json") if not p.parent.name.startswith(".")}
        for id in there - set(self._known_runs):
            try:
                self._known_runs[id] = _as_run(load_saved_result(self.folder / id))
            except (InputError, NewerFormat, NotFound):
                continue  # damaged, or of a newer Flawsmith: as if it were not there
        found = [self._known_runs[id] for id in there if id in self._known_runs]
        return sorted(found, key=lambda entry: (entry.created, entry.id), reverse=True)

    def load(self, id: str) -> EvalResult:
        """A kept result; NotFound."""
        return load_saved_result(self._run_folder(id)).result

    def named_results(self, ids: Sequence[str]) -> list[report_parts.NamedResult]:
        """Results with the names under which they are compared: their titles, told apart where they are the same."""
        saved = [load_saved_result(self._run_folder(id)) for id in ids]
        titles = Counter(one.result.title for one in saved)
        named = []
        for one in saved:
            when = time.strftime("%d %b %H:%M:%S", time.localtime(one.created))
            title = one.result.title
            named.append((f"{title}, {when}" if titles[title] > 1 else title, one.result))
        return named

    def remove(self, id: str) -> None:
        """Delete a kept run and its report; NotFound."""
        shutil.rmtree(self._run_folder(id), ignore_errors=True)
        self._known_runs.pop(id, None)

    def report(self, ids: Sequence[str]) -> Path:
        """One HTML page of these runs, several side by side; made once."""
        if len(ids) == 1:
            path = self._run_folder(ids[0]) / _REPORT
        else:
            path = self.folder / "comparisons" / f"{hashlib.sha256('/'.join(ids).encode()).hexdigest()[:16]}.html"
        if not path.is_file():
            named = self.named_results(ids)
            write_report(path, [result for _, result in named], [name for name, _ in named])
        return path

    def report_name(self, ids: Sequence[str]) -> str:
        """What the report's file is called when a person saves it."""
        return f"{self._project.path.name}-{ids[0] if len(ids) == 1 else 'comparison'}.html"

    def picture(self, id: str, name: str) -> Path:
        """A picture of a kept run."""
        return self._run_folder(id) / "pictures" / f"{name}.png"

    def _run_folder(self, id: str) -> Path:
        path = self.folder / id
        if path.parent != self.folder or not (path / "result.json").is_file():
            raise NotFound(f"evaluation {id!r} is not in this project; it may have been removed")
        return path


def _pairs_facts(pairs: Sequence[SampleRow], real: Sequence[Shot]) -> dict[str, str]:
    made, there = {p.label for p in pairs}, {s.label for s in real}
    if not made & there:
        raise InputError(
            f"the labels don't match: the pairs are {', '.join(sorted(made))}, the real anomalies "
            f"{', '.join(sorted(there))}; name them alike"
        )
    return {"Measures": f"{len(pairs):,} pairs", "Against": f"{len(real):,} real anomalies"}


def _score_map_facts(trial: EvalSpec) -> dict[str, str]:
    if trial.scores is None or trial.masks is None:
        raise InputError("give the folder of score maps and the folder of masks")
    return {
        "Measures": f"{len(find_score_maps(trial.scores)):,} score maps",
        "Against": f"the masks in {trial.masks.name}",
    }


def _as_run(saved: SavedResult) -> EvaluationEntry:
    return EvaluationEntry(saved.id, saved.created, saved.result.kind, saved.result.title, _headline(saved.result))


def _headline(result: EvalResult) -> str:
    names = report_parts.headline_first(result.metrics)
    if not names:
        return "no numbers"
    name = names[0]
    return f"{metric_description(name).title} {format_with_spread(result.metrics[name], result.spread.get(name))}"
