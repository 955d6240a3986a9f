"""The list of long work, so that a reloaded page finds its job and a killed one is recognised."""

from __future__ import annotations

import os
import platform
import time
import uuid
from typing import Any, get_args

import psutil
from sqlalchemy import insert, select, update

from core.errors import InputError, NotFound
from core.store.base import Store
from core.store.rows import JobRow, JobStatus
from core.store.tables import jobs

ACTIVE = ("queued", "running")
DEAD_AFTER_S = 600.0
"""A job of another machine (a container that is gone) counts as dead after this silence."""


class JobStore(Store):
    """Long work and how far it got."""

    def add_job(self, kind: str, title: str, args_json: str = "{}") -> JobRow:
        """A queued job that belongs to this process."""
        now, id = time.time(), uuid.uuid4().hex[:12]
        with self._db.write(passing=True) as db:
            db.execute(
                insert(jobs).values(
                    id=id,
                    kind=kind,
                    title=title,
                    args=args_json,
                    status="queued",
                    done=0,
                    total=0,
                    message="",
                    created=now,
                    updated=now,
                    **_this_process(),
                )
            )
        return self.job_row(id)

    def update_job(
        self,
        id: str,
        status: JobStatus | None = None,
        done: int | None = None,
        total: int | None = None,
        message: str | None = None,
    ) -> JobRow:
        """Change what is given; a job that starts running belongs to the process that says so. NotFound."""
        if status is not None and status not in get_args(JobStatus):
            raise InputError(f"job status {status!r}: expected one of {', '.join(get_args(JobStatus))}")
        given = {"status": status, "done": done, "total": total, "message": message}
        values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if status == "running":
            values |= _this_process()
        with self._db.write(passing=True) as db:
            changed = db.execute(update(jobs).where(jobs.c.id == id).values(updated=time.time(), **values))
            if not changed.rowcount:
                raise NotFound(f"job {id!r} is not in project {self.path}")
            return self.job_row(id)

    def jobs(self, active_only: bool = False) -> list[JobRow]:
        """Jobs, oldest first; perhaps only those queued or running."""
        return self._jobs(*([jobs.c.status.in_(ACTIVE)] if active_only else []))

    def job_row(self, id: str) -> JobRow:
        """The job ``id``; NotFound."""
        found = self._jobs(jobs.c.id == id)
        if not found:
            raise NotFound(f"job {id!r} is not in project {self.path}")
        return found[0]

    def _jobs(self, *where: Any) -> list[JobRow]:
        with self._db.read() as db:
            rows = db.execute(select(jobs).where(*where).order_by(jobs.c.number)).all()
        return [
            JobRow(
                id=r.id,
                kind=r.kind,
                title=r.title,
                args_json=r.args,
                status=r.status,
                done=r.done,
                total=r.total,
                message=r.message,
                pid=r.pid,
                created=r.created,
                updated=r.updated,
            )
            for r in rows
        ]

    def _interrupt_dead_jobs(self) -> None:
        with self._db.read() as db:
            active = db.execute(select(jobs).where(jobs.c.status.in_(ACTIVE))).all()
        dead = [row.id for row in active if not _is_alive(row)]
        if not dead:
            return
        message = "the program ended before this was done; what was finished is kept"
        with self._db.write(passing=True) as db:
            here = jobs.c.id.in_(dead) & jobs.c.status.in_(ACTIVE)
            db.execute(update(jobs).where(here).values(status="interrupted", message=message, updated=time.time()))


def _this_process() -> dict[str, Any]:
    return {"pid": os.getpid(), "pid_started": _started(os.getpid()), "host": platform.node()}


def _started(pid: int) -> float:
    """Seconds from the start of the machine to that of the process: setting the clock changes both times alike."""
    return float(psutil.Process(pid).create_time() - psutil.boot_time())


def _is_alive(row: Any) -> bool:
    if row.host != platform.node():
        return bool(time.time() - row.updated < DEAD_AFTER_S)
    try:
        # A process id is used again after a while; its start time tells the two apart.
        return bool(abs(_started(row.pid) - row.pid_started) < 2)
    except psutil.Error:
        return False
