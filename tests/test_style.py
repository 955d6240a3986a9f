"""What no linter knows about the text of the files; ``launch.py check`` runs the linters."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_no_path_of_anyone_s_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    words = ("/" + "work/", "/" + "root/", "/" + "home/")
    own = Path(__file__).relative_to(ROOT).as_posix()
    found = []
    for name in tracked.stdout.splitlines():
        if name.endswith((".py", ".md", ".js", ".css", ".toml", ".txt", ".lock", "run")) and name != own:
            text = (ROOT / name).read_text(errors="replace")
            found += [f"{name}: {word}" for word in words if word in text]
    assert not found
