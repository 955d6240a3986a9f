"""Whole projects: called otherwise, copied, put into the bin, and how large they are."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from core.errors import InputError, StoreError
from core.store import Project

BIN = ".bin"
"""Folder beside a project for those that were thrown away; nothing in it is deleted."""
DATABASE = "project.db"


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
    part = target.with_name(f".{target.name}.new")
    shutil.rmtree(part, ignore_errors=True)
    try:
        shutil.copytree(source, part, ignore=shutil.ignore_patterns(f"{DATABASE}*", "cache"))
        with closing(sqlite3.connect(source / DATABASE)) as old, closing(sqlite3.connect(part / DATABASE)) as new:
            old.backup(new)
        return part.rename(target)
    except OSError as error:
        raise StoreError(f"{target}: the copy could not be written: {error.strerror or error}") from error
    finally:
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


def project_bytes(path: Path) -> int:
    """Bytes of all files of a project, its cache included."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
