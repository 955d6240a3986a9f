"""What the commands share: progress on stderr, the JSON line on stdout, ``k=v`` options."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.interrupts import at_steps, raise_if_stopped
from core.api import Workbench
from core.errors import InputError
from core.progress import Progress, unwatched
from core.types import Image

ProjectPath = Annotated[Path, typer.Argument(metavar="PROJECT", help="The project's folder.")]
SplitShare = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="Share of each label's real anomalies to learn from, for example 1/3; the rest is kept for the test. "
        "none: no split.",
    ),
]
SplitSeed = Annotated[
    int | None,
    typer.Option("--split-seed", min=0, help="Draw the share with this seed; left out, the first by file name."),
]
AsJson = Annotated[bool, typer.Option("--json", help="End with one JSON object on stdout.")]


def print_result(result: dict[str, Any], as_json: bool, lines: list[str]) -> None:
    """Print the result: one JSON line, or ``lines`` for a person."""
    print(json.dumps(result) if as_json else "\n".join(map(printable, lines)), flush=True)


def printable(line: str) -> str:
    """``line`` with control characters escaped: file names may hold some, and a terminal obeys them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)


def set_split(bench: Workbench, share: str | None, seed: int | None) -> None:
    """Split the real anomalies of a project where ``--split`` was given; InputError for a seed without it."""
    if share is not None:
        bench.photos.set_split(share, seed)
    elif seed is not None:
        raise InputError("--split-seed: it belongs to --split; say which share to learn from, for example --split 1/3")


def split_lines(bench: Workbench) -> list[str]:
    """The split in words: its rule, then how many of each label are in which part; [] without one."""
    split = bench.photos.split()
    if split is None:
        return []
    counts = bench.photos.part_counts().items()
    each = (f"{label} {n.get('learn', 0)} + {n.get('test', 0)}" for label, n in counts)
    return [f"split: {split.rule}; learned from + kept for the test: {', '.join(each)}"]


def parse_settings(given: list[str], option: str) -> dict[str, Any]:
    """``["beta=0.4", "style=burn"]`` as a dict; values are JSON where they parse, else text."""
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{option} {text!r}: write it as name=value, for example {option} count=2")
        try:
            values[name.replace("-", "_")] = json.loads(value)
        except ValueError:
            values[name.replace("-", "_")] = value
    return values


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """A bar on stderr where that is a terminal; yields its progress. Ctrl-C ends the work at its next step."""
    with at_steps(), _bar(what) as bar:

        def step(done: int, total: int, preview: Image | None = None, message: str = "") -> None:
            bar(done, total, preview, message)
            raise_if_stopped()

        yield step


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    if not sys.stderr.isatty():
        yield unwatched
        return
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}"), rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeRemainingColumn()
    )  # fmt: skip
    with rich.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)

        def show(done: int, total: int, preview: Image | None = None, message: str = "") -> None:
            bar.update(task, completed=done, total=total)

        yield show
