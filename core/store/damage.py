"""Whether a project can be read, found out without opening it: nothing is written, migrated or swept."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from core.store.tables import APPLICATION_ID

_TEXTS = ("SELECT name FROM normals", "SELECT label, name FROM examples", "SELECT DISTINCT label FROM samples")
"""What a list of photos and samples shows; every row is read, since a flipped byte is found in no other way."""
_NO_DAMAGE = ("unable to open", "readonly", "read-only", "locked", "busy")
"""In what SQLite says of a file that it may not open now."""


def project_damage(folder: Path) -> str | None:
    """What is wrong with the project in ``folder``, in one line; None where it can be read."""
    path = folder.absolute() / "project.db"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            if application != APPLICATION_ID:
                return f"project {folder}: project.db belongs to another program"
            if (strange := own_statements(db)) is not None:
                return f"project {folder}: project.db holds a {strange}, which Flawsmith never writes"
            for (value,) in db.execute("SELECT value FROM settings"):
                if isinstance(value, str):  # SQLite keeps a lone number as a number
                    json.loads(value)
            for query in _TEXTS:
                for _ in db.execute(query):
                    pass
    except (sqlite3.Error, ValueError) as error:  # what is no text or no JSON is a ValueError
        said = str(error)
        return None if any(word in said.lower() for word in _NO_DAMAGE) else f"project {folder}: damaged ({said})"
    return None


def own_statements(db: sqlite3.Connection) -> str | None:
    """ "view" or "trigger" where the database holds one: statements that run when others read or write. None where it
    holds none, as Flawsmith writes it."""
    row = db.execute("SELECT type FROM sqlite_master WHERE type IN ('view', 'trigger') LIMIT 1").fetchone()
    return None if row is None else str(row[0])
