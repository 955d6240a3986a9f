"""How work says how far it is: each function asks for the least it needs, and a ``Progress`` may be given to any.

``done`` of ``total`` steps are behind us, ``done`` never falls, and a ``total`` of 0 is not known yet. All of them are
called from the thread that works.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from core.types import Image

Steps = Callable[[int, int], None]
"""``steps(done, total)``: for work that only counts."""

PreviewedSteps = Callable[[int, int, Image | None], None]
"""``steps(done, total, preview)``: the same with a picture, uint8 (H, W, 3), of what has come about, or None."""


class Progress(Protocol):
    """For work that also says in words what it is at."""

    def __call__(self, done: int, total: int, preview: Image | None = None, message: str = "") -> None:
        """``preview`` replaces the picture shown, uint8 (H, W, 3), and ``message`` the line; without, both stay."""


def unwatched(done: int, total: int, preview: Image | None = None, message: str = "") -> None:
    """The Progress of work at which nobody looks."""


def saying(progress: Progress, message: str) -> Steps:
    """The steps of ``progress`` with the same ``message`` at each."""
    return lambda done, total: progress(done, total, message=message)
