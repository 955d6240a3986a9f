"""``models``: which weights and diffusion models are here, and getting the others."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.common import AsJson, print_result, progress_bar
from core.api.models import ModelRow, ModelsApi, megabytes
from core.errors import InputError


def models(
    action: Annotated[str, typer.Argument(help="list, fetch or verify.")] = "list",
    name: Annotated[str | None, typer.Argument(help="What to fetch or verify.")] = None,
    as_json: AsJson = False,
) -> None:
    """List, fetch or verify diffusion models and weight files."""
    desk = ModelsApi(None, None)
    if action == "fetch":
        _fetch(desk, name, as_json)
    elif action == "verify":
        _verify(desk, name, as_json)
    elif action == "list":
        rows = [*desk.status(), *desk.folders()]
        print_result(
            {"models": [row.as_dict() for row in rows], "auto": desk.automatic_model()},
            as_json,
            _table_lines(desk, rows),
        )
    else:
        raise InputError(f"models {action!r}: there are list, fetch NAME and verify [NAME]")


def _fetch(desk: ModelsApi, name: str | None, as_json: bool) -> None:
    if name is None:
        raise InputError("models fetch: say which, for example `launch.py models fetch sd15`; list shows all")
    with progress_bar(f"Fetching {name}, MB") as progress:
        path = str(desk.fetch(name, lambda done, total: progress(megabytes(done), megabytes(total))))
    rows = desk.status()
    print_result(
        {"path": path, "models": [row.as_dict() for row in rows], "auto": desk.automatic_model()}, as_json, [path]
    )


def _verify(desk: ModelsApi, name: str | None, as_json: bool) -> None:
    names = [name] if name else [row.name for row in desk.status() if row.state != "missing"]
    checked = [desk.verify(each) for each in names]
    lines = [line for row in checked for line in (f"{row.state:10} {row.name}", *_indented(*row.problems))]
    result = {
        "verified": {row.name: row.state for row in checked},
        "models": [row.as_dict() for row in desk.status()],
        "auto": desk.automatic_model(),
    }
    print_result(result, as_json, lines or ["no weights on this machine"])


def _table_lines(desk: ModelsApi, rows: list[ModelRow]) -> list[str]:
    diffusion = [line for row in rows if row.kind == "diffusion" for line in _row_lines(row)]
    files = [line for row in rows if row.kind == "weights" for line in _row_lines(row)]
    adapters = [line for row in rows if row.kind == "adapter" for line in _row_lines(row)]
    folders = [line for row in rows if row.kind == "folder" for line in _row_lines(row)]
    return [
        "Diffusion models",
        *diffusion,
        f"  auto is now: {desk.automatic_model()}",
        *(["", "Adapters (named in the setting adapter of the engine inpaint)", *adapters] if adapters else []),
        "",
        f"Weights (offline: open the address on another machine, put the file into {desk.folder()})",
        *files,
        "",
        f"Folders that answer clicks or find regions by words (used as soon as they are in {desk.folder()})",
        *folders,
        "",
        "Present and whole? `models verify`. Get one: `models fetch NAME`.",
    ]


def _row_lines(row: ModelRow) -> list[str]:
    """A line for the eye to run along, and what is behind it."""
    size = f"{row.size / 1e9:.1f} GB" if row.size >= 1e9 else f"{row.size / 1e6:.0f} MB"
    head = f"  {row.state:10} {row.name:14} {size:>7}  {row.licence:22} {row.purpose}"
    begun = [f"{row.begun / 1e6:.0f} MB are here already; fetch goes on there"] if row.begun else []
    if row.state == "present":
        return [head, *_indented(row.path)]
    where = [row.url if row.kind == "weights" and row.url else f"offline: {row.offline}"]
    if not row.offline:
        where = [row.path]
    return [head, *_indented(*row.problems, *begun, *where)]


def _indented(*lines: str) -> list[str]:
    return [f"{'':13}{line}" for line in lines]
