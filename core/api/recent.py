"""Which project was opened last, and where new ones go."""

from __future__ import annotations

import json
import os
from pathlib import Path

from core.given_files import given_json
from core.images.write import atomic_write
from core.store.damage import project_damage

__all__ = ["add_recent_project", "project_damage", "projects_folder", "recent_projects", "state_folder"]

MAX_RECENT = 12


def state_folder() -> Path:
    """Where Flawsmith remembers things between starts; FLAWSMITH_STATE moves it."""
    if given := os.environ.get("FLAWSMITH_STATE"):
        return Path(given)
    from platformdirs import user_state_path

    return user_state_path("flawsmith")


def projects_folder() -> Path:
    """Where the app puts new projects; FLAWSMITH_PROJECTS moves it."""
    if given := os.environ.get("FLAWSMITH_PROJECTS"):
        return Path(given)
    from platformdirs import user_documents_path

    return user_documents_path() / "Flawsmith"


def recent_projects() -> list[Path]:
    """Projects opened before and still there, the last one first."""
    try:
        listed = given_json(state_folder() / "recent.json")
        return [p for p in map(Path, listed) if (p / "project.db").is_file()]
    except (OSError, ValueError, TypeError):
        return []


def add_recent_project(project: Path) -> None:
    """Put ``project`` first among the recent ones; a read-only home is no reason to fail."""
    project = project.resolve()
    rest = [p for p in recent_projects() if p != project]
    try:
        state_folder().mkdir(parents=True, exist_ok=True)
        listed = [str(p) for p in [project, *rest]][:MAX_RECENT]
        atomic_write(state_folder() / "recent.json", json.dumps(listed).encode())
    except OSError:
        return
