"""Evaluations that train something, from folders: what ``launch.py evaluate localization`` and its kin ask for.

Each function imports its evaluation when it is called, so that the list of commands loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.evaluation.results import EvalResult
from core.store import Project

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

    ``keep`` is the folder results are written into, None for none: finished seeds are found again there.
    """

    train: Path
    test: Path
    preset: str = "cpu"
    params: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 3
    without: Sequence[str] = ()
    device: str = "auto"
    detector: str = "unet"
    side: int = 256
    keep: Path | None = None

    def source(self) -> dict[str, Any]:
        """The folders, as a result's config names them."""
        return {"train": str(self.train), "test": str(self.test)}


def evaluate_localization_folders(task: FolderTraining, **watching: Callable[..., Any]) -> EvalResult:
    """See core.evaluation.localization.evaluate_localization; ``watching``: progress, cancelled, curve."""
    from core.evaluation.localization import evaluate_localization

    return _evaluate_pixelwise(evaluate_localization, task, watching)


def evaluate_detection_folders(task: FolderTraining, **watching: Callable[..., Any]) -> EvalResult:
    """See core.evaluation.localization.evaluate_detection; ``watching``: progress, cancelled, curve."""
    from core.evaluation.localization import evaluate_detection

    return _evaluate_pixelwise(evaluate_detection, task, watching)


def evaluate_classification_folders(task: FolderTraining, **watching: Callable[..., Any]) -> EvalResult:
    """See core.evaluation.classification.evaluate_classification; ``watching``: progress, cancelled, curve."""
    from core.evaluation.classification import evaluate_classification
    from core.evaluation.photo_sets import labelled_as_imported, read_photo_set

    renamed = _renamed(task.train)
    train = labelled_as_imported(read_photo_set(task.train, "train", masks=False, normals=False), renamed)
    test = labelled_as_imported(read_photo_set(task.test, "test", masks=False, normals=False), renamed)
    return evaluate_classification(train, test, **_common_arguments(task, watching))


def _renamed(train: Path) -> dict[str, str]:
    """Labels that were renamed in the project to learn from; those of the test set have their old names."""
    if not (train / "project.db").is_file():
        return {}
    with Project.open(train) as project:
        return project.renamed_labels()


def _evaluate_pixelwise(
    evaluate: Callable[..., EvalResult], task: FolderTraining, watching: Mapping[str, Any]
) -> EvalResult:
    from core.evaluation.photo_sets import read_photo_set

    train, test = read_photo_set(task.train, "train"), read_photo_set(task.test, "test")
    return evaluate(train, test, detector=task.detector, side=task.side or None, **_common_arguments(task, watching))


def _common_arguments(task: FolderTraining, watching: Mapping[str, Any]) -> dict[str, Any]:
    from core.evaluation.detectors.api import TrainContext

    kept = task.keep / TRAININGS_FOLDER if task.keep else None
    return {
        "preset": task.preset,
        "params": task.params,
        "seeds": range(task.seeds),
        "without": tuple(task.without),
        "ctx": TrainContext(device=task.device, checkpoint=kept, **watching),
        "source": task.source(),
    }
