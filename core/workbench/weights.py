"""Which weights are on this machine, where to get the others, which segmenter is in use."""

from __future__ import annotations

from typing import Any

from core import weights
from core.jobs.runner import JobControl, Runner
from core.store import Project


class Weights:
    """The desk behind the Models tab and ``launch.py models``."""

    def __init__(self, project: Project | None, jobs: Runner | None) -> None:
        self._project = project
        self._jobs = jobs

    def status(self) -> list[weights.Status]:
        """One row per known weight file."""
        return weights.status()

    def fetch(self, name: str, progress: Any = None, cancelled: Any = None) -> Any:
        """Download a weight file, checked by its sha256; Unavailable says what to do offline."""
        return weights.fetch(name, progress, cancelled)

    def start_fetch(self, name: str) -> str:
        """``fetch`` in the background."""
        assert self._jobs is not None, "fetching in the background needs an open project"

        def work(control: JobControl) -> dict[str, Any]:
            progress = lambda done, total: control.progress(done, total, message="Downloading")  # noqa: E731
            return {"path": str(self.fetch(name, progress, control.cancelled))}

        return self._jobs.submit("fetch", f"Fetch {name}", work)

    def verify(self, name: str) -> weights.Status:
        """Check a weight file against its sha256."""
        return weights.verify(name)
