"""``users``: the file of those who may log in, with hashed passwords."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli.common import AsJson, print_result
from core.errors import InputError

Action = Annotated[
    Literal["add", "remove", "list", "hash"],
    typer.Argument(metavar="ACTION", help="add or remove a user, list them, hash plain passwords in the file."),
]


def users(
    action: Action,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file for ui --auth; add makes it.")],
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The user; also sets a new password.")] = None,
    as_json: AsJson = False,
) -> None:
    """Keep the file of those who may log in; add asks for the password, or reads it from standard input."""
    from app.server.logins import check_user, hashed, write_users

    if (name is None) == (action in ("add", "remove")):
        raise InputError(f"users {action}: give the file {'and the user' if name is None else 'alone'}")
    known = _lines(file, must_be_there=action != "add")
    if action == "add":
        known[check_user(str(name))] = hashed(_password(str(name)))
    elif action == "remove" and known.pop(str(name), None) is None:
        raise InputError(f"{file}: there is no user {name!r}; it has {', '.join(known) or 'none'}")
    elif action == "hash":
        known = {user: text if text.startswith("scrypt$") else hashed(text) for user, text in known.items()}
    if action != "list":
        write_users(file, known)
    print_result({"file": str(file), "users": sorted(known)}, as_json, sorted(known) or ["no users"])


def _lines(file: Path, must_be_there: bool) -> dict[str, str]:
    """What the file holds, hashed or not."""
    if not file.exists() and not must_be_there:
        return {}
    try:
        rows = [line.strip() for line in file.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or 'it is no text'})") from None
    pairs = [row.partition(":") for row in rows if row and not row.startswith("#")]
    if any(not colon for _, colon, _ in pairs):
        raise InputError(f"{file}: expected lines of user:password or user:hash; put that right first")
    return {user: text for user, _, text in pairs}


def _password(name: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass(f"Password of {name}: ")
    if getpass.getpass("Once more: ") != first:
        raise InputError("password: the two are not the same; nothing was changed")
    return first
