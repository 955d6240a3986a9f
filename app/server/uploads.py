"""Where uploads lie: one folder for each running server, which takes it with it, or the next one does."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

PREFIX = "flawsmith-uploads-"
UNFINISHED_S = 3600.0
"""An upload that nothing has been written to for this many seconds was given up."""
EMPTY_S = 120.0
"""One to which nothing was written at all."""


class Uploads:
    """The folder of this server's uploads. Call ``close`` when it ends."""

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        remove_left_over(parent)
        mine = f"{PREFIX}{os.getpid()}-{_started(os.getpid())}-"
        self.folder = Path(tempfile.mkdtemp(prefix=mine, dir=parent))
        self._lock = threading.Lock()
        self._sent: dict[tuple[str, int], int] = {}

    def used(self) -> int:
        """Bytes that lie in the folder."""
        return _bytes_in(self.folder)

    def of(self, browser: str) -> int:
        """Bytes that a browser has sent within this hour."""
        with self._lock:
            return self._sent.get((browser, _hour()), 0)

    def came(self, browser: str, size: int) -> None:
        """A browser has sent ``size`` bytes."""
        with self._lock:
            key = browser, _hour()
            self._sent = {k: n for k, n in self._sent.items() if k[1] == key[1]}
            self._sent[key] = self._sent.get(key, 0) + size

    def done_with(self, files: Iterable[Path]) -> None:
        """Delete uploads that have been used; files elsewhere stay as they are."""
        for file in files:
            path = file.resolve()
            if path.is_relative_to(self.folder.resolve()) and path.is_file():
                path.unlink(missing_ok=True)

    def clear_unfinished(self, now: float | None = None) -> int:
        """Delete what broken connections have left, and the empty file that Gradio makes beside each one; how many."""
        now, left = now or time.time(), 0
        for path in self.folder.glob("tmp*"):
            try:
                found = path.stat()
            except OSError:  # it has become an upload
                continue
            given_up = now - found.st_mtime > (UNFINISHED_S if found.st_size else EMPTY_S)
            if given_up and path.is_file():
                path.unlink(missing_ok=True)
                left += 1
        return left

    def close(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _hour() -> int:
    return int(time.time() // 3600)


def remove_left_over(parent: Path) -> int:
    """Delete the folders of servers that were killed; return how many."""
    removed = 0
    for folder in parent.glob(f"{PREFIX}*"):
        pid, _, rest = folder.name.removeprefix(PREFIX).partition("-")
        if pid.isdigit() and not _is_running(int(pid), rest.partition("-")[0]):
            shutil.rmtree(folder, ignore_errors=True)
            removed += not folder.exists()
    return removed


def _is_running(pid: int, started: str) -> bool:
    """Whether the process is there, and the one that made the folder: the number of a dead one is given again."""
    try:
        return started.isdigit() and abs(_started(pid) - int(started)) <= 2
    except psutil.Error:
        return False


def _started(pid: int) -> int:
    """Seconds from the start of the machine to that of the process: setting the clock changes both times alike."""
    return int(psutil.Process(pid).create_time() - psutil.boot_time())


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total
