"""Uploads are gone after use, after an abort, and after a kill at the next start."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from app.server.uploads import EMPTY_S, PREFIX, UNFINISHED_S, Uploads


def test_the_folder_goes_with_the_server(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    (uploads.folder / "x.png").write_bytes(b"x")
    uploads.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_server_left_goes_at_the_next_start(tmp_path: Path) -> None:
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    left = tmp_path / f"{PREFIX}{dead.stdout.strip()}-abc"
    left.mkdir()
    (left / "x.png").write_bytes(b"x")
    (tmp_path / f"{PREFIX}notes").mkdir()
    running = Uploads(tmp_path)
    Uploads(tmp_path).close()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([running.folder.name, f"{PREFIX}notes"])
    running.close()


def test_an_abort_leaves_nothing_for_long(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    (uploads.folder / "tmpold").write_bytes(b"x")
    (uploads.folder / "tmpnew").write_bytes(b"x")
    os.utime(uploads.folder / "tmpold", (0, time.time() - 2 * UNFINISHED_S))
    for name, age_s in (("tmpempty", 2 * EMPTY_S), ("tmpbegun", 0.0)):
        (uploads.folder / name).touch()
        os.utime(uploads.folder / name, (0, time.time() - age_s))
    assert uploads.clear_unfinished() == 2
    assert sorted(p.name for p in uploads.folder.iterdir()) == ["tmpbegun", "tmpnew"]
    uploads.close()


def test_only_uploads_are_deleted_after_use(tmp_path: Path) -> None:
    uploads, own = Uploads(tmp_path), tmp_path / "own.png"
    own.write_bytes(b"x")
    (uploads.folder / "sent.png").write_bytes(b"xx")
    uploads.done_with([own, uploads.folder / "sent.png", uploads.folder / ".." / "own.png"])
    assert (own.exists(), (uploads.folder / "sent.png").exists(), uploads.used()) == (True, False, 0)
    uploads.close()
