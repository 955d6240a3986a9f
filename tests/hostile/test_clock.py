"""A clock that is set back: nothing is taken for dead, swept away or put in the wrong order because of it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from app.server.uploads import Uploads
from core.api import GenerationBatch, SampleFilter, Workbench
from core.store import Project
from core.training.checkpoints import list_concepts

DAY_S = 86_400.0


@pytest.mark.parametrize("days", [-400, -1, 400])
def test_work_goes_on_after_the_clock_was_set(
    tmp_path: Path, photo_folder: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    with Workbench.create(tmp_path / "p") as bench:
        bench.photos.import_images(photo_folder)
        first = bench.studio.generate(GenerationBatch(engine="perlin", label="stain", count=2, workers=1))
        running = bench.project.update_job(bench.project.add_job("generate", "still at it").id, status="running")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + days * DAY_S)
    with Workbench.open(tmp_path / "p") as bench:
        assert bench.project.job_row(running.id).status == "running"  # this process is alive, whatever the time
        second = bench.studio.generate(GenerationBatch(engine="perlin", label="stain", count=2, seed=5, workers=1))
        bench.review.set_status(second["sample_ids"], "kept")
        assert list(bench.review.undo()) == second["sample_ids"]
        rows = bench.review.page(SampleFilter(), 0, 100)
        assert [r.id for r in rows] == [*first["sample_ids"], *second["sample_ids"]]
        bench.project.sweep()
        assert all(r.image_path.is_file() and r.mask_path.is_file() for r in rows)
        assert list_concepts(bench.concepts.folder) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the start of the machine is set on Linux alone here")
@pytest.mark.parametrize("days", [-1, 1])
def test_what_is_alive_stays_so_when_the_clock_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """The system tells when a process was created by today's clock."""
    (tmp_path / "uploads").mkdir()
    uploads = Uploads(tmp_path / "uploads")
    with Project.create(tmp_path / "p") as project:
        job = project.update_job(project.add_job("learn", "for hours").id, status="running")
        booted = psutil.boot_time()
        monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: booted + days * DAY_S)
        before = psutil.Process().create_time()
        assert abs(before - time.time()) > DAY_S / 2  # the clock was set
        with Project.open(tmp_path / "p") as other:
            assert other.job_row(job.id).status == "running"
    Uploads(tmp_path / "uploads").close()
    assert uploads.folder.is_dir()
    uploads.close()
