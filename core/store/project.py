"""A project: one folder with ``project.db``, ``files/`` and a ``cache/`` that can be thrown away."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from types import TracebackType

from core.errors import StoreError
from core.images.write import TEMP_PREFIX
from core.store import schema
from core.store.depths import DepthStore
from core.store.files import FILES_FOLDER, cannot_write, sync_folder
from core.store.jobs import JobStore
from core.store.reading_copy import DATABASE, ReadingCopy, can_write
from core.store.remarks import RemarkStore
from core.store.samples import SampleStore
from core.store.splits import SplitStore
from core.store.verdicts import ReviewStore

logger = logging.getLogger(__name__)

ORPHAN_AGE_S = 3600.0
"""Age at which a file without a row is taken for the leftover of a killed process."""


class Project(SampleStore, SplitStore, DepthStore, ReviewStore, RemarkStore, JobStore):
    """Everything a person made in one folder. Safe to use from many threads and several processes.

    Files are durable before the row that names them is written, so what is listed is whole, and what a
    method returned outlives the process.
    """

    @classmethod
    def create(cls, path: Path, name: str | None = None) -> Project:
        """Make a project in a new or empty folder; StoreError otherwise."""
        path = Path(path).absolute()
        if (path / DATABASE).exists():
            raise schema.exists_already(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            other = [p.name for p in path.iterdir() if not p.name.startswith(TEMP_PREFIX) and not _is_empty_part(p)]
            if other:
                raise StoreError(
                    f"project {path}: expected a new or empty folder, it holds {other[0]!r}; choose another folder"
                )
            (path / FILES_FOLDER).mkdir(exist_ok=True)
            schema.create(path / DATABASE, name or path.name)
            sync_folder(path)
        except FileExistsError:
            raise StoreError(f"project {path}: a file has this name; choose another folder") from None
        except OSError as error:
            raise cannot_write(path, error) from error
        return cls(path)

    @classmethod
    def open(cls, path: Path, for_reading: bool = False) -> Project:
        """Open a project, bring its tables up to date, and clear what a killed process left behind.

        One whose folder cannot be written is opened for reading: ``only_read``. ``for_reading`` asks for that, so that
        many processes can read a project on shared storage and never open its database there.
        """
        path = Path(path).absolute()
        if not (path / DATABASE).is_file():
            what = "there is no such folder" if not path.exists() else "there is no project.db in it"
            raise StoreError(
                f"{path} is not a Flawsmith project: {what}; make one with 'new' or choose another folder"
            )
        if for_reading:
            return cls._open_for_reading(path)
        if not can_write(path):
            logger.warning("project %s: its folder cannot be written; opened for reading", path)
            return cls._open_for_reading(path)
        schema.bring_up_to_date(path / DATABASE)
        project = cls(path)
        try:
            project._interrupt_dead_jobs()
            project._sweep_if_due()
        except BaseException:
            project.close()
            raise
        return project

    @classmethod
    def open_copy(cls, path: Path, database: bytes) -> Project:
        """Open the project in the folder ``path`` for reading, from a copy of its database that was taken on another
        machine. StoreError where this machine does not see the folder."""
        path = Path(path).absolute()
        if not (path / FILES_FOLDER).is_dir():
            raise StoreError(
                f"project {path}: this machine does not see that folder; mount it at the same path on every machine"
            )
        return cls._open_for_reading(path, ReadingCopy.from_bytes(database))

    @classmethod
    def _open_for_reading(cls, path: Path, copy: ReadingCopy | None = None) -> Project:
        copy = copy or ReadingCopy.of(path)
        try:
            schema.bring_up_to_date(copy.folder / DATABASE)
            return cls(path, copy)
        except BaseException:
            copy.remove()
            raise

    @property
    def name(self) -> str:
        """What a person calls it."""
        return str(self.get_setting("name", self.path.name))

    def sweep(self, older_than_s: float = ORPHAN_AGE_S) -> int:
        """Delete files that nothing refers to and that are older than this; return how many.

        None where the database is damaged, or names files that are not there: then it may have lost rows, or be
        another project's, and what it does not name may be all that is left.
        """
        with self._db.write() as db:
            told = db.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            used = self._files_in_use()
            missing = next((name for name in sorted(used) if not (self.path / name).is_file()), None)
            if told != "ok" or missing is not None:
                reason = f"{missing} is missing" if told == "ok" else told
                logger.warning(
                    "project %s: left-over files are kept, since project.db is in doubt (%s)", self.path, reason
                )
                return 0
            self._drop_unused_depths()
            return self._files.sweep(self._files_in_use(), older_than_s)

    def _sweep_if_due(self) -> None:
        # A clock that was set back must not put the next sweep off until it has caught up.
        if abs(time.time() - float(self.get_setting("swept", 0.0))) > ORPHAN_AGE_S:
            self.sweep()
            self.set_setting("swept", time.time())
            for leftover in self.path.glob(f"{TEMP_PREFIX}*"):
                if time.time() - leftover.stat().st_mtime > ORPHAN_AGE_S:
                    leftover.unlink(missing_ok=True)

    def __enter__(self) -> Project:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_empty_part(path: Path) -> bool:
    return path.name in (FILES_FOLDER, "cache") and path.is_dir() and not any(path.iterdir())
