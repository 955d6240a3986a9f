"""Evaluations that train something, from folders: what ``launch.py evaluate localization`` and its kin ask for.

Each function imports its evaluation when it is called, so that the list of commands loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.evaluation.results import EvalResult, ResultKind

__all__ = [
    "EvalResult",
    "FolderTraining",
    "evaluate_classification_folders",
    "evaluate_detection_folders",
    "evaluate_localization_folders",
]

TRAININGS_FOLDER = "trainings"
"""Under the folder of results: where finished seeds are kept, so that none is trained twice."""


@dataclass(frozen=True)
class FolderTraining:
    """What to learn from, what to test on, and how. ``side`` 0 judges maps at each photo's own size.

    Without ``test`` the project ``train`` is tested on the real anomalies that its split keeps for it. ``split`` is
    the share of the test set's anomalies that was learned from, the first by name or drawn with ``split_seed``;
    without ``test`` it splits the project. ``keep`` is the folder results are written into, None for none: finished
    seeds are found again there.
    """

    train: Path
    test: Path | None
    preset: str = "cpu"
    params: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 3
    without: Sequence[str] = ()
    device: str = "auto"
    detector: str = "unet"
    side: int = 256
    keep: Path | None = None
    split: str | None = None
    split_seed: int | None = None

    def source(self) -> dict[str, Any]:
        """The folders and the split, as a result's config names them."""
        share = {"split": self.split, "split_seed": self.split_seed} if self.split else {}
        return {"train": str(self.train), "test": str(self.test or "the project's real anomalies"), **share}


def evaluate_localization_folders(task: FolderTraining, **watching: Callable[..., Any]) -> EvalResult:
    """See core.evaluation.localization.evaluate_localization; ``watching``: progress, cancelled, curve."""
    from core.evaluation.localization import evaluate_localization

    more = {"detector": task.detector, "side": task.side or None}
    return _evaluate(evaluate_localization, task, "localization", watching, more)


def evaluate_detection_folders(task: FolderTraining, **watching: Callable[..., Any]) -> EvalResult:
    """See core.evaluation.localization.evaluate_detection; ``watching``: progress, cancelled, curve."""
    from core.evaluation.localization import evaluate_detection

    more = {"detector": task.detector, "side": task.side or None}
    return _evaluate(evaluate_detection, task, "detection", watching, more)


def evaluate_classification_folders(task: FolderTraining, **watching: Callable[..., Any]) -> EvalResult:
    """See core.evaluation.classification.evaluate_classification; ``watching``: progress, cancelled, curve."""
    from core.evaluation.classification import evaluate_classification

    return _evaluate(evaluate_classification, task, "classification", watching, {})


def _evaluate(
    evaluate: Callable[..., EvalResult],
    task: FolderTraining,
    kind: ResultKind,
    watching: Mapping[str, Any],
    more: Mapping[str, Any],
) -> EvalResult:
    from core.api.evaluation.folder_sets import folder_sets
    from core.evaluation.detectors.api import TrainContext

    kept = task.keep / TRAININGS_FOLDER if task.keep else None
    ctx = TrainContext(device=task.device, checkpoint=kept, **watching)
    sets = folder_sets(task.train, task.test, kind, task.split, task.split_seed).checked_by_look(ctx.check)
    result = evaluate(
        sets.train,
        sets.test,
        preset=task.preset,
        params=task.params,
        seeds=range(task.seeds),
        without=tuple(task.without),
        ctx=ctx,
        source=task.source(),
        **more,
    )
    return replace(result, notes=(*sets.warnings, *sets.notes, *result.notes))
