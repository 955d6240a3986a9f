"""What every part of a project shares: its folder, its database, its files, its settings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Column, ColumnElement, select, text
from sqlalchemy.dialects.sqlite import insert

from core.errors import StoreError
from core.store.database import Database
from core.store.files import FILES_FOLDER, FileStore, StoredFile
from core.store.reading_copy import DATABASE, ReadingCopy
from core.store.tables import FILE_COLUMNS, FILE_LIST_COLUMNS, FILE_MAP_COLUMNS, settings


class Store:
    """The base of Project.

    ``copy`` is where the database of a project lies that cannot be written: it can be read, and nothing stored.
    """

    def __init__(self, path: Path, copy: ReadingCopy | None = None) -> None:
        self.path = Path(path).absolute()
        self._copy = copy
        self._db = Database((copy.folder if copy else self.path) / DATABASE, self.path)
        self._files = FileStore(self.path, copy is not None)

    @property
    def only_read(self) -> bool:
        """Whether the folder cannot be written, so that what is in the project can be read and exported, no more."""
        return self._copy is not None

    @property
    def cache_dir(self) -> Path:
        """A folder for what can be made again (thumbnails, embeddings); anyone may delete it."""
        folder = (self._copy.folder if self._copy else self.path) / "cache"
        folder.mkdir(exist_ok=True)
        return folder

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what this thread writes in the block one transaction: all of it is kept, or none.

        Keep it short: nobody else can write meanwhile.
        """
        with self._db.write():
            yield

    def close(self) -> None:
        """Close the database; may be called twice."""
        self._db.close()
        if self._copy is not None:
            self._copy.remove()

    def stored_path(self, file: str) -> Path:
        """The absolute path of a file that a row names; StoreError where the name leads out of the project's files."""
        if not file.startswith(f"{FILES_FOLDER}/") or ".." in file or "\0" in file:
            raise StoreError(
                f"project {self.path}: project.db is damaged: it names a file outside the project ({file[:80]!r}); "
                "put a backup in its place"
            )
        return self.path / file

    def file_path(self, file: str) -> Path:
        """The absolute path of a relative file name or a sha256 (or its beginning); NotFound."""
        return self._files.find(file)

    def store_file(self, data: bytes, ext: str) -> StoredFile:
        """Write a file ahead of its row, from any thread; give the result to an ``add_...`` in place of the bytes.

        A file that never gets a row is swept later.
        """
        return self._files.put(data, ext)

    def get_setting(self, key: str, default: Any = None) -> Any:
        """The JSON value kept under ``key``."""
        with self._db.read() as db:
            row = db.execute(select(settings.c.value).where(settings.c.key == key)).one_or_none()
        return default if row is None else row.value

    def set_setting(self, key: str, value: Any) -> None:
        """Keep a JSON value under ``key``."""
        with self._db.write() as db:
            db.execute(
                insert(settings)
                .values(key=key, value=value)
                .on_conflict_do_update(index_elements=["key"], set_={"value": value})
            )

    def _files_in_use(self) -> set[str]:
        used: set[str] = set()
        with self._db.read() as db:
            for column in FILE_COLUMNS:
                used.update(db.execute(select(column).where(column.is_not(None))).scalars())
            for column in FILE_LIST_COLUMNS:
                for names in db.execute(select(column)).scalars():
                    used.update(names)
            for column in FILE_MAP_COLUMNS:
                for files in db.execute(select(column).where(column.is_not(None))).scalars():
                    used.update((files or {}).values())
        return used


def column_in(column: Column[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """``column IN values`` for any number of values: SQLite limits parameters, not the length of a JSON list."""
    name = f"among_{column.name}"
    listed = text(f"SELECT value FROM json_each(:{name})").bindparams(**{name: json.dumps(list(values))})
    return column.in_(listed)
