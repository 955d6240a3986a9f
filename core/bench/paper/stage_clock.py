"""How far a stage is and how long it still takes, one line at a time."""

from __future__ import annotations

import time
from collections.abc import Callable

from core.types import Image

EVERY_S = 30.0
"""Seconds between two lines."""


class StageClock:
    """A Progress that says ``what`` is at which step, at most every EVERY_S seconds.

    The pace is that since the first step it was told of: what a stopped run had done before took no time.
    """

    def __init__(
        self, what: str, say: Callable[[str], None], now: Callable[[], float] = time.monotonic, every: float = EVERY_S
    ) -> None:
        self._what, self._say, self._now, self._every = what, say, now, every
        self._said = now()
        self._first: tuple[float, int] | None = None

    def __call__(self, done: int, total: int, preview: Image | None = None, message: str = "") -> None:
        """``done`` of ``total`` steps; nothing is said before the pace is known."""
        at = self._now()
        if self._first is None or done < self._first[1]:
            self._first = at, done
        began, before = self._first
        if not before < done < total or at - self._said < self._every:
            return
        self._said = at
        left = (at - began) / (done - before) * (total - done)
        self._say(f"{self._what}: {done:,} of {total:,}, {said_duration(left)} to go")


def said_duration(seconds: float) -> str:
    """In words: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
