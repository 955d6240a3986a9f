"""Evaluations of a project: run in the background, watched while they learn, kept, compared, written down."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import InputError, NotFound
from core.evaluate import view
from core.evaluate.detectors.base import TrainContext, detectors
from core.evaluate.glossary import meaning, with_spread
from core.evaluate.report import write_report
from core.evaluate.result import MAX_POINTS, Curve, Result, Saved, load_saved, save_result
from core.jobs.material import Material
from core.jobs.runner import JobControl, Runner
from core.store import Project, SampleFilter
from core.types import Verdict
from core.workbench.trials import Trial, describe, kept_pairs, reference, sets

__all__ = ["DetectorCard", "Entry", "Evaluations", "Trial", "detector_cards", "view"]

FOLDER = "evaluations"
"""Of a project's folder."""
_REPORT = "report.html"
_TRAININGS = ".trainings"
"""Finished trainings of runs: one that was stopped goes on after them."""
MAP_SUFFIXES = (".tiff", ".tif", ".npy", ".png")
_WATCHED = 4
"""Runs whose live curves stay in memory."""


@dataclass(frozen=True)
class DetectorCard:
    """A detector as the app shows it. ``reason`` is None, or why it cannot be used and what to do."""

    name: str
    title: str
    summary: str
    reason: str | None


@dataclass(frozen=True)
class Entry:
    """A kept run in a list: ``headline`` is its first number in words, ``created`` seconds since 1970."""

    id: str
    created: float
    kind: str
    title: str
    headline: str


@dataclass(frozen=True)
class Preview:
    """What a run would take, in words by verb, with notes and with warnings that its numbers will mislead."""

    facts: dict[str, str]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def detector_cards() -> list[DetectorCard]:
    """Every registered detector."""
    return [DetectorCard(d.name, d.title, d.summary, d.available()) for d in detectors().values()]


class Evaluations:
    """The desk behind the Evaluate tab."""

    def __init__(self, material: Material, jobs: Runner) -> None:
        self._project = material.project
        self._jobs = jobs
        self._entries: dict[str, Entry] = {}
        self._live: dict[str, LiveCurves] = {}

    @property
    def folder(self) -> Path:
        """Where the results lie, one folder each."""
        return self._project.path / FOLDER

    def engines(self) -> dict[str, int]:
        """Engines of the pairs that may be evaluated, with how many there are of each."""
        project = self._project
        rows = [r for v in (Verdict.KEPT, Verdict.NEW) for r in project.samples(SampleFilter(verdict=v))]
        return dict(Counter(row.engine for row in rows).most_common())

    def preview(self, trial: Trial) -> Preview:
        """What a run would take; InputError says what is missing."""
        if trial.kind == "maps":
            return Preview(_maps(trial))
        if trial.kind == "generation":
            pairs, notes = kept_pairs(self._project, trial.engine)
            real = len(reference(self._project, trial.against))
            return Preview({"Measures": f"{len(pairs):,} pairs", "Against": f"{real:,} real anomalies"}, tuple(notes))
        chosen = sets(self._project, trial)
        return Preview(chosen.counts(), chosen.notes, chosen.warnings)

    def start(self, trial: Trial) -> str:
        """Run in the background; the job's result is ``{"id", "message"}`` of what was kept. InputError at once."""
        self.preview(trial)
        curves = LiveCurves()

        def work(control: JobControl) -> dict[str, Any]:
            result = _run(self._project, trial, control, curves)
            if trial.name:
                result = replace(result, title=trial.name)
            id = save_result(self.folder, result).name
            return {"id": id, "message": f"{view.KINDS[result.kind]}: {_headline(result)}"}

        job_id = self._jobs.submit("evaluate", f"Evaluate {view.KINDS[trial.kind].lower()}", work)
        self._live[job_id] = curves
        for old in list(self._live)[:-_WATCHED]:
            del self._live[old]
        return job_id

    def live(self, job_id: str) -> dict[str, Curve]:
        """The curves of a run of this process so far, by name."""
        return self._live[job_id].now() if job_id in self._live else {}

    def runs(self) -> list[Entry]:
        """The kept runs, newest first."""
        there = {p.parent.name for p in self.folder.glob("*/result.json") if not p.parent.name.startswith(".")}
        for id in there - set(self._entries):
            try:
                self._entries[id] = _entry(load_saved(self.folder / id))
            except (InputError, NotFound):
                continue  # damaged: as if it were not there
        found = [self._entries[id] for id in there if id in self._entries]
        return sorted(found, key=lambda entry: (entry.created, entry.id), reverse=True)

    def load(self, id: str) -> Result:
        """A kept result; NotFound."""
        return load_saved(self._at(id)).result

    def named(self, ids: Sequence[str]) -> list[view.Named]:
        """Results with the names under which they are compared: their titles, told apart where they are the same."""
        results = [self.load(id) for id in ids]
        titles = [result.title for result in results]
        names = [
            f"{title} ({titles[: place + 1].count(title)})" if titles.count(title) > 1 else title
            for place, title in enumerate(titles)
        ]
        return list(zip(names, results, strict=True))

    def remove(self, id: str) -> None:
        """Delete a kept run and its report; NotFound."""
        shutil.rmtree(self._at(id), ignore_errors=True)
        self._entries.pop(id, None)

    def report(self, ids: Sequence[str]) -> Path:
        """One HTML page of these runs, several side by side; made once."""
        if len(ids) == 1:
            path = self._at(ids[0]) / _REPORT
        else:
            path = self.folder / "comparisons" / f"{hashlib.sha256('/'.join(ids).encode()).hexdigest()[:16]}.html"
        if not path.is_file():
            named = self.named(ids)
            write_report(path, [result for _, result in named], [name for name, _ in named])
        return path

    def report_name(self, ids: Sequence[str]) -> str:
        """What the report's file is called when a person saves it."""
        return f"{self._project.path.name}-{ids[0] if len(ids) == 1 else 'comparison'}.html"

    def picture(self, id: str, name: str) -> Path:
        """A picture of a kept run."""
        return self._at(id) / "pictures" / f"{name}.png"

    def _at(self, id: str) -> Path:
        path = self.folder / id
        if path.parent != self.folder or not (path / "result.json").is_file():
            raise NotFound(f"evaluation {id!r} is not in this project; it may have been removed")
        return path


