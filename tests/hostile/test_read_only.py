"""A project whose folder cannot be written: listed, looked through and exported, and nothing stored."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.cli import run
from core.api import GenerationBatch, SampleFilter, Workbench
from core.errors import StoreError
from core.store import project as project_module
from core.types import ReviewStatus


@pytest.fixture
def locked(tmp_path: Path, photo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with samples that this process may not write, as the operating system says it of another's folder."""
    path = tmp_path / "plates"
    with Workbench.create(path, "plates") as bench:
        bench.photos.import_images(photo_folder)
        bench.studio.generate(GenerationBatch(engine="cut_paste", label="scratch", count=3, workers=1))
        bench.review.set_status([bench.review.page(SampleFilter(), 0, 1)[0].id], "kept", by="")
    monkeypatch.setattr(project_module, "can_write", lambda folder: False)
    return path


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*")}


def test_it_is_looked_through_and_not_changed(locked: Path, photo_folder: Path) -> None:
    before = contents(locked)
    with Workbench.open(locked) as bench:
        assert bench.project.only_read
        assert (bench.photos.count(), bench.review.kept_count()) == (6, 1)
        row = bench.review.page(SampleFilter(), 0, 1)[0]
        assert bench.review.thumbnail(row, outline=False).is_file()
        copy = bench.project.cache_dir.parent
        for change in (
            lambda: bench.review.set_status([row.id], ReviewStatus.REJECTED, by=""),
            lambda: bench.photos.import_images(photo_folder),
            lambda: bench.studio.generate(GenerationBatch(engine="perlin", label="stain", count=1, workers=1)),
        ):
            with pytest.raises(StoreError, match="opened for reading, as its folder cannot be written; copy it"):
                change()
    assert contents(locked) == before
    assert not copy.exists()


def test_it_is_exported_and_listed(locked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(locked)
    assert run(["export", str(locked), str(tmp_path / "out"), "--format", "coco"]) == 0
    assert list((tmp_path / "out").rglob("*.json"))
    assert run(["labels", str(locked)]) == 0
    assert "scratch" in capsys.readouterr().out
    assert run(["generate", str(locked), "--engine", "perlin", "--count", "1"]) == 2
    (line,) = [s for s in capsys.readouterr().err.splitlines() if s.startswith("error:")]
    assert "opened for reading" in line
    assert contents(locked) == before


def test_a_job_of_the_app_ends_in_one_line(locked: Path, tmp_path: Path) -> None:
    with Workbench.open(locked) as bench:
        export = bench.datasets.start_export("coco", tmp_path / "out", {})
        assert bench.jobs.wait(export, 60).status == "done"
        job = bench.studio.start_batch(GenerationBatch(engine="perlin", label="stain", count=1, workers=1))
        ended = bench.jobs.wait(job, 60)
        assert (ended.status, "opened for reading" in ended.message) == ("failed", True)


def test_what_cannot_be_read_either_is_one_line(locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr("shutil.copyfile", refused)
    with pytest.raises(StoreError, match="cannot be read"):
        Workbench.open(locked)
