"""Projects copied and packed while others are at it, and on a full disk."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
import zipfile
from pathlib import Path

import pytest

from core.api import GenerationBatch, Workbench
from core.api.projects import duplicate_project
from core.bench.hostile.kills import ProjectState, faults_after, state_of
from core.errors import ExportError, StoreError


@pytest.fixture
def project(tmp_path: Path, photo_folder: Path) -> Path:
    path = tmp_path / "plates"
    with Workbench.create(path) as bench:
        bench.photos.import_images(photo_folder)
        bench.studio.generate(GenerationBatch(engine="perlin", label="dent", count=2, seed=1, workers=1))
    return path


def test_a_copy_that_is_made_while_photos_come_is_whole(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrives between the copy of the files and that of the database is in both or in neither."""
    copytree = shutil.copytree

    def copied_late(*args: object, **more: object) -> object:
        done = copytree(*args, **more)  # type: ignore[arg-type]
        with Workbench.open(project) as bench:
            bench.studio.generate(GenerationBatch(engine="cut_paste", label="dent", count=2, seed=2, workers=1))
        return done

    monkeypatch.setattr(shutil, "copytree", copied_late)
    copy = duplicate_project(project, tmp_path / "copy")
    assert faults_after(copy, ProjectState(), tmp_path / "none") == []
    assert len(state_of(project).samples) == 4


def test_two_copies_at_once_are_two_or_one_and_whole(project: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def copied() -> None:
        try:
            duplicate_project(project, tmp_path / "copy")
        except StoreError as error:
            said.append(str(error))

    threads = [threading.Thread(target=copied) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 3
    assert state_of(tmp_path / "copy") == state_of(project)
    assert faults_after(tmp_path / "copy", state_of(project), tmp_path / "none") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "plates"]


@pytest.mark.parametrize("broken", ["files", "database"])
def test_a_copy_onto_a_full_disk_is_one_line_and_leaves_nothing(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def full(*args: object, **more: object) -> None:
        if broken == "files":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("shutil.copytree" if broken == "files" else "core.api.projects.sqlite3.connect", full)
    with pytest.raises(StoreError, match="could not be written: .*(No space|full)"):
        duplicate_project(project, tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["plates"]


def test_an_export_is_packed_whole_by_several_at_once(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Workbench.open(project) as bench:
        out = tmp_path / "set"
        bench.datasets.export("mvtec-ad", out, everything=True)
        packed: list[Path] = []
        threads = [threading.Thread(target=lambda: packed.append(bench.datasets.zipped(out))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with zipfile.ZipFile(packed[0]) as archive:
            assert archive.testzip() is None
            assert len(archive.namelist()) == sum(path.is_file() for path in out.rglob("*"))
        assert [path.name for path in packed[0].parent.iterdir()] == ["set.zip"]

        def full(*args: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(zipfile.ZipFile, "write", full)
        with pytest.raises(ExportError, match="set.zip: it could not be written: No space"):
            bench.datasets.zipped(out)
        assert [path.name for path in packed[0].parent.iterdir()] == ["set.zip"]
