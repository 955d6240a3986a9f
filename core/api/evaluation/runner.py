"""One evaluation of a project while it runs: which function measures it, and the curves that grow meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.api.evaluation.specs import (
    EvalSpec,
    build_eval_sets,
    learnable_anomalies,
    learned_reference_warnings,
    pairs_to_evaluate,
    real_anomalies,
    run_title,
)
from core.evaluation.detectors.api import TrainContext
from core.evaluation.results import MAX_POINTS, Curve, EvalResult
from core.jobs.runner import JobControl
from core.progress import Steps
from core.store import Project


class LiveCurves:
    """Curves that grow while somebody looks; long ones lose every other point, so that they stay short."""

    def __init__(self, x_label: str = "epoch") -> None:
        self._x_label = x_label
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

    def snapshot(self) -> dict[str, Curve]:
        """The curves so far."""
        with self._lock:
            return {
                name: Curve(tuple(x for x, _ in points), tuple(y for _, y in points), self._x_label, name)
                for name, points in self._points.items()
            }


def run_evaluation(
    project: Project, trial: EvalSpec, control: JobControl, curves: LiveCurves, finished: Path
) -> EvalResult:
    """The evaluation itself; each kind imports its room when it is asked for. ``finished`` keeps whole trainings."""
    if trial.kind == "maps":
        from core.evaluation.score_map_metrics import evaluate_maps

        assert trial.scores is not None and trial.masks is not None  # preview has seen them
        return evaluate_maps(trial.scores, trial.masks, trial.defects_config, progress=control.progress,
                             cancelled=control.cancelled)  # fmt: skip
    if trial.kind == "generation":
        return _evaluate_pairs(project, trial, control.progress, control.cancelled)
    ctx = TrainContext(progress=control.progress, cancelled=control.cancelled, curve=curves.add, checkpoint=finished)
    chosen = build_eval_sets(project, trial).checked_by_look(ctx.check)
    common: dict[str, Any] = {
        "preset": trial.preset, "seeds": tuple(range(trial.trainings)), "ctx": ctx,
        "source": _result_source(project, trial) | {"pairs": len(chosen.pairs)},
    }  # fmt: skip
    if trial.kind == "classification":
        from core.evaluation.classification import evaluate_classification

        result = evaluate_classification(chosen.train, chosen.test, **common)
    else:
        from core.evaluation.localization import evaluate_detection, evaluate_localization

        measure = evaluate_detection if trial.kind == "detection" else evaluate_localization
        result = measure(chosen.train, chosen.test, detector=trial.detector, **common)
    title = run_title(chosen.pairs, trial.against)
    return replace(result, title=title, notes=(*chosen.warnings, *chosen.notes, *result.notes))


def _evaluate_pairs(project: Project, trial: EvalSpec, progress: Steps, cancelled: Callable[[], bool]) -> EvalResult:
    from core.evaluation.generation import GeneratedPair, evaluate_generation

    rows, notes = pairs_to_evaluate(project, trial.engine)
    photos = {row.id: row.path for row in project.normals()}
    pairs = [
        GeneratedPair(
            f"{r.label}/{r.id}", r.image_path, r.label, r.instance_paths or (r.mask_path,), before=photos[r.normal_id]
        )
        for r in rows
    ]
    real = real_anomalies(project, trial.against)
    # An engine may have seen the imported anomalies, whatever the pairs are compared with.
    result = evaluate_generation(
        pairs,
        real,
        normals=list(photos.values()),
        training=learnable_anomalies(project) or None,
        progress=progress,
        cancelled=cancelled,
        source=_result_source(project, trial),
    )
    warnings = learned_reference_warnings(
        project, rows, real, by_look=True, check=TrainContext(cancelled=cancelled).check
    )
    return replace(result, title=run_title(rows, trial.against), notes=(*warnings, *notes, *result.notes))


def _result_source(project: Project, trial: EvalSpec) -> dict[str, Any]:
    """Where the photos came from, for the result's config."""
    return {
        "project": str(project.path), "against": str(trial.against or "imported real anomalies"),
        "pairs_by": trial.engine or "all engines",
    }  # fmt: skip
