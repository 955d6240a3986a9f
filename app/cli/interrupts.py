"""Ctrl-C and SIGTERM end a command at its next step, where nothing is half done.

An exception that is raised anywhere can fall between a connection and its return to the pool, and the project could
then not even note that the work was stopped. A second signal ends the command at once all the same.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class _Interrupts:
    """How deep the work that counts its steps is, and whether a signal came meanwhile."""

    depth = 0
    noted = False


_state = _Interrupts()


@contextmanager
def handled_signals() -> Iterator[None]:
    """Both signals raise KeyboardInterrupt: within ``at_steps`` at the next step, elsewhere at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN or number == signal.SIGTERM:  # a command in the background ignores Ctrl-C
            signal.signal(number, _stop)
    _state.noted = False
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    if _state.depth and not _state.noted:
        _state.noted = True
        return
    raise KeyboardInterrupt


@contextmanager
def at_steps() -> Iterator[None]:
    """While this lasts the first signal waits for ``raise_if_stopped``, which is called at the end at the latest."""
    _state.depth += 1
    try:
        yield
        raise_if_stopped()
    finally:
        _state.depth -= 1


def raise_if_stopped() -> None:
    """KeyboardInterrupt if a signal came; call it at each step."""
    if _state.noted:
        raise KeyboardInterrupt


def raise_when_stopped() -> bool:
    """As ``raise_if_stopped``, for work that asks whether it is cancelled and may wait long for its next step."""
    raise_if_stopped()
    return False
