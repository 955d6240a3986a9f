"""Write docs/cli.md from the commands themselves.

    python tools/cli_doc.py

A test compares the file with what this would write, so the page cannot fall behind the commands.
"""

from __future__ import annotations

import sys
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HOUSE))

import typer  # noqa: E402
from typer.cli import get_docs_for_click  # noqa: E402

from app.cli.main import app  # noqa: E402

TARGET = HOUSE / "docs" / "cli.md"

INTRODUCTION = """\
# Command line

Every command starts with `python3 launch.py`. What the app does to a project and what a command does to it is the
same: you can switch between the two at any time. This page is written by `tools/cli_doc.py`; the values that
`--param`, `--place`, `--rule` and `--option` take are in [settings](settings.md).

**Output.** Results go to stdout, progress and warnings to stderr. With `--json` the last line of stdout is one JSON
object.

**Exit codes.** 0: done. 2: something given is wrong, and one line `error: ...` on stderr says what was expected, what
came and what to do. 130: you stopped it, and what was finished is kept. A traceback is a bug: please report it.

**Names and values.** `--param`, `--place`, `--rule` and `--option` take `name=value` and can be given several times. A
value is read as JSON where it is JSON (`0.4`, `true`, `[1, 2]`), and as text otherwise.
"""

ENVIRONMENT = (
    ("`FLAWSMITH_VENV`", "folder of the environment that `launch.py` sets up; `none`: the running Python", "`.venv`"),
    ("`FLAWSMITH_TORCH_INDEX`", "package index to take torch from; counts when the environment is made", "PyPI"),
    ("`FLAWSMITH_PROJECTS`", "folder in which the app makes new projects", "`Flawsmith` in your documents"),
    ("`FLAWSMITH_LANGUAGE`", "language of the page: en or de", "en"),
    ("`FLAWSMITH_MODELS`", "folder of fetched models and weights", "the system's folder for user data"),
    ("`FLAWSMITH_BANK`", "folder of the defect bank", "the system's folder for user data"),
    ("`FLAWSMITH_STATE`", "folder for the list of projects opened last", "the system's folder for state"),
    ("`FLAWSMITH_BACKBONE`", "diffusion model where *Model* is `auto`: a name, folder or file", "the first there is"),
    (
        "`FLAWSMITH_DTYPE`",
        "precision to draw in: `float32`, `float16`, `bfloat16`",
        "`float16` on a GPU, else `float32`",
    ),
    ("`FLAWSMITH_CACHE_MB`", "megabytes that warm models, photos and features may take", "a third of the memory"),
    ("`HF_ENDPOINT`, `HF_TOKEN`", "mirror of the Hugging Face hub to fetch from, and its token", "the hub"),
)


def text() -> str:
    """The whole page, Markdown."""
    group = typer.main.get_command(app)
    context = typer.Context(group, info_name="launch.py")
    commands = get_docs_for_click(obj=group, ctx=context, name="launch.py")
    commands = commands[commands.index("\n## `launch.py") :]  # its head lists the commands with their help cut off
    rows = "\n".join(f"| {name} | {what} | {default} |" for name, what, default in ENVIRONMENT)
    table = f"## Environment variables\n\n| variable | what it sets | default |\n|---|---|---|\n{rows}\n"
    return f"{INTRODUCTION}\n{table}{commands.rstrip()}\n"


if __name__ == "__main__":
    TARGET.write_text(text())
