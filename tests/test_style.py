"""The checks that a machine can do: lint and, when asked for (-m slow), strict types."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def check(*command: str) -> None:
    if importlib.util.find_spec(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed (requirements-dev.txt)")
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_lint() -> None:
    check("ruff", "check", ".")


@pytest.mark.slow
def test_types() -> None:
    check("mypy")


def test_no_path_of_anyone_s_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    words = ("/" + "work/", "/" + "root/", "/" + "home/")
    own = Path(__file__).relative_to(ROOT).as_posix()
    found = []
    for name in tracked.stdout.splitlines():
        if name.endswith((".py", ".md", ".js", ".css", ".toml", ".txt", "run")) and name != own:
            text = (ROOT / name).read_text(errors="replace")
            found += [f"{name}: {word}" for word in words if word in text]
    assert not found
