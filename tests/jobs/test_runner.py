"""Background jobs: progress, results, errors as news, cancel, and what a later process sees of them."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.errors import Cancelled, InputError
from core.jobs.runner import PREVIEW_SIDE, JobControl, JobRunner
from core.store import Project


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[JobRunner]:
    with Project.create(tmp_path / "p") as project:
        runner = JobRunner(project)
        yield runner
        runner.close()


def test_a_job_reports_and_returns(runner: JobRunner) -> None:
    def work(control: JobControl) -> dict[str, str]:
        control.progress(1, 2, message="half")
        control.progress(2, 2)
        return {"message": "all made"}

    job = runner.submit("try", "two steps", work)
    event = runner.wait(job, 20)
    assert (event.status, event.done, event.total, event.message) == ("done", 2, 2, "all made")
    assert runner.result(job) == {"message": "all made"}


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputError("no mask; draw one"), "failed", "no mask; draw one"),
        (Cancelled("stopped at 3"), "cancelled", "stopped at 3"),
        (ZeroDivisionError("oops"), "failed", "unexpected ZeroDivisionError: oops; the log has the details"),
    ],
)
def test_errors_are_news_and_the_lane_goes_on(runner: JobRunner, error: Exception, status: str, message: str) -> None:
    def fail(control: JobControl) -> dict[str, str]:
        raise error

    first, second = runner.submit("try", "bad", fail), runner.submit("try", "good", lambda c: {})
    event = runner.wait(first, 20)
    assert (event.status, event.message) == (status, message)
    assert runner.wait(second, 20).status == "done"


def test_cancel_reaches_a_running_and_a_waiting_job(runner: JobRunner) -> None:
    started = threading.Event()

    def until_stopped(control: JobControl) -> dict[str, str]:
        started.set()
        while not control.cancelled():
            threading.Event().wait(0.005)
        raise Cancelled("stopped")

    ran = []
    running = runner.submit("try", "long", until_stopped)
    waiting = runner.submit("try", "next", lambda c: ran.append(1) or {})
    assert started.wait(20)
    runner.cancel(waiting)
    runner.cancel(running)
    assert runner.wait(running, 20).status == "cancelled"
    assert runner.wait(waiting, 20).status == "cancelled"
    assert not ran


def test_a_preview_does_not_wait_for_bulk_work(runner: JobRunner) -> None:
    go = threading.Event()
    bulk = runner.submit("generate", "bulk", lambda c: {"went": go.wait(20)}, lane="bulk")
    quick = runner.submit("try", "quick", lambda c: {}, lane="studio")
    assert runner.wait(quick, 20).status == "done"
    assert runner.event(bulk).status in ("queued", "running")
    go.set()
    assert runner.wait(bulk, 20).status == "done"


def test_a_later_process_reads_the_news_from_the_project(tmp_path: Path) -> None:
    with Project.create(tmp_path / "p") as project:
        runner = JobRunner(project)
        job = runner.submit("try", "one", lambda c: {"message": "made"})
        runner.wait(job, 20)
        runner.close()
    with Project.open(tmp_path / "p") as again:
        event = JobRunner(again).event(job)
        assert (event.status, event.message) == ("done", "made")


def test_a_running_job_keeps_a_preview_of_screen_size_and_an_ended_one_none(runner: JobRunner) -> None:
    seen = threading.Event()
    kept: list[weakref.ref[np.ndarray]] = []

    def work(control: JobControl) -> dict[str, str]:
        photo = np.full((2 * PREVIEW_SIDE, 3 * PREVIEW_SIDE, 3), 90, np.uint8)
        kept.append(weakref.ref(photo))
        control.progress(1, 2, photo)
        control.progress(2, 2)
        del photo
        seen.wait(20)
        return {}

    job = runner.submit("try", "large", work)
    while (event := runner.event(job)).done < 2:
        threading.Event().wait(0.005)
    assert event.preview is not None and event.preview.shape == (683, PREVIEW_SIDE, 3) and (event.preview == 90).all()
    kept.append(weakref.ref(event.preview))
    seen.set()
    assert runner.wait(job, 20).status == "done"
    runner.submit("try", "next", lambda c: {})  # the lane's thread lets go of the last job with the next one
    del event
    gc.collect()
    assert runner.event(job).preview is None and [ref() for ref in kept] == [None, None]
