"""Background jobs of one process: progress, growing preview, cancel, news that survives a page reload."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from core.errors import Cancelled, FlawsmithError, NotFound
from core.images.geometry import shrunk_to
from core.store import Project
from core.types import Image, JobEvent

logger = logging.getLogger(__name__)

LANES = ("studio", "bulk")
"""Jobs of one lane run one after the other; a preview in the studio does not wait for a bulk job."""

FINAL = frozenset({"done", "failed", "cancelled", "interrupted"})

PREVIEW_SIDE = 1024
"""Longer side in pixels of the preview kept of a running job: what a screen shows, not what the photo has."""


@dataclass
class JobControl:
    """What a job's function holds: it reports progress and asks whether to stop."""

    job_id: str
    _publish: Callable[[int, int, str, Image | None], None]
    _stop: threading.Event = field(default_factory=threading.Event)

    def progress(self, done: int, total: int, preview: Image | None = None, message: str = "") -> None:
        """``done`` of ``total`` steps are behind us; ``preview`` replaces the picture shown."""
        self._publish(done, total, message, preview)

    def cancelled(self) -> bool:
        """True once the person pressed stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask the job to end at its next step."""
        self._stop.set()


JobFunction = Callable[[JobControl], Mapping[str, Any]]


class JobRunner:
    """Runs jobs in threads and keeps their latest news in memory and in the project's job table."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lanes = {lane: ThreadPoolExecutor(1, thread_name_prefix=f"job-{lane}") for lane in LANES}
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._events: dict[str, JobEvent] = {}
        self._results: dict[str, Mapping[str, Any]] = {}
        self._controls: dict[str, JobControl] = {}
        self._last_write: dict[str, float] = {}

    def submit(self, kind: str, title: str, work: JobFunction, lane: str = "bulk", args_json: str = "{}") -> str:
        """Queue ``work`` and return the job's id at once."""
        job_id = self._project.add_job(kind, title, args_json).id
        control = JobControl(job_id, lambda *news: self._running(job_id, *news))
        with self._lock:
            self._controls[job_id] = control
            self._events[job_id] = JobEvent(job_id, "queued", message=title)
        self._lanes[lane].submit(self._run, control, work)
        return job_id

    def event(self, job_id: str) -> JobEvent:
        """The job's latest news; jobs of earlier processes come from the project."""
        with self._lock:
            if job_id in self._events:
                return self._events[job_id]
        for row in self._project.jobs():
            if row.id == job_id:
                return JobEvent(job_id, row.status, row.done, row.total, row.message)
        raise NotFound(f"job {job_id!r}: there is no such job in this project")

    def active(self) -> list[JobEvent]:
        """News of the jobs of this process that have not ended, oldest first."""
        with self._lock:
            return [e for e in self._events.values() if e.status not in FINAL]

    def cancel(self, job_id: str) -> None:
        """Ask a job to stop at its next step; a job that has ended is left as it is."""
        with self._lock:
            control = self._controls.get(job_id)
        if control:
            control.stop()

    def wait(self, job_id: str, timeout: float | None = None) -> JobEvent:
        """The job's news once it has ended, or its latest after ``timeout`` seconds."""
        with self._news:
            self._news.wait_for(lambda: self._events[job_id].status in FINAL, timeout)
            return self._events[job_id]

    def result(self, job_id: str) -> Mapping[str, Any]:
        """What the job's function returned; empty until it has ended well."""
        with self._lock:
            return self._results.get(job_id, {})

    def close(self) -> None:
        """Stop all jobs and wait for their threads."""
        with self._lock:
            controls = list(self._controls.values())
        for control in controls:
            control.stop()
        for lane in self._lanes.values():
            lane.shutdown(wait=True, cancel_futures=True)

    def _run(self, control: JobControl, work: JobFunction) -> None:
        job_id = control.job_id
        try:
            if control.cancelled():
                raise Cancelled("stopped before it began")
            self._running(job_id, 0, 0, "", None)
            result = work(control)
        except Cancelled as stop:
            self._end(job_id, "cancelled", str(stop))
        except FlawsmithError as error:
            self._end(job_id, "failed", str(error))
        except Exception as error:  # a bug must end the job, not the lane
            logger.exception("job %s", job_id)
            self._end(job_id, "failed", f"unexpected {type(error).__name__}: {error}; the log has the details")
        else:
            with self._lock:
                self._results[job_id] = result
            self._end(job_id, "done", str(result.get("message", "")))

    def _running(self, job_id: str, done: int, total: int, message: str, preview: Image | None) -> None:
        shown = None if preview is None else shrunk_to(preview, PREVIEW_SIDE)
        with self._news:
            last = self._events[job_id]
            shown = last.preview if shown is None else shown
            self._events[job_id] = JobEvent(job_id, "running", done, total, message or last.message, shown)
            due = time.monotonic() - self._last_write.get(job_id, -1.0) > 0.5
            if due:
                self._last_write[job_id] = time.monotonic()
            self._news.notify_all()
        if due:
            self._project.update_job(job_id, status="running", done=done, total=total, message=message)

    def _end(self, job_id: str, status: Any, message: str) -> None:
        with self._lock:
            last = self._events[job_id]
        # Without its preview: what a job has made lies in the project, and its news stays for good.
        event = JobEvent(job_id, status, last.done, last.total, message or last.message)
        self._project.update_job(job_id, status=status, done=event.done, total=event.total, message=event.message)
        with self._news:
            self._events[job_id] = event
            self._controls.pop(job_id, None)
            self._last_write.pop(job_id, None)
            self._news.notify_all()
