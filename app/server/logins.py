"""Who may use the app where it asks for a login: hashed passwords in a file, and longer waits after wrong ones."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import math
import os
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from fastapi import HTTPException

from core.errors import InputError

logger = logging.getLogger(__name__)

asking_address: ContextVar[str] = ContextVar("asking_address", default="?")
"""The network address that the request being answered comes from."""

FREE_TRIES = 3
"""Wrong passwords before the first wait."""
LONGEST_WAIT_S = {"address": 600.0, "user": 60.0}
"""Anybody can make a user wait, so that a user's wait stays short; an address has only itself to blame."""
FORGET_S = 3600.0
"""Wrong passwords are forgotten after this many seconds without another."""
MOST_REMEMBERED = 10_000

_USER = re.compile(r"[^\s:#][^\s:]{0,63}")
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 1 << 14, 8, 1
_FORM = re.compile(r"scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/=]{8,64})\$([A-Za-z0-9+/=]{40,100})")
_SHORTEST = 8


class TooManyTries(HTTPException):
    """Whoever asks has to wait ``wait_s`` seconds. Its status is a wrong password's, which Gradio's page shows."""

    def __init__(self, wait_s: float) -> None:
        headers = {"Retry-After": f"{math.ceil(wait_s)}"}
        super().__init__(400, f"too many wrong passwords; try again in {wait_s:.0f} s", headers)


def hashed(password: str) -> str:
    """What is stored of a password: scrypt with a salt of its own. InputError for one that is too short."""
    if len(password) < _SHORTEST:
        raise InputError(f"password: expected at least {_SHORTEST} characters, got {len(password)}")
    salt = secrets.token_bytes(16)
    key = _scrypt(password, salt, _SCRYPT_N, _SCRYPT_R, _SCRYPT_P)
    coded = (base64.b64encode(part).decode() for part in (salt, key))
    return "$".join(("scrypt", str(_SCRYPT_N), str(_SCRYPT_R), str(_SCRYPT_P), *coded))


def matches(password: str, stored: str) -> bool:
    """Whether ``stored`` was made from ``password``; takes as long either way."""
    found = _FORM.fullmatch(stored)
    if found is None:
        return False
    n, r, p = (int(found[i]) for i in (1, 2, 3))
    key = _scrypt(password, base64.b64decode(found[4]), n, r, p)
    return hmac.compare_digest(key, base64.b64decode(found[5]))


def read_users(path: Path) -> dict[str, str]:
    """The users of a file of ``user:hash`` lines with their hashes; InputError in one line."""
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"{path}: cannot be read ({reason}); make it with: launch.py users add {path} NAME") from None
    users: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        user, colon, stored = line.partition(":")
        if not colon or not _USER.fullmatch(user):
            raise InputError(
                f"{path}, line {number}: expected user:hash; make it with: launch.py users add {path} NAME"
            )
        if not _FORM.fullmatch(stored):
            raise InputError(
                f"{path}, line {number}: {user!r} has a password that is not hashed; run: launch.py users hash {path}"
            )
        users[user] = stored
    if not users:
        raise InputError(f"{path}: there is no user in it; add one with: launch.py users add {path} NAME")
    return users


def write_users(path: Path, users: Mapping[str, str]) -> None:
    """Write the file of ``users`` with their hashes, readable by its owner alone."""
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            file.writelines(f"{user}:{stored}\n" for user, stored in users.items())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def check_user(name: str) -> str:
    """``name`` if a user can be called so; InputError."""
    if not _USER.fullmatch(name):
        raise InputError(f"user {name[:80]!r}: expected 1 to 64 characters without spaces, colons and # at the start")
    return name


@dataclass
class _Tries:
    wrong: int
    last: float
    free_at: float


class Waits:
    """How long whoever gave wrong passwords has to wait, by user and by address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: OrderedDict[tuple[str, str], _Tries] = OrderedDict()

    def left(self, user: str, address: str) -> float:
        """Seconds until the next try counts; 0 at once."""
        now = self._clock()
        return max(0.0, *(t.free_at - now for k in _keys(user, address) if (t := self._tries.get(k)) is not None), 0.0)

    def wrong(self, user: str, address: str) -> None:
        """A wrong password was given: each one after the first three doubles the wait."""
        now = self._clock()
        for key in _keys(user, address):
            before = self._tries.pop(key, None)
            count = before.wrong + 1 if before is not None and now - before.last < FORGET_S else 1
            wait = 0.0 if count < FREE_TRIES else min(2.0 ** (count - FREE_TRIES), LONGEST_WAIT_S[key[0]])
            self._tries[key] = _Tries(count, now, now + wait)
        while len(self._tries) > MOST_REMEMBERED:
            self._tries.popitem(last=False)

    def right(self, user: str, address: str) -> None:
        """The right password was given: what was wrong before is forgotten."""
        for key in _keys(user, address):
            self._tries.pop(key, None)


class Logins:
    """Checks passwords for the page. ``check`` is what Gradio asks."""

    def __init__(self, users: Mapping[str, str], waits: Waits | None = None) -> None:
        self._users = dict(users)
        self._waits = waits or Waits()
        self._nobody = hashed(secrets.token_urlsafe(16))

    async def check(self, user: str, password: str) -> bool:
        """Whether the login is right; TooManyTries, without looking at it, while whoever asks has to wait."""
        address = asking_address.get()
        if wait := self._waits.left(user, address):
            logger.warning("login of %r from %s: refused for another %.0f s", user[:64], address, wait)
            raise TooManyTries(wait)
        # Counted before the hashing, during which others are answered: many tries at once are many tries.
        self._waits.wrong(user, address)
        right = await asyncio.to_thread(matches, password, self._users.get(user, self._nobody))
        if not (right and user in self._users):
            logger.warning("login of %r from %s: wrong user or password", user[:64], address)
            return False
        self._waits.right(user, address)
        logger.warning("login of %r from %s", user, address)
        return True


def _keys(user: str, address: str) -> tuple[tuple[str, str], ...]:
    return ("user", user[:64]), ("address", address)


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, dklen=32, maxmem=256 * n * r + (1 << 20))
