"""``evaluate generation``: how believable and how varied the pairs themselves are."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``evaluate``."""