class LiveCurves:
    """Curves that grow while somebody looks; long ones lose every other point, so that they stay short."""

    def __init__(self) -> None:
        self._points: dict[str, list[tuple[float, float]]] = {}
        self._steps: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def add(self, name: str, x: float, y: float) -> None:
        """Add a point."""
        with self._lock:
            points = self._points.setdefault(name, [])
            step, seen = self._steps.get(name, (1, 0))
            if seen % step == 0:
                points.append((x, y))
            if len(points) >= MAX_POINTS:
                del points[1::2]
                step *= 2
            self._steps[name] = (step, seen + 1)

    def now(self) -> dict[str, Curve]:
        """The curves so far."""
        with self._lock:
            return {
                name: Curve(tuple(x for x, _ in points), tuple(y for _, y in points), "epoch", name)
                for name, points in self._points.items()
            }


def _run(project: Project, trial: Trial, control: JobControl, curves: LiveCurves) -> Result:
    """The evaluation itself; each kind imports its room when it is asked for."""
    progress = lambda done, total, message="": control.progress(done, total, message=message)  # noqa: E731
    if trial.kind == "maps":
        from core.evaluate.maps import evaluate_maps

        assert trial.scores is not None and trial.masks is not None  # preview has seen them
        return evaluate_maps(trial.scores, trial.masks, trial.defects_config, progress=progress,
                             cancelled=control.cancelled)  # fmt: skip
    if trial.kind == "generation":
        return _generation(project, trial, progress, control.cancelled)
    chosen = sets(project, trial)
    ctx = TrainContext(
        progress=progress, cancelled=control.cancelled, curve=curves.add, checkpoint=project.path / FOLDER / _TRAININGS
    )
    common: dict[str, Any] = {
        "preset": trial.preset, "seeds": tuple(range(trial.trainings)), "ctx": ctx,
        "source": _source(project, trial) | {"pairs": len(chosen.pairs)},
    }  # fmt: skip
    if trial.kind == "classification":
        from core.evaluate.classification import evaluate_classification

        result = evaluate_classification(chosen.train, chosen.test, **common)
    else:
        from core.evaluate.localization import evaluate_detection, evaluate_localization

        run = evaluate_detection if trial.kind == "detection" else evaluate_localization
        result = run(chosen.train, chosen.test, detector=trial.detector, **common)
    title = describe(chosen.pairs, trial.against)
    return replace(result, title=title, notes=(*chosen.warnings, *chosen.notes, *result.notes))


def _generation(
    project: Project, trial: Trial, progress: Callable[..., None], cancelled: Callable[[], bool]
) -> Result:
    from core.evaluate.generation import Pair, evaluate_generation

    rows, notes = kept_pairs(project, trial.engine)
    photos = {row.id: row.path for row in project.normals()}
    pairs = [
        Pair(r.id, r.image_path, r.label, r.instance_paths or (r.mask_path,), before=photos[r.normal_id]) for r in rows
    ]
    real = reference(project, trial.against)
    result = evaluate_generation(pairs, real, progress=progress, cancelled=cancelled, source=_source(project, trial))
    return replace(result, title=describe(rows, trial.against), notes=(*notes, *result.notes))


def _source(project: Project, trial: Trial) -> dict[str, Any]:
    """Where the photos came from, for the result's config."""
    return {
        "project": str(project.path), "against": str(trial.against or "imported real anomalies"),
        "pairs_by": trial.engine or "all engines",
    }  # fmt: skip


def _maps(trial: Trial) -> dict[str, str]:
    if trial.scores is None or trial.masks is None:
        raise InputError("give the folder of score maps and the folder of masks")
    found = sum(path.suffix.lower() in MAP_SUFFIXES for path in trial.scores.rglob("*"))
    if not found:
        raise InputError(f"{trial.scores}: there is no score map in it; expected {', '.join(MAP_SUFFIXES)} files")
    return {"Measures": f"{found:,} score maps", "Against": f"the masks in {trial.masks.name}"}


def _entry(saved: Saved) -> Entry:
    return Entry(saved.id, saved.created, saved.result.kind, saved.result.title, _headline(saved.result))


def _headline(result: Result) -> str:
    names = view.headline(result.metrics)
    if not names:
        return "no numbers"
    return f"{meaning(names[0]).title} {with_spread(result.metrics[names[0]], result.spread.get(names[0]))}"
