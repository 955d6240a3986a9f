"""Whole projects: called otherwise, copied, put into the bin, and how large they are."""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

from core.errors import InputError, StoreError
from core.store import Project
from core.store.reading_copy import DATABASE, copy_database

BIN = ".bin"
"""Folder beside a project for those that were thrown away; nothing in it is deleted."""


def folder_name(name: str) -> str:
    """What the folder of a project called ``name`` is called: up to 200 bytes of letters, digits, ``.-_``.

    No system takes over 255 bytes, and what comes beside it (numbers, suffixes) needs some of them.
    """
    clean = re.sub(r"[^\w.-]+", "_", name.strip()).strip("._")
    return clean.encode()[:200].decode(errors="ignore").strip("._") or "product"


def free_path(path: Path) -> Path:
    """``path``, or where something is there already, the first of ``path_2``, ``path_3`` ... that is free."""
    numbered = (path.with_name(f"{path.name}_{i}") for i in range(2, 10_000))
    return next(one for one in (path, *numbered) if not one.exists())


def rename_project(project: Project, name: str) -> None:
    """What a person calls the project; its folder stays. InputError for an empty or overlong name."""
    called = " ".join(name.split())
    if not 1 <= len(called) <= 80:
        raise InputError(f"name of the project: use 1 to 80 characters, got {len(called)}")
    project.set_setting("name", called)


def duplicate_project(source: Path, target: Path) -> Path:
    """A copy of the project in the folder ``source``, which may be open, at ``target``; StoreError if that is taken.

    Nothing half-copied is left behind.
    """
    if target.exists():
        raise StoreError(f"{target}: something is there already; choose another name")
    part: Path | None = None
    try:
        part = Path(tempfile.mkdtemp(prefix=f".{target.name[:60]}-", suffix=".new", dir=target.parent))
        part.chmod(source.stat().st_mode)
        # The database first: what it names is stored before the row is, so that all of it is there to be copied.
        copy_database(source, part / DATABASE)
        left_out = shutil.ignore_patterns(f"{DATABASE}*", "cache")
        shutil.copytree(source, part, ignore=left_out, dirs_exist_ok=True)
        return part.rename(target)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{target}: the copy could not be written: {_reason(error)}") from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def bin_project(path: Path) -> Path:
    """Move a closed project into the bin beside it; the folder that it has there. Moving it back restores it."""
    folder = path.parent / BIN
    name = f"{path.name} {time.strftime('%Y-%m-%d %H.%M.%S')}"
    try:
        folder.mkdir(exist_ok=True)
        target = next(p for p in (folder / name, *(folder / f"{name} {i}" for i in range(2, 1000))) if not p.exists())
        return path.rename(target)
    except OSError as error:
        raise StoreError(f"{path}: it could not be moved into {folder}: {error.strerror or error}") from error


def _reason(error: OSError | sqlite3.Error) -> str:
    """Why a copy failed, in a line; of many files that could not be copied, the first one's reason."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        return str(error.args[0][0][-1])
    return str(getattr(error, "strerror", None) or error)


def project_bytes(path: Path) -> int:
    """Bytes of all files of a project, its cache included."""
    total = 0
    for file in path.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:  # it went meanwhile
            continue
    return total
