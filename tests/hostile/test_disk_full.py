"""A disk that is full in the middle of the work: one line, and a project that is whole and goes on with free space."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from core.api import GenerationBatch, SampleFilter, Workbench
from core.bench.hostile.kills import ProjectState, faults_after, state_of
from core.errors import FlawsmithError, StoreError


@contextmanager
def disk_full_after(writes: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Syncing a file fails after ``writes`` times, which is where a full disk says so; yields how many there were."""
    done = [0]
    sync = os.fsync

    def fsync(handle: int) -> None:
        done[0] += 1
        if done[0] > writes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield done


@pytest.fixture
def project(tmp_path: Path, photo_folder: Path) -> Path:
    path = tmp_path / "plates"
    with Workbench.create(path) as bench:
        bench.photos.import_images(photo_folder)
        made = bench.studio.generate(GenerationBatch(engine="cut_paste", label="scratch", count=3, workers=1))
        bench.review.set_status(made["sample_ids"][:2], "kept")
    return path


def generated(bench: Workbench, out: Path) -> object:
    return bench.studio.generate(GenerationBatch(engine="perlin", label="stain", count=3, seed=9, workers=1))


def exported(bench: Workbench, out: Path) -> object:
    return bench.datasets.export("mvtec-ad", out, everything=True, overwrite=True)


@pytest.mark.thorough
@pytest.mark.parametrize("writes", [0, 1, 2, 5, 9])
@pytest.mark.parametrize("work", [generated, exported])
def test_the_project_stays_whole(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Callable[..., object], writes: int
) -> None:
    before, out = state_of(project), tmp_path / "out"
    with Workbench.open(project) as bench:
        with disk_full_after(writes, monkeypatch) as done:
            try:
                work(bench, out)
            except FlawsmithError as error:
                assert "\n" not in str(error)
                assert "No space left" in str(error) or "the disk is full" in str(error)
            else:
                assert done[0] <= writes
        assert faults_after(project, before, out) == []
        work(bench, out)
    assert faults_after(project, before, out) == []


def test_an_import_keeps_what_it_had(tmp_path: Path, photo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Workbench.create(tmp_path / "p") as bench:
        with disk_full_after(5, monkeypatch), pytest.raises(StoreError, match="space|full"):
            bench.photos.import_images(photo_folder)
        had = bench.photos.count()
        assert had < 6
        assert faults_after(bench.path, ProjectState(), tmp_path / "out") == []
        bench.photos.import_images(photo_folder)
        assert bench.photos.count() == 6


def test_a_database_that_cannot_grow_is_told_in_one_line(project: Path) -> None:
    with Workbench.open(project) as bench:
        before = bench.review.page(SampleFilter(), 0, 100)

        @event.listens_for(bench.project._db._writer, "begin")
        def no_more_pages(connection: object) -> None:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]

        with pytest.raises(StoreError, match="the disk is full; free some space and try again, nothing was lost"):
            for number in range(200):
                bench.project.set_setting(f"large {number}", "x" * 4000)
        assert bench.review.page(SampleFilter(), 0, 100) == before
