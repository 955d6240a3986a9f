"""``models``: which weights are here, and getting the others."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli.common import AsJson, finish, progress_bar
from core.errors import InputError
from core.workbench.weights import Weights


def models(
    action: Annotated[str, typer.Argument(help="list, fetch or verify.")] = "list",
    name: Annotated[str | None, typer.Argument(help="The weights to fetch or verify.")] = None,
    as_json: AsJson = False,
) -> None:
    """List, fetch or verify weight files."""
    desk = Weights(None, None)
    result: dict[str, Any] = {}
    if action == "fetch":
        if name is None:
            raise InputError("models fetch: say which, for example `launch.py models fetch sam_vit_b`; list shows all")
        with progress_bar(f"Fetching {name}") as progress:
            result["path"] = str(desk.fetch(name, progress))
    elif action == "verify":
        names = [name] if name else [s.name for s in desk.status() if s.state != "missing"]
        result["verified"] = {n: desk.verify(n).state for n in names}
    elif action != "list":
        raise InputError(f"models {action!r}: there are list, fetch NAME and verify [NAME]")
    rows = desk.status()
    result["models"] = [s.as_dict() for s in rows]
    lines = [f"{s.state:8} {s.name:16} {s.size / 1e6:8.0f} MB  {s.licence:12} {s.purpose}" for s in rows]
    if action == "verify":
        lines = [f"{state:8} {n}" for n, state in result["verified"].items()] or ["no weights on this machine"]
    finish(result, as_json, lines)
