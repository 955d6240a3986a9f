"""The file of those who may log in: each one's hashed password, role and projects.

Format 2 is JSON, ``{"format": 2, "users": {NAME: {"password": HASH, "role": ROLE, "projects": [FOLDER...] | null}}}``.
Format 1 had a line ``NAME:HASH`` for each; all of them were allowed everything, and so they are read as admins.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.server.passwords import check_user, is_hashed, is_user
from core.errors import InputError

FORMAT = 2


class Role(StrEnum):
    """What a person may do. Each role may do what those before it may."""

    VIEWER = "viewer"
    INSPECTOR = "inspector"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Whether this role may do what ``other`` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Account(BaseModel):
    """One person. ``projects`` are the folders of the projects that the person may see; None stands for all."""

    model_config = ConfigDict(frozen=True, extra="allow")

    password: str
    role: Role = Role.INSPECTOR
    projects: tuple[Path, ...] | None = None

    def sees(self, project: Path) -> bool:
        """Whether the person may see the project in this folder. An admin sees all."""
        return self.role is Role.ADMIN or self.projects is None or project in self.projects


class _AccountsFile(BaseModel):
    model_config = ConfigDict(extra="allow")

    format: int = Field(ge=1)
    users: dict[str, Account]


def read_accounts(path: Path, plain_passwords: bool = False) -> dict[str, Account]:
    """The people of a file, by name; InputError in one line, also for a password that is not hashed.

    With ``plain_passwords`` such passwords are read too, and a file without a person is none's mistake.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise InputError(f"{path}: expected the file of the users, got no regular file; give another one")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"{path}: cannot be read ({reason}); make it with: launch.py users add {path} NAME") from None
    accounts = _read_json(path, text) if text.lstrip().startswith("{") else _read_lines(path, text)
    if plain_passwords:
        return accounts
    if plain := [name for name, account in accounts.items() if not is_hashed(account.password)]:
        raise InputError(f"{path}: {plain[0]!r} has a password that is not hashed; run: launch.py users hash {path}")
    if not accounts:
        raise InputError(f"{path}: there is no user in it; add one with: launch.py users add {path} NAME")
    return accounts


def write_accounts(path: Path, accounts: Mapping[str, Account]) -> None:
    """Write the file of these people, readable by its owner alone."""
    temporary = path.with_name(f"{path.name}.tmp")
    users = {name: account.model_dump(mode="json") for name, account in accounts.items()}
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps({"format": FORMAT, "users": users}, indent=2) + "\n")
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def _read_json(path: Path, text: str) -> dict[str, Account]:
    try:
        found = _AccountsFile.model_validate_json(text)
        if found.format > FORMAT:
            raise InputError(
                f"{path}: its format is {found.format}, this version reads up to {FORMAT}; update Flawsmith"
            )
        return {check_user(name): account for name, account in found.users.items()}
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path}, {place}: {first['msg']}; put that right, or make it with launch.py users") from None


def _read_lines(path: Path, text: str) -> dict[str, Account]:
    accounts: dict[str, Account] = {}
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        user, colon, stored = line.partition(":")
        if not colon or not is_user(user):
            raise InputError(
                f"{path}, line {number}: expected user:hash; make it with: launch.py users add {path} NAME"
            )
        accounts[user] = Account(password=stored, role=Role.ADMIN)
    return accounts
