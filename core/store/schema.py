"""The version of a project's tables: made new, recognised, brought up to date. Alembic loads only for the last."""

from __future__ import annotations

import os
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine, event

from core.errors import StoreError
from core.images.write import TEMP_PREFIX
from core.store import database
from core.store.damage import own_statements
from core.store.files import cannot_write
from core.store.tables import APPLICATION_ID, metadata, settings

MIGRATIONS = Path(__file__).parent / "migrations"
NEWEST_REVISION = "0007"
"""The newest revision in ``migrations/versions``."""


def exists_already(project: Path) -> StoreError:
    """The line for a folder in which there is a project."""
    return StoreError(
        f"project {project}: it exists already; open it, bring more into it with `launch.py import`, or choose "
        "another folder"
    )


def create(path: Path, name: str) -> None:
    """Make a ``project.db`` that holds nothing but the project's ``name``; StoreError if one is there.

    It appears under its own name only when it is whole.
    """
    temp = path.parent / f"{TEMP_PREFIX}{uuid.uuid4().hex}.db"
    try:
        engine = create_engine(database.sqlite_url(temp), connect_args={"isolation_level": None})
        with engine.begin() as connection:
            connection.exec_driver_sql("BEGIN")  # one sync to disk, not one per table
            metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
            connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{NEWEST_REVISION}')")
            connection.execute(settings.insert().values(key="name", value=name))
        engine.dispose()
        _claim(temp, path)
    except FileExistsError:
        raise exists_already(path.parent) from None
    finally:
        temp.unlink(missing_ok=True)


def _claim(temp: Path, path: Path) -> None:
    # A hard link fails if another process was first, where a rename would take its database away.
    try:
        os.link(temp, path)
    except FileExistsError:
        raise
    except OSError:
        if path.exists():
            raise FileExistsError(path) from None
        os.rename(temp, path)


def bring_up_to_date(path: Path, migrations: Path = MIGRATIONS, head: str = NEWEST_REVISION) -> Path | None:
    """Migrate an old ``project.db`` after copying it; return the copy's path, or None if it was current.

    StoreError when the file is not a project's, is damaged, or was written by a newer Flawsmith.
    """
    with database.store_errors(path.parent), closing(sqlite3.connect(path, timeout=database.BUSY_S)) as connection:
        if _version(connection, path) == head:
            return None
    return _migrate(path, migrations, head)


def _version(connection: sqlite3.Connection, path: Path) -> str:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise StoreError(
            f"{path.parent} is not a Flawsmith project: project.db belongs to another program; choose another folder"
        )
    if (strange := own_statements(connection)) is not None:
        raise StoreError(
            f"project {path.parent}: project.db holds a {strange}, which Flawsmith never writes and which may do "
            "anything; put a backup in its place"
        )
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None:
        raise StoreError(f"project {path.parent}: project.db has no version; put a backup in its place")
    return str(row[0])


def _migrate(path: Path, migrations: Path, head: str) -> Path | None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    engine = create_engine(
        database.sqlite_url(path), connect_args={"timeout": database.BUSY_S, "isolation_level": None}
    )
    # Foreign keys stay off here: a rebuilt table would otherwise take its children's rows with it.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with database.store_errors(path.parent), engine.begin() as connection:
            raw: sqlite3.Connection = connection.connection.dbapi_connection  # type: ignore[assignment]
            version = _version(raw, path)
            if version == head:  # another process was first
                return None
            if version not in known:
                raise StoreError(
                    f"project {path.parent}: it was written by a newer Flawsmith (tables {version}, "
                    f"this one knows {head}); update Flawsmith to open it"
                )
            backup = _back_up(path, version)
            config.attributes["connection"] = connection
            _upgrade(config, path, head)
            if raw.execute("PRAGMA foreign_key_check").fetchone():
                raise StoreError(f"project {path.parent}: could not be brought up to date; it was left as it was")
            return backup
    finally:
        engine.dispose()


def _upgrade(config: object, path: Path, head: str) -> None:
    from alembic import command
    from alembic.util import CommandError

    try:
        command.upgrade(config, head)  # type: ignore[arg-type]
    except CommandError as error:
        raise StoreError(f"project {path.parent}: could not be brought up to date ({error})") from error


def _back_up(path: Path, version: str) -> Path:
    backup = path.with_name(f"{path.name}.backup-{version}")
    temp = path.parent / f"{TEMP_PREFIX}{uuid.uuid4().hex}.db"
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(temp)) as copy:
            source.backup(copy)
        os.replace(temp, backup)
    except OSError as error:
        raise cannot_write(path.parent, error) from error
    finally:
        temp.unlink(missing_ok=True)
    return backup
