"""Odd folders, damaged databases and stopped commands: one line, and nothing outside the folder that was named."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from app.cli import run
from core.api import GenerationBatch, Workbench
from core.errors import InputError, StoreError
from core.jobs.import_images import preview_import

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["what?", "a%41", "mode=ro", "tab?mode=memory&x=1", "ü #&;'"])
def test_a_project_stays_in_its_folder(tmp_path: Path, photo_folder: Path, name: str) -> None:
    path = tmp_path / name
    with Workbench.create(path) as bench:
        bench.photos.import_images(photo_folder)
    with Workbench.open(path) as bench:
        assert bench.photos.count() == 6
    assert (path / "project.db").stat().st_size > 4096
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_flipped_byte_in_a_text_is_told_as_damage(tmp_path: Path, photo_folder: Path) -> None:
    path = tmp_path / "plates"
    with Workbench.create(path) as bench:
        bench.photos.import_images(photo_folder)
    with closing(sqlite3.connect(path / "project.db")) as raw:
        raw.execute("UPDATE normals SET name = CAST(x'ff41' AS TEXT)")
        raw.commit()
    with Workbench.open(path) as bench, pytest.raises(StoreError, match="project.db is damaged"):
        bench.photos.page(0, 3)
    with closing(sqlite3.connect(path / "project.db")) as raw:
        raw.execute("UPDATE settings SET value = '{' WHERE key = 'name'")
        raw.commit()
    with Workbench.open(path) as bench, pytest.raises(StoreError, match="project.db is damaged"):
        assert bench.project.name


def test_a_zip_entry_without_a_name_is_left_out(tmp_path: Path, photo_folder: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.write(photo_folder / "plate 0.png", "plate 0.png")
        archive.writestr("x", b"nothing")
        archive.infolist()[-1].filename = ""
    report = preview_import(tmp_path / "photos.zip")
    assert len(report.normals) == 1


def test_a_generation_that_ended_well_is_done(
    tmp_path: Path, photo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plates"
    with Workbench.create(path) as bench:
        bench.photos.import_images(photo_folder)
    assert run(["generate", str(path), "--engine", "cut_paste", "--count", "2", "--workers", "1"]) == 0
    with Workbench.open(path) as bench:
        (job,) = bench.project.jobs()
        assert (job.status, job.done, job.total) == ("done", 2, 2)
        with pytest.raises(InputError):
            bench.studio.generate(GenerationBatch(engine="layout", label="x", count=1, workers=1))
        assert bench.project.jobs()[-1].status == "failed"


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.thorough)])
def test_a_stopped_command_says_so_and_leaves_a_whole_project(
    tmp_path: Path, photo_folder: Path, number: signal.Signals
) -> None:
    path = tmp_path / "plates"
    with Workbench.create(path) as bench:
        bench.photos.import_images(photo_folder)
    command = [sys.executable, "launch.py", "generate", str(path), "--engine", "cut_paste", "--count", "5000"]
    running = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"FLAWSMITH_VENV": "none"}, stderr=subprocess.PIPE, text=True,
        preexec_fn=partial(signal.signal, number, signal.SIG_DFL),  # a run in the background ignores Ctrl-C
    )  # fmt: skip
    with Workbench.open(path) as bench:
        until = time.monotonic() + 100
        while not bench.project.count_samples() and time.monotonic() < until:
            time.sleep(0.1)
        running.send_signal(number)
        _, told = running.communicate(timeout=60)
        assert (running.returncode, told.strip()) == (130, "stopped: interrupted; what was finished is kept")
        assert bench.project.jobs()[-1].status == "cancelled"
        assert bench.project.count_samples()
