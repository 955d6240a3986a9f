"""CPU time of this process and all below it, those that end meanwhile too."""

from __future__ import annotations

import bisect
import threading
import time

import psutil  # type: ignore[import-untyped]

_POLL_S = 0.1


class CpuOfProcesses:
    """``with CpuOfProcesses() as cpu: ...``; then ``cpu.spent_by(moment)`` is what was spent in the block until then.

    Looked at ten times a second, so that the last tenth of a process that ends may be missed.
    """

    def __init__(self) -> None:
        self._spent_s: dict[tuple[int, float], float] = {}
        self._seen: list[tuple[float, float]] = []
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def spent_by(self, moment_s: float) -> float:
        """CPU seconds, user and system, as they were seen first from ``moment_s`` on (``time.time()``)."""
        at = min(bisect.bisect_left(self._seen, (moment_s, 0.0)), len(self._seen) - 1)
        return self._seen[at][1] - self._seen[0][1]

    def __enter__(self) -> CpuOfProcesses:
        self._look()
        self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._watcher.join()
        self._look()

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_S):
            self._look()

    def _look(self) -> None:
        main = psutil.Process()
        for process in [main, *main.children(recursive=True)]:
            try:
                times = process.cpu_times()
                self._spent_s[process.pid, process.create_time()] = times.user + times.system
            except psutil.Error:
                continue
        self._seen.append((time.time(), sum(self._spent_s.values())))
