"""The commands and the Python of the docs run as they stand there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from app.cli import run
from app.cli.main import app as cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CLI = typer.main.get_command(cli)
GENERATED = {"cli.md"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:[A-Z_]+=\S+ )*(?:\S*python3? )?launch\.py\b(.*)$")


def commands_of(page: Path) -> list[list[str]]:
    """The arguments of each ``launch.py`` in the page's fenced blocks. What is optional in a usage line counts."""
    found = []
    for language, block in FENCE.findall(page.read_text()):
        if language in ("", "sh", "bash"):
            lines = block.replace("\\\n", " ").splitlines()
            matches = filter(None, map(COMMAND.match, lines))
            found += [shlex.split(_without_usage_marks(m[1]), comments=True) for m in matches]
    return found


def _without_usage_marks(text: str) -> str:
    """``[--json]`` as ``--json``; those of a value such as ``size_pct=[1,2]`` stay. Three blanks begin a remark."""
    return re.sub(r"(?<!=)\[(-[^\]]*)\]", r"\1", re.split(r"\s{3,}(?![\s-])", text)[0])


def check_usage(args: list[str]) -> None:
    """Raise a usage error if the commands do not take ``args``; nothing runs."""
    command = CLI
    if not args or args[0] == "test":  # the app itself; and pytest, whose options are its own
        return
    while (inner := getattr(command, "commands", {})) and args:
        assert args[0] in inner or args[0].startswith("-"), f"there is no command {args[0]!r}"
        if args[0].startswith("-"):
            return
        command, args = inner[args[0]], args[1:]
    if "--help" not in args:
        command.make_context("launch.py", list(args))


@pytest.mark.parametrize("page", [p for p in PAGES if p.name not in GENERATED], ids=lambda p: p.stem)
def test_commands_are_as_the_program_takes_them(page: Path) -> None:
    for args in commands_of(page):
        try:
            check_usage(args)
        except Exception as error:
            pytest.fail(f"{page.name}: launch.py {shlex.join(args)}: {getattr(error, 'message', error)}")


def test_a_wrong_command_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```\nlaunch.py generate P --engine perlin --colour red   # no such option\n```\n")
    (args,) = commands_of(page)
    with pytest.raises(Exception, match="--colour"):
        check_usage(args)


@pytest.mark.thorough
def test_the_tutorial_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its commands in order, each of which must end well; it is what a new user types first."""
    monkeypatch.chdir(tmp_path)
    commands = [args for args in commands_of(ROOT / "docs" / "tutorial.md") if args[:1] not in ([], ["ui"])]
    assert len(commands) >= 6
    for args in commands:
        assert run(args) == 0, f"launch.py {shlex.join(args)}: {capsys.readouterr().err}"
    assert len(list((tmp_path / "dataset").rglob("*.png"))) > 20


def test_the_python_page_runs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "assets" / "demo" / "brushed_plate" / "train" / "good", tmp_path / "photos")
    for photo in sorted((tmp_path / "photos").iterdir())[4:]:
        photo.unlink()
    blocks = [
        text for language, text in FENCE.findall((ROOT / "docs" / "python.md").read_text()) if language == "python"
    ]
    script = tmp_path / "script.py"
    script.write_text("\n".join(blocks))
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "dataset" / "load_me.py").is_file()
