"""The pairs of a folder measured: what ``launch.py evaluate generation`` asks of the core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from core.api.evaluation.specs import learned_reference_warnings
from core.errors import InputError
from core.evaluation.detectors.api import TrainContext
from core.evaluation.photo_sets import Shot
from core.evaluation.results import EvalResult
from core.progress import Steps, unwatched
from core.store import Project

__all__ = ["EvalResult", "evaluate_generation_folders"]


def evaluate_generation_folders(
    pairs: Path,
    reference: Path,
    *,
    everything: bool = False,
    labels: Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    progress: Steps = unwatched,
    cancelled: Callable[[], bool] = lambda: False,
) -> EvalResult:
    """Measure the pairs of a project or dataset against the real anomalies of another: see evaluate_generation.

    Of a project, ARS learns from all its photos of good parts, and memorised pairs are looked for among the real
    anomalies imported into it, if there are any.
    """
    from core.evaluation.generation import evaluate_generation, read_pairs
    from core.evaluation.photo_sets import read_photo_set

    taken = read_pairs(pairs, everything)
    chosen = [pair for pair in taken.pairs if not labels or pair.label in labels]
    if not chosen:
        have = ", ".join(sorted({pair.label for pair in taken.pairs}))
        raise InputError(f"{pairs}: there are no pairs of label {', '.join(labels)} (there are: {have})")
    # Of a project, the real anomalies are those imported into it, not its own samples.
    is_project = (reference.expanduser() / "project.db").is_file()
    real = read_photo_set(reference, "test" if is_project else "all", normals=False)
    warnings = _warnings(pairs, real, TrainContext(cancelled=cancelled).check)
    result = evaluate_generation(
        chosen,
        real,
        normals=taken.normals or None,
        training=taken.examples or None,
        seed=seed,
        device=device,
        progress=progress,
        cancelled=cancelled,
        source={"pairs": str(pairs), "reference": str(reference), "all": everything, "labels": list(labels)},
    )
    title = f"{len(chosen)} pairs of {pairs.resolve().name} → {reference.resolve().name}"
    return replace(result, title=title, notes=(*warnings, *taken.notes, *result.notes))


def _warnings(pairs: Path, real: Sequence[Shot], check: Callable[[], None]) -> tuple[str, ...]:
    """That the real anomalies, or copies of them, were learned from, where ``pairs`` is a project, which knows."""
    if not (pairs.expanduser() / "project.db").is_file():
        return ()
    with Project.open(pairs.expanduser()) as project:
        return learned_reference_warnings(project, project.samples(), real, by_look=True, check=check)
