"""Copies of a project's database: gone with their project, and what killed processes left is removed by the next."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from core.errors import StoreError
from core.store import Project
from core.store.reading_copy import LEFTOVER_S

ROOT = Path(__file__).resolve().parents[2]
KILLED = """
import os, sys
from pathlib import Path
from core.store import Project
Project.open(Path(sys.argv[1]), for_reading=True)
os._exit(9)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Project.create(tmp_path / "p").close()
    return tmp_path / "p"


def test_a_killed_process_leaves_a_copy_to_the_next_one(temporary: Path, path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, env=environment)
    (left,) = temporary.iterdir()
    with Project.open(path, for_reading=True) as first:
        in_use = first.cache_dir.parent
        assert left.exists(), "it may be one that is being made"
        for folder in (left, in_use):
            os.utime(folder, (0, folder.stat().st_mtime - 2 * LEFTOVER_S))
        with Project.open(path, for_reading=True):
            assert not left.exists() and in_use.exists()
    assert not list(temporary.iterdir())


def test_a_copy_that_has_no_space_is_said_in_one_line(
    temporary: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match=r"could be written to .*temporary \(No space left on device\); make space"):
        Project.open_copy(path, b"")
    assert not list(temporary.iterdir())


def test_a_folder_that_this_machine_does_not_see_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not see that folder; mount it at the same path"):
        Project.open_copy(tmp_path / "nowhere", b"")
