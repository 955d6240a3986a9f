"""``evaluate localization``, ``detection`` and ``classification``: train on the pairs, test on real anomalies."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``evaluate``."""
