"""``test`` and ``check``: what a change has to pass."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import typer

HOUSE = Path(__file__).resolve().parents[2]
CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",))


def test(context: typer.Context) -> None:
    """Run the tests; arguments go to pytest."""
    # Tests and their servers share the cores: more than one thread each makes torch and OpenCV many times slower.
    quiet = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    environment = {**quiet, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", **os.environ}
    command = [sys.executable, "-m", "pytest", *context.args]
    raise typer.Exit(subprocess.run(command, cwd=HOUSE, env=environment).returncode)


def check() -> None:
    """Run the linter, the formatter (it changes nothing) and the type checker."""
    failed = [" ".join(names) for names in CHECKS if not _passes([sys.executable, "-m", *names])]
    if failed:
        typer.echo(f"error: failed: {', '.join(failed)}", err=True)
    raise typer.Exit(1 if failed else 0)


def _passes(command: list[str]) -> bool:
    typer.echo(f"flawsmith: {' '.join(Path(part).name for part in command)}", err=True)
    return subprocess.run(command, cwd=HOUSE).returncode == 0
