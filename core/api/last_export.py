"""What was exported last, and what is other now: a sample's id stands for its pixels, so only its label can change."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.store import Project, SampleRow

SETTING = "last_export"
"""Setting of the project: format, folder, when (seconds since 1970), and each sample's label by its id."""


@dataclass(frozen=True)
class ExportChanges:
    """The samples of now beside those of the last export of ``format`` into ``path`` at ``when``."""

    format: str
    path: str
    when: float
    added: int
    gone: int
    relabelled: int


def remember_export(project: Project, format: str, path: Path, rows: Sequence[SampleRow]) -> None:
    """An export was written."""
    samples = {row.id: row.label for row in rows}
    project.set_setting(SETTING, {"format": format, "path": str(path), "when": time.time(), "samples": samples})


def since_last_export(project: Project, rows: Sequence[SampleRow]) -> ExportChanges | None:
    """What changed since; None where nothing was exported yet, or what was kept of it cannot be read."""
    kept = project.get_setting(SETTING)
    if not isinstance(kept, dict) or not isinstance(before := kept.get("samples"), dict):
        return None
    now = {row.id: row.label for row in rows}
    both = now.keys() & before.keys()
    return ExportChanges(
        format=str(kept.get("format", "")),
        path=str(kept.get("path", "")),
        when=float(kept.get("when", 0.0)),
        added=len(now.keys() - both),
        gone=len(before.keys() - both),
        relabelled=sum(now[id] != before[id] for id in both),
    )
