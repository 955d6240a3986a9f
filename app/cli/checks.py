"""``test`` and ``check``: what a change has to pass."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import typer

HOUSE = Path(__file__).resolve().parents[2]
PYTHON_CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",))
SCRIPT_CHECKS = ("lint", "test")
"""Scripts of package.json."""


def test(context: typer.Context) -> None:
    """Run the tests; arguments go to pytest."""
    # Tests and their servers share the cores: more than one thread each makes torch and OpenCV many times slower.
    quiet = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    environment = {**quiet, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", **os.environ}
    command = [sys.executable, "-m", "pytest", *context.args]
    raise typer.Exit(subprocess.run(command, cwd=HOUSE, env=environment).returncode)


def check() -> None:
    """Run the linters, the formatter (it changes nothing), the type checker and the tests of the JavaScript."""
    commands = [[sys.executable, "-m", *names] for names in PYTHON_CHECKS]
    npm = shutil.which("npm")
    if npm:
        commands += [] if _packages_are_there() else [[npm, "ci", "--no-audit", "--no-fund"]]
        commands += [[npm, "run", "--silent", name] for name in SCRIPT_CHECKS]
    else:
        _say("no npm on this machine: the JavaScript is not checked (install Node.js 20 or newer)")
    failed = [_shown(command) for command in commands if not _passes(command)]
    if failed:
        typer.echo(f"error: failed: {', '.join(failed)}", err=True)
    raise typer.Exit(1 if failed else 0)


def _packages_are_there() -> bool:
    installed, wanted = HOUSE / "node_modules" / ".package-lock.json", HOUSE / "package-lock.json"
    return installed.is_file() and installed.stat().st_mtime >= wanted.stat().st_mtime


def _passes(command: list[str]) -> bool:
    _say(_shown(command))
    return subprocess.run(command, cwd=HOUSE).returncode == 0


def _shown(command: list[str]) -> str:
    return " ".join([Path(command[0]).name, *command[1:]])


def _say(line: str) -> None:
    typer.echo(f"flawsmith: {line}", err=True)
