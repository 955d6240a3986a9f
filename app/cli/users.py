"""``users``: the file of those who may log in, with hashed passwords, roles and projects."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli.common import AsJson, print_result
from app.server.accounts import Account, Role, read_accounts, write_accounts
from app.server.passwords import check_user, hashed, is_hashed
from core.errors import InputError

Action = Annotated[
    Literal["add", "remove", "list", "role", "allow", "hash"],
    typer.Argument(
        metavar="ACTION",
        help="add or remove a user, list them, give a role, allow projects, hash plain passwords in the file.",
    ),
]


def users(
    action: Action,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file for ui --auth; add makes it.")],
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The user; add also sets a new password.")] = None,
    values: Annotated[
        list[str] | None, typer.Argument(metavar="ROLE or PROJECT", help="role: the role; allow: projects.")
    ] = None,
    role: Annotated[
        Role | None, typer.Option(help="add: the role; inspector if left out, but admin for the first user.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="allow: every project, those to come too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Keep the file of those who may log in; add asks for the password, or reads it from standard input.

    A viewer looks, an inspector works, an admin may see every project, put projects into the bin and fetch models.
    """
    given = values or []
    _check_arguments(action, name, given, role, everything)
    known = read_accounts(file, plain_passwords=True) if file.exists() or action != "add" else {}
    if action in ("remove", "role", "allow") and name not in known:
        raise InputError(f"{file}: there is no user {name!r}; it has {', '.join(known) or 'none'}")
    user = str(name)
    if action == "add":
        known[user] = _added(known, user, role)
    elif action == "remove":
        del known[user]
    elif action == "role":
        known[user] = known[user].model_copy(update={"role": _role(given[0])})
    elif action == "allow":
        projects = None if everything else _projects(known[user], given)
        known[user] = known[user].model_copy(update={"projects": projects})
    elif action == "hash":
        known = {user: _with_hash(account) for user, account in known.items()}
    if action != "list":
        write_accounts(file, known)
    print_result(_told(file, known), as_json, [_line(user, known[user]) for user in sorted(known)] or ["no users"])


def _check_arguments(action: str, name: str | None, given: list[str], role: Role | None, everything: bool) -> None:
    if (name is None) == (action not in ("list", "hash")):
        raise InputError(f"users {action}: give the file {'and the user' if name is None else 'alone'}")
    if action == "role" and len(given) != 1:
        raise InputError(f"users role: expected one role after the name, one of {', '.join(Role)}")
    if action == "allow" and bool(given) == everything:
        raise InputError("users allow: give folders of projects after the name, or --all")
    if given and action not in ("role", "allow"):
        raise InputError(f"users {action}: expected nothing after the name, got {given[0]!r}")
    if (role is not None and action != "add") or (everything and action != "allow"):
        raise InputError(f"users {action}: --role goes with add, --all with allow")


def _added(known: dict[str, Account], name: str, role: Role | None) -> Account:
    """A new user, or one known already with a new password."""
    before = known.get(check_user(name))
    password = hashed(_password(name))
    if before is None:
        return Account(password=password, role=role or (Role.INSPECTOR if known else Role.ADMIN))
    return before.model_copy(update={"password": password, "role": role or before.role})


def _role(text: str) -> Role:
    if text not in tuple(Role):
        raise InputError(f"role {text[:80]!r}: expected one of {', '.join(Role)}")
    return Role(text)


def _projects(account: Account, given: list[str]) -> tuple[Path, ...]:
    """The projects that the user had been given, and these."""
    for text in given:
        if not (Path(text).expanduser() / "project.db").is_file():
            raise InputError(f"{text}: is not a Flawsmith project; give the folder of one")
    return tuple(dict.fromkeys([*(account.projects or ()), *(Path(text).expanduser().resolve() for text in given)]))


def _with_hash(account: Account) -> Account:
    known = is_hashed(account.password)
    return account if known else account.model_copy(update={"password": hashed(account.password)})


def _told(file: Path, known: dict[str, Account]) -> dict[str, object]:
    people = {user: known[user].model_dump(mode="json", include={"role", "projects"}) for user in sorted(known)}
    return {"file": str(file), "users": sorted(known), "people": people}


def _line(user: str, account: Account) -> str:
    projects = "all projects"
    if account.role is not Role.ADMIN and account.projects is not None:
        projects = ", ".join(map(str, account.projects)) or "no project"
    return f"{user}: {account.role}, {projects}"


def _password(name: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass(f"Password of {name}: ")
    if getpass.getpass("Once more: ") != first:
        raise InputError("password: the two are not the same; nothing was changed")
    return first
