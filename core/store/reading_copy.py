"""A project whose folder cannot be written, or must not be, is read from a copy of its database.

SQLite cannot read a database in WAL mode where it may not write beside it, and an old one could not be migrated there.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import StoreError

DATABASE = "project.db"
_PREFIX = "flawsmith-reading-"
_LOCK = "in-use"
LEFTOVER_S = 60.0
"""Age in seconds from which a copy that no process holds is a leftover."""


@dataclass(frozen=True)
class ReadingCopy:
    """``folder`` holds the database and takes the cache, until it is removed. The ``lock`` says that it is in use; it
    ends with the process, so that others see what a killed one left behind."""

    folder: Path
    lock: FileLock = field(repr=False, compare=False)

    @classmethod
    def of(cls, project: Path) -> ReadingCopy:
        """A copy of the database in the folder ``project``; StoreError where it cannot be read or copied."""
        copy = cls._empty()
        try:
            for name in (DATABASE, f"{DATABASE}-wal"):
                if (project / name).is_file():
                    shutil.copyfile(project / name, copy.folder / name)
        except OSError as error:
            copy.remove()
            raise StoreError(
                f"project {project}: cannot be read ({error.strerror or error}); check its permissions and the space "
                f"in {copy.folder.parent}"
            ) from error
        return copy

    @classmethod
    def from_bytes(cls, database: bytes) -> ReadingCopy:
        """A copy that was taken elsewhere; StoreError where there is no space for it."""
        copy = cls._empty()
        try:
            (copy.folder / DATABASE).write_bytes(database)
        except OSError as error:
            copy.remove()
            raise StoreError(
                f"no copy of the project's database could be written to {copy.folder.parent} "
                f"({error.strerror or error}); make space there"
            ) from error
        return copy

    @classmethod
    def _empty(cls) -> ReadingCopy:
        """A folder for a copy; StoreError where none can be made."""
        remove_leftovers()
        try:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            copy = cls(folder, FileLock(folder / _LOCK))
            copy.lock.acquire()
        except OSError as error:
            raise StoreError(
                f"no folder could be made in {tempfile.gettempdir()} ({error.strerror or error}); make space there"
            ) from error
        return copy

    def remove(self) -> None:
        """Delete it; may be called twice."""
        self.lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def remove_leftovers() -> None:
    """Delete the copies of processes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if time.time() - folder.stat().st_mtime > LEFTOVER_S and (folder / _LOCK).is_file():
                with FileLock(folder / _LOCK, timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)
        except (Timeout, OSError):
            continue  # in use, or another user's


def can_write(project: Path) -> bool:
    """Whether this user may write the project's folder and database."""
    return os.access(project, os.W_OK) and os.access(project / DATABASE, os.W_OK)


def copy_database(project: Path, target: Path) -> None:
    """Write the database in the folder ``project`` as it is now to the file ``target``, while others may write to it.

    StoreError where it cannot be read; sqlite3.Error where it is damaged or ``target`` cannot be written.
    """
    reading = None if can_write(project) else ReadingCopy.of(project)  # SQLite writes beside what it reads
    try:
        held = (project if reading is None else reading.folder) / DATABASE
        with closing(sqlite3.connect(held)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
    finally:
        if reading is not None:
            reading.remove()
