"""The decoding processes of this one: started when a file comes, ended when they hang, break or idle."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, cast

from core.errors import ImageError, InputError, Unavailable
from core.images.isolated.messages import Budget, Message, receive, send

MOST = max(1, min(4, os.cpu_count() or 1))
"""Files decoded at the same time, so that memory stays below ``MOST`` times the budget of one."""
IDLE_S = 30.0
"""A process that has had nothing to do for this many seconds is ended."""

ROOT = Path(__file__).resolve().parents[3]
_TIMED_OUT = (1, -24)
"""Exit status of a process that its own watchdog ended, or the system (SIGXCPU) for its computing time."""


class Pool:
    """At most ``most`` decoding processes, each of which reads one file at a time. Every method may be called by
    any thread."""

    def __init__(self, most: int = MOST, budget: Budget = Budget()) -> None:  # noqa: B008  it is frozen
        self._budget = budget
        self._free = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[tuple[float, subprocess.Popen[bytes]]] = []
        self._retiring: threading.Timer | None = None

    def call(self, operation: str, data: bytes, name: str, fields: Mapping[str, object]) -> Message:
        """What ``operation`` (see ``operations``) answers for a file's bytes.

        InputError or ImageError is the operation's own. ImageError as well for a file that takes more than the
        memory or the time that a photo may take, or that breaks the decoder.
        """
        request = Message({"operation": operation, "name": name, **fields}, (data,))
        with self._free:
            answer = self._ask(request, name)
        return self._checked(answer, name)

    def close(self) -> None:
        """End the processes that have nothing to do."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, process in idle:
            _end(process)

    def _checked(self, answer: Message, name: str) -> Message:
        said = answer.fields
        if "error" in said:
            raise (ImageError if said.get("image") else InputError)(str(said["error"]))
        if said.get("memory"):
            raise ImageError(
                f"{name}: reading it takes more than the {self._budget.memory / 2**30:.3g} GB that a photo may take; "
                "give a smaller photo"
            )
        if "unexpected" in said:
            text = " ".join(str(said["unexpected"]).split())[:120]
            raise ImageError(f"{name}: it cannot be read ({text}); export it again")
        return answer

    def _ask(self, request: Message, name: str) -> Message:
        process = self._take()
        try:
            answer = _exchange(process, request)
        except BaseException:
            _end(process)
            raise
        if answer is None:
            raise ImageError(f"{name}: {_why(_end(process))}")
        with self._lock:
            self._idle.append((time.monotonic(), process))
            if self._retiring is None:
                self._retire_later()
        return answer

    def _take(self) -> subprocess.Popen[bytes]:
        with self._lock:
            while self._idle:
                _, process = self._idle.pop()
                if process.poll() is None:
                    return process
        return _started(self._budget)

    def _retire_later(self) -> None:
        self._retiring = threading.Timer(IDLE_S, self._retire)
        self._retiring.daemon = True
        self._retiring.start()

    def _retire(self) -> None:
        limit = time.monotonic() - IDLE_S
        with self._lock:
            old = [process for since, process in self._idle if since <= limit]
            self._idle = [(since, process) for since, process in self._idle if since > limit]
            self._retiring = None
            if self._idle:
                self._retire_later()
        for process in old:
            _end(process)


def _started(budget: Budget) -> subprocess.Popen[bytes]:
    # One thread each: the processes share the cores. A numeric library would otherwise start its own.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "core.images.isolated.worker", json.dumps(asdict(budget))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env=environment,
            start_new_session=True,  # Ctrl-C is for this process, which then ends that one
        )
    except OSError as error:
        raise Unavailable(
            f"photos cannot be read: no process can be started ({error.strerror}); end others"
        ) from error


def _exchange(process: subprocess.Popen[bytes], request: Message) -> Message | None:
    """Its answer, or None if it ended instead."""
    try:
        send(cast(BinaryIO, process.stdin), request)
    except BrokenPipeError:
        return None
    return receive(cast(BinaryIO, process.stdout))


def _end(process: subprocess.Popen[bytes]) -> int:
    """End a process, if it has not ended, and give its exit status."""
    with contextlib.suppress(OSError):
        cast(BinaryIO, process.stdin).close()
    if process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0)  # one whose input has ended ends by itself
        process.kill()
    cast(BinaryIO, process.stdout).close()
    return process.wait()


def _why(status: int) -> str:
    if status in _TIMED_OUT:
        return "it takes too long to read (damaged, or made to?); export it again"
    return "reading it broke the decoder; export it again as 8-bit PNG"


pool = Pool()
"""The pool of this process."""
atexit.register(pool.close)
