"""The launcher: sets up once, says what failed, hands over to the environment's Python."""

from __future__ import annotations

import importlib.util
import re
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
    """Commands the launcher would run; the environment it makes is an empty folder with a python in it.

    A command whose last word holds "mistyped" fails.
    """
    made: list[list[str]] = []

    def run(command: tuple[str, ...], **_: Any) -> SimpleNamespace:
        made.append(list(command))
        if "venv" in command:
            python = launch._python_of(Path(command[-1]))
            python.parent.mkdir(parents=True)
            python.touch()
        return SimpleNamespace(returncode=int("mistyped" in command[-1]))

    monkeypatch.setattr(launch.subprocess, "run", run)
    monkeypatch.setattr(launch.shutil, "which", lambda name: None)
    monkeypatch.delenv("FLAWSMITH_TORCH_INDEX", raising=False)
    return made


def test_sets_up_once(launch: ModuleType, calls: list[list[str]], tmp_path: Path) -> None:
    assert launch.set_up(tmp_path / "v", "requirements.lock")
    assert [c[1:3] for c in calls] == [["-m", "venv"], ["-m", "pip"]]
    assert calls[1][-3:] == ["--no-deps", "-r", str(ROOT / "requirements.lock")]
    calls.clear()
    assert launch.set_up(tmp_path / "v", "requirements.lock")
    assert calls == []


def test_the_test_environment_serves_the_app_too(launch: ModuleType, calls: list[list[str]], tmp_path: Path) -> None:
    assert launch.set_up(tmp_path / "v", "requirements-dev.lock")
    calls.clear()
    assert launch.set_up(tmp_path / "v", "requirements.lock")
    assert calls == []


def test_changed_requirements_are_installed(
    launch: ModuleType, calls: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert launch.set_up(tmp_path / "v", "requirements.lock")
    calls.clear()
    monkeypatch.setattr(launch, "_fingerprint", lambda lock: "another")
    assert launch.set_up(tmp_path / "v", "requirements.lock")
    assert [c[1:3] for c in calls] == [["-m", "pip"]]


def test_uv_is_used_where_it_is(
    launch: ModuleType, calls: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch.shutil, "which", lambda name: "/bin/uv" if name == "uv" else None)
    assert launch.set_up(tmp_path / "v", "requirements.lock")
    assert [c[:3] for c in calls] == [["/bin/uv", "venv", "--python"], ["/bin/uv", "pip", "install"]]


CPU = "https://torch.example/whl/cpu"


def test_torch_comes_from_the_index_that_is_asked_for(
    launch: ModuleType, calls: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAWSMITH_TORCH_INDEX", CPU)
    assert launch.set_up(tmp_path / "v", "requirements-dev.lock")
    _, others, torch = calls
    rest = Path(others[-1]).read_text()
    assert "pytest==" in rest and "gradio==" in rest and "torchmetrics==" in rest and "--hash=" in rest
    assert not re.search(r"^(torch|torchvision|triton|nvidia-.*|cuda-.*)==|^-r", rest, re.M)
    assert [pin.split("==")[0] for pin in torch[4:6]] == ["torch", "torchvision"]
    assert torch[6:] == ["--index-url", CPU]


def test_the_environment_remembers_the_index(
    launch: ModuleType, calls: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAWSMITH_TORCH_INDEX", CPU)
    assert launch.set_up(tmp_path / "v", "requirements.lock")
    calls.clear()
    monkeypatch.delenv("FLAWSMITH_TORCH_INDEX")
    assert launch.set_up(tmp_path / "v", "requirements.lock")
    assert calls == []
    assert launch.set_up(tmp_path / "v", "requirements-dev.lock")
    assert calls[-1][-1] == CPU


@pytest.mark.parametrize(("first", "then"), [(CPU, "https://torch.example/whl/cu130"), (None, CPU)])
def test_another_index_is_refused_in_one_line(
    launch: ModuleType,
    calls: list[list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    first: str | None,
    then: str,
) -> None:
    if first:
        monkeypatch.setenv("FLAWSMITH_TORCH_INDEX", first)
    assert launch.set_up(tmp_path / "v", "requirements.lock")
    calls.clear()
    capsys.readouterr()
    monkeypatch.setenv("FLAWSMITH_TORCH_INDEX", then)
    assert not launch.set_up(tmp_path / "v", "requirements.lock")
    said = capsys.readouterr().err
    assert calls == [] and said.count("\n") == 1
    assert f"is {then}" in said and f"from {first or 'the default index'}; delete that folder" in said


def test_a_failed_set_up_does_not_bind_to_its_index(
    launch: ModuleType, calls: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAWSMITH_TORCH_INDEX", "https://torch.example/mistyped")
    assert not launch.set_up(tmp_path / "v", "requirements.lock")
    monkeypatch.setenv("FLAWSMITH_TORCH_INDEX", CPU)
    assert launch.set_up(tmp_path / "v", "requirements.lock")


@pytest.mark.parametrize(
    ("platform", "index", "size"), [("linux", "", "7 GB"), ("linux", CPU, "2 GB"), ("darwin", "", "2 GB")]
)
def test_the_set_up_line_tells_the_size(
    launch: ModuleType, monkeypatch: pytest.MonkeyPatch, platform: str, index: str, size: str
) -> None:
    monkeypatch.setattr(launch.sys, "platform", platform)
    assert f"about {size}" in launch._size(index)


def test_a_failed_step_is_named_and_tried_again(
    launch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launch.subprocess, "run", lambda command, **_: SimpleNamespace(returncode=1))
    assert not launch.set_up(tmp_path / "v", "requirements.lock")
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
    for command in ("ui", "test", "check", "new", "regions", "generate", "review", "export", "models", "bench"):
        assert f" {command} " in done.stdout
