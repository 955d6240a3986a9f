"""The scale of photos of more than 8 bits: what it is, and another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.errors import InputError
from core.images.depth import DepthScale, DepthScales
from core.importers.corrections import parsed_scale
from core.jobs.rescale import RescaleReport, rescale
from core.jobs.runner import JobControl, JobRunner
from core.progress import Steps, saying, unwatched
from core.store import Project

__all__ = ["DepthApi", "DepthScale", "DepthScales", "RescaleReport"]


class DepthApi:
    """The desk behind *Scale* in Product and ``launch.py scale``."""

    def __init__(self, project: Project, jobs: JobRunner, forget_photos: Callable[[], None]) -> None:
        """``forget_photos`` is called when photos look otherwise than before."""
        self._project, self._jobs, self._forget_photos = project, jobs, forget_photos

    def scales(self) -> dict[str, DepthScale]:
        """The scale of each number type that the project's photos come in; empty where all have 8 bits."""
        return self._project.depth_scales()

    def change(
        self, said: str, progress: Steps = unwatched, cancelled: Callable[[], bool] = lambda: False
    ) -> RescaleReport:
        """Give the photos another scale, said as ``uint16=0..4095``; InputError, Cancelled as in ``rescale``."""
        dtype, scale = parsed_scale(said)
        report = rescale(self._project, dtype, scale, progress, cancelled)
        self._forget_photos()
        return report

    def start_change(self, said: str) -> str:
        """The same in the background; the job's id. InputError where something else runs, which may be drawing."""
        parsed_scale(said)
        if self._jobs.active():
            raise InputError("something runs on these photos: let it end, or stop it, and then change the scale")

        def work(control: JobControl) -> dict[str, Any]:
            progress = saying(control.progress, "Making working copies")
            return {"message": self.change(said, progress, control.cancelled).message}

        return self._jobs.submit("rescale", "Change the scale", work, lane="studio")
