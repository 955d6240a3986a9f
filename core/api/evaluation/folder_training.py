"""Evaluations that train something, from folders: what ``launch.py evaluate localization`` and its kin ask for.

Each function imports its evaluation when it is called, so that the list of commands loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.evaluation.results import Result

__all__ = ["Result", "FolderTraining", "classification", "detection", "localization"]

TRAININGS = "trainings"
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


def localization(task: FolderTraining, **watching: Callable[..., Any]) -> Result:
    """See core.evaluation.localization.evaluate_localization; ``watching``: progress, cancelled, curve."""
    from core.evaluation.localization import evaluate_localization

    return _maps(evaluate_localization, task, watching)


def detection(task: FolderTraining, **watching: Callable[..., Any]) -> Result:
    """See core.evaluation.localization.evaluate_detection; ``watching``: progress, cancelled, curve."""
    from core.evaluation.localization import evaluate_detection

    return _maps(evaluate_detection, task, watching)


def classification(task: FolderTraining, **watching: Callable[..., Any]) -> Result:
    """See core.evaluation.classification.evaluate_classification; ``watching``: progress, cancelled, curve."""
    from core.evaluation.classification import evaluate_classification
    from core.evaluation.photo_sets import read_set

    return evaluate_classification(
        read_set(task.train, "train", masks=False, normals=False),
        read_set(task.test, "test", masks=False, normals=False),
        **_shared(task, watching),
    )


def _maps(evaluate: Callable[..., Result], task: FolderTraining, watching: Mapping[str, Any]) -> Result:
    from core.evaluation.photo_sets import read_set

    train, test = read_set(task.train, "train"), read_set(task.test, "test")
    return evaluate(train, test, detector=task.detector, side=task.side or None, **_shared(task, watching))


def _shared(task: FolderTraining, watching: Mapping[str, Any]) -> dict[str, Any]:
    from core.evaluation.detectors.api import TrainContext

    kept = task.keep / TRAININGS if task.keep else None
    return {
        "preset": task.preset,
        "params": task.params,
        "seeds": range(task.seeds),
        "without": tuple(task.without),
        "ctx": TrainContext(device=task.device, checkpoint=kept, **watching),
        "source": task.source(),
    }
