"""Which weights are on this machine, and where to get the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core import weights
from core.jobs.runner import JobControl, Runner
from core.store import Project


@dataclass(frozen=True)
class WeightRow:
    """One file of weights: ``state`` is present, missing or corrupt, ``size`` in bytes."""

    name: str
    title: str
    purpose: str
    state: str
    size: int
    licence: str
    path: str
    url: str

    def as_dict(self) -> dict[str, Any]:
        """As the command line prints it."""
        return asdict(self)


class Weights:
    """The desk behind the Models tab and ``launch.py models``; it works without a project too."""

    def __init__(self, project: Project | None, jobs: Runner | None) -> None:
        self._project = project
        self._jobs = jobs

    @staticmethod
    def folder() -> Path:
        """Where weight files are put; FLAWSMITH_MODELS moves it."""
        return weights.models_dir()

    def status(self) -> list[WeightRow]:
        """One row per known weight file."""
        return [_row(status) for status in weights.status()]

    def fetch(
        self,
        name: str,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Path:
        """Download a weight file, checked by its sha256; Unavailable says what to do offline."""
        return weights.fetch(name, progress, cancelled)

    def start_fetch(self, name: str) -> str:
        """``fetch`` in the background of an open project."""
        assert self._jobs is not None, "a desk without a project has no background"

        def work(control: JobControl) -> dict[str, Any]:
            progress = lambda done, total: control.progress(done, total, message="Downloading")  # noqa: E731
            return {"path": str(self.fetch(name, progress, control.cancelled))}

        return self._jobs.submit("fetch", f"Fetch {name}", work)

    def verify(self, name: str) -> WeightRow:
        """Check a weight file against its sha256."""
        return _row(weights.verify(name))


def _row(status: weights.WeightStatus) -> WeightRow:
    w = status.weights
    size = status.size or w.size
    return WeightRow(w.name, w.title, w.purpose, status.state, size, w.licence, str(status.path), w.url)
