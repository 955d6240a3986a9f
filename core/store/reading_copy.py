"""A project whose folder cannot be written, or must not be, is read from a copy of its database.

SQLite cannot read a database in WAL mode where it may not write beside it, and an old one could not be migrated there.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from core.errors import StoreError

DATABASE = "project.db"


@dataclass(frozen=True)
class ReadingCopy:
    """``folder`` holds the database and takes the cache, until it is removed."""

    folder: Path

    @classmethod
    def of(cls, project: Path) -> ReadingCopy:
        """A copy of the database in the folder ``project``; StoreError where it cannot be read or copied."""
        folder = Path(tempfile.mkdtemp(prefix="flawsmith-reading-"))
        try:
            for name in (DATABASE, f"{DATABASE}-wal"):
                if (project / name).is_file():
                    shutil.copyfile(project / name, folder / name)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise StoreError(
                f"project {project}: cannot be read ({error.strerror or error}); check its permissions and the space "
                f"in {folder.parent}"
            ) from error
        return cls(folder)

    @classmethod
    def from_bytes(cls, database: bytes) -> ReadingCopy:
        """A copy that was taken elsewhere; StoreError where there is no space for it."""
        folder = Path(tempfile.mkdtemp(prefix="flawsmith-reading-"))
        try:
            (folder / DATABASE).write_bytes(database)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise StoreError(
                f"no copy of the project's database could be written to {folder.parent} ({error.strerror or error}); "
                "make space there"
            ) from error
        return cls(folder)

    def remove(self) -> None:
        """Delete it; may be called twice."""
        shutil.rmtree(self.folder, ignore_errors=True)


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
