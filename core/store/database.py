"""Connections to ``project.db``: many readers, one writer at a time, and errors in one line."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DatabaseError

from core.errors import FlawsmithError, StoreError
from core.store.files import opened_for_reading

BUSY_S = 15.0
"""Seconds to wait for another program's write before saying that the project is busy."""
_DAMAGE = ("malformed", "not a database", "no such table", "no such column", "unsupported file format", "decode")
"""In what SQLite says of a file that something has spoilt."""


class _ThreadTransaction(threading.local):
    """The transaction that a thread is in, if it is in one."""

    connection: Connection | None = None


class Database:
    """One SQLite file in WAL mode: short ``BEGIN IMMEDIATE`` transactions to write, snapshots to read.

    Within a process writers queue on a lock; across processes SQLite's own lock and busy timeout hold.
    ``folder`` is the project's; a database that lies elsewhere is a copy of one that cannot be written.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self.folder = folder
        self.is_copy = path.parent != folder
        self._lock = threading.RLock()
        self._writer = _engine(path, read_only=False)
        self._reader = _engine(path, read_only=True)
        self._joined = _ThreadTransaction()
        self._closed = False

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot; inside this thread's own ``write`` it is that transaction."""
        current = self._joined.connection
        if current is not None:
            yield current
            return
        self._check_open()
        with store_errors(self.folder), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def write(self, passing: bool = False) -> Iterator[Connection]:
        """A transaction, durable when the block ends; nested blocks of one thread are one transaction.

        StoreError in a copy, unless it is ``passing``: worth keeping no longer than the project is open.
        """
        if self.is_copy and not passing:
            raise opened_for_reading(self.folder)
        current = self._joined.connection
        if current is not None:
            yield current
            return
        with self._lock:
            self._check_open()
            with store_errors(self.folder), self._writer.begin() as connection:
                self._joined.connection = connection
                try:
                    yield connection
                finally:
                    self._joined.connection = None

    def close(self) -> None:
        """Close every connection; may be called twice."""
        with self._lock:
            self._closed = True
            self._reader.dispose()
            self._writer.dispose()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"project {self.folder}: it was closed; open it again")


def sqlite_url(path: Path) -> URL:
    """The address of a database file whose name may hold ``?`` or ``%``, which mean something in a written URL."""
    return URL.create("sqlite", database=str(path))


def _engine(path: Path, read_only: bool) -> Engine:
    engine = create_engine(
        sqlite_url(path),
        poolclass=QueuePool,
        pool_size=1 if read_only is False else 4,
        max_overflow=0 if read_only is False else 60,
        connect_args={"timeout": BUSY_S, "isolation_level": None, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        prepare_connection(connection)
        if read_only:
            connection.execute("PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def prepare_connection(connection: sqlite3.Connection) -> None:
    """The settings every connection needs; ``synchronous=FULL`` makes a commit outlive a power cut."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -16000")


@contextmanager
def store_errors(folder: Path) -> Iterator[None]:
    """Turn what SQLite says about ``folder`` into a StoreError that tells a person what to do.

    What the folder is not to blame for (a broken rule of the tables, a wrong statement) passes as it is.
    """
    try:
        yield
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StoreError(explain_error(folder, f"malformed text: {error}")) from error
    except (DatabaseError, sqlite3.DatabaseError) as error:
        said = str(getattr(error, "orig", None) or error)
        if (line := explain_error(folder, said)) is None:
            raise
        raise StoreError(line) from error


@contextmanager
def damage_told(folder: Path) -> Iterator[None]:
    """While rows become values: what does not fit a column's meaning was not written by Flawsmith. StoreError."""
    try:
        yield
    except FlawsmithError:
        raise
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise StoreError(explain_error(folder, f"malformed row: {type(error).__name__} {error}")) from error


def explain_error(folder: Path, said: str) -> str | None:
    """One line for SQLite's message ``said``; None if it is not about the folder or the disk."""
    low = said.lower()
    if "locked" in low or "busy" in low:
        return (
            f"project {folder}: another program has been writing to it for {BUSY_S:.0f} s; try again when it is done"
        )
    if "readonly" in low or "read-only" in low or "unable to open" in low:
        return f"project {folder}: the folder cannot be written; check its permissions or copy it elsewhere"
    if any(word in low for word in _DAMAGE):
        return (
            f"project {folder}: project.db is damaged ({said}); put a backup in its place "
            "(project.db.backup-* if there is one) or import the photos into a new project"
        )
    if "is full" in low:
        return f"project {folder}: the disk is full; free some space and try again, nothing was lost"
    if "i/o error" in low:
        return f"project {folder}: project.db cannot be read or written ({said}); check the disk"
    return None
