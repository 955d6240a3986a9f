"""The launcher: sets up once, says what failed, hands over to the environment's Python."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def launch() -> ModuleType:
    spec = importlib.util.spec_from_file_location("launch", ROOT / "launch.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def calls(launch: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands the launcher would run; the environment it makes is an empty folder with a python in it."""
    made: list[list[str]] = []

    def run(command: list[str], **_: Any) -> SimpleNamespace:
        made.append(command)
        if "venv" in command:
            python = launch._python_of(Path(command[-1]))
            python.parent.mkdir(parents=True)
            python.touch()
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(launch.subprocess, "run", run)
    monkeypatch.setattr(launch.shutil, "which", lambda name: None)
    return made


def test_sets_up_once(launch: ModuleType, calls: list[list[str]], tmp_path: Path) -> None:
    assert launch.set_up(tmp_path / "v", "requirements.txt")
    assert [c[1:3] for c in calls] == [["-m", "venv"], ["-m", "pip"]]
    assert calls[1][-1] == str(ROOT / "requirements.txt")
    calls.clear()
    assert launch.set_up(tmp_path / "v", "requirements.txt")
    assert calls == []


def test_the_test_environment_serves_the_app_too(launch: ModuleType, calls: list[list[str]], tmp_path: Path) -> None:
    assert launch.set_up(tmp_path / "v", "requirements-dev.txt")
    calls.clear()
    assert launch.set_up(tmp_path / "v", "requirements.txt")
    assert calls == []


def test_changed_requirements_are_installed(
    launch: ModuleType, calls: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert launch.set_up(tmp_path / "v", "requirements.txt")
    calls.clear()
    monkeypatch.setattr(launch, "_fingerprint", lambda requirements: "another")
    assert launch.set_up(tmp_path / "v", "requirements.txt")
    assert [c[1:3] for c in calls] == [["-m", "pip"]]


def test_uv_is_used_where_it_is(
    launch: ModuleType, calls: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch.shutil, "which", lambda name: "/bin/uv" if name == "uv" else None)
    assert launch.set_up(tmp_path / "v", "requirements.txt")
    assert [c[:3] for c in calls] == [["/bin/uv", "venv", "--python"], ["/bin/uv", "pip", "install"]]


def test_a_failed_step_is_named_and_tried_again(
    launch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launch.subprocess, "run", lambda command, **_: SimpleNamespace(returncode=1))
    assert not launch.set_up(tmp_path / "v", "requirements.txt")
    assert "set-up stopped at" in capsys.readouterr().err
    assert not list(tmp_path.glob("v/.ready*"))


def test_old_python_is_refused_in_one_line(
    launch: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launch, "OLDEST", (99, 0))
    assert launch.main([]) == 1
    assert "Python 99.0 or newer is needed" in capsys.readouterr().err


def test_help_lists_every_command() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "launch.py"), "--help"],
        env={"PATH": "/usr/bin:/bin", "FLAWSMITH_VENV": "none"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for command in ("ui", "test", "new", "regions", "generate", "review", "export", "models", "bench"):
        assert f" {command} " in done.stdout
