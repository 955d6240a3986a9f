"""Long work in the foreground, with a line in the project's list of jobs that says how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from core.errors import Cancelled, FlawsmithError
from core.store import Project


@dataclass
class RecordedJob:
    """The job ``id`` and, once it has ended, what came of it."""

    id: str
    result: dict[str, Any] = field(default_factory=dict)


@contextmanager
def recorded_job(project: Project, kind: str, title: str, args_json: str) -> Iterator[RecordedJob]:
    """A job that runs for as long as the block: done, cancelled or failed when that ends, whichever way."""
    job = RecordedJob(project.add_job(kind, title, args_json).id)
    project.update_job(job.id, status="running")
    try:
        yield job
    except (Cancelled, KeyboardInterrupt) as stop:
        project.update_job(job.id, status="cancelled", message=str(stop) or "stopped; what was finished is kept")
        raise
    except FlawsmithError as error:
        project.update_job(job.id, status="failed", message=str(error))
        raise
    except Exception as error:
        project.update_job(job.id, status="failed", message=f"unexpected {type(error).__name__}: {error}")
        raise
    samples = job.result.get("samples")
    count = samples if isinstance(samples, int) else len(samples or ())
    message = str(job.result.get("message", ""))
    project.update_job(job.id, status="done", done=count, total=count, message=message)
