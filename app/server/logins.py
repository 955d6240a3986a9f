"""The login of the page, with longer waits after wrong passwords."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from fastapi import HTTPException

from app.server.passwords import hashed, matches

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


class TooManyTries(HTTPException):
    """Whoever asks has to wait ``wait_s`` seconds. Its status is a wrong password's, which Gradio's page shows."""

    def __init__(self, wait_s: float) -> None:
        headers = {"Retry-After": f"{math.ceil(wait_s)}"}
        super().__init__(400, f"too many wrong passwords; try again in {wait_s:.0f} s", headers)


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
    """Checks passwords for the page. ``check`` is what Gradio asks; ``passwords`` gives the hashes by user."""

    def __init__(self, passwords: Callable[[], Mapping[str, str]], waits: Waits | None = None) -> None:
        self._passwords = passwords
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
        stored = self._passwords().get(user)
        right = await asyncio.to_thread(matches, password, stored or self._nobody)
        if stored is None or not right:
            logger.warning("login of %r from %s: wrong user or password", user[:64], address)
            return False
        self._waits.right(user, address)
        logger.warning("login of %r from %s", user, address)
        return True


def _keys(user: str, address: str) -> tuple[tuple[str, str], ...]:
    return ("user", user[:64]), ("address", address)
