"""Worker processes that make samples of a batch side by side, one for each GPU, or several on a CPU.

Each holds the model, reads the project from a copy of its database, and gets runs of indices through a pipe; what
comes back is of the size of PNGs. This process alone writes. A worker that dies is started again and its run repeated;
a sample on which one dies again and again is given up by name.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from core.errors import Cancelled, InputError, Unavailable
from core.jobs.requests import GenerationBatch
from core.jobs.worker_reply import WorkerReply

TRIES = 3
"""Times that a run of indices is given to a worker before it is given up."""
STARTS = 10
"""Times in a row that a worker is started, if it ends before it has opened the batch."""
_POLL_S = 0.2
_start_lock = threading.Lock()


@dataclass(frozen=True)
class WorkerPlace:
    """Where a worker runs: its ``name``, and the ``environment`` that it starts with."""

    name: str
    environment: Mapping[str, str]


def worker_places(wanted: str) -> list[WorkerPlace]:
    """``"all"``: every GPU; ``"0,2"``: those GPUs; ``"cpu:4"``: four processes on the CPU.

    InputError for anything else; Unavailable where no such GPU is here.
    """
    kind, _, count = wanted.partition(":")
    if kind == "cpu" and count.isdecimal() and 1 <= int(count) <= 256:
        threads = str(max(1, (os.cpu_count() or 1) // int(count)))
        environment = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": threads}
        return [WorkerPlace(f"cpu {i + 1}", environment) for i in range(int(count))]
    numbers = [part.strip() for part in wanted.split(",")]
    if wanted != "all" and not all(part.isdecimal() for part in numbers):
        raise InputError(f"devices {wanted!r}: expected all, numbers of GPUs such as 0,1, or cpu:4 for four processes")
    import torch

    there = torch.cuda.device_count()
    numbers = [str(i) for i in range(there)] if wanted == "all" else list(dict.fromkeys(numbers))
    if not numbers or (missing := [n for n in numbers if int(n) >= there]):
        what = "no GPU" if not there else f"{there} GPUs, and no GPU {missing[0]}"
        raise Unavailable(f"devices {wanted!r}: there is {what} here; cpu:2 makes two processes on the CPU")
    return [WorkerPlace(f"GPU {n}", {"CUDA_VISIBLE_DEVICES": n}) for n in numbers]


class WorkerProcesses:
    """One process for each of ``places``; ``make`` may be called from as many threads. Use it as a context."""

    def __init__(
        self,
        project: Path,
        batch: GenerationBatch,
        places: Sequence[WorkerPlace],
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._project, self._batch, self._cancelled = project, batch, cancelled
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._workers = [_Worker(place) for place in places]
        for worker in self._workers:
            self._idle.put(worker)

    def __enter__(self) -> WorkerProcesses:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.stop()

    def make(self, indices: Sequence[int]) -> WorkerReply:
        """What an idle worker makes of the batch's samples ``indices``. Cancelled within a moment."""
        worker = self._idle.get()
        try:
            return self._make_with(worker, list(indices))
        finally:
            self._idle.put(worker)

    def _make_with(self, worker: _Worker, indices: list[int]) -> WorkerReply:
        for _ in range(TRIES):
            if (reply := worker.ask(self._project, self._batch, indices, self._cancelled)) is not None:
                return reply
        if len(indices) == 1:
            ended = f"the process that made it ended {TRIES} times (last with {worker.exit_code})"
            return [f"sample {indices[0]} on {worker.place.name}: {ended}"]
        return [self._make_with(worker, [index])[0] for index in indices]


@dataclass
class _Worker:
    """One process, started at the first run of indices and again whenever it has died."""

    place: WorkerPlace
    exit_code: int | None = None
    _process: multiprocessing.process.BaseProcess | None = field(default=None, repr=False)
    _pipe: Connection | None = field(default=None, repr=False)

    def ask(
        self, project: Path, batch: GenerationBatch, indices: list[int], cancelled: Callable[[], bool]
    ) -> WorkerReply | None:
        """The worker's reply; None if it died over it."""
        pipe = self._pipe or self._opened(project, batch, cancelled)
        try:
            pipe.send(indices)
            self._wait(pipe, cancelled)
            reply: WorkerReply = pipe.recv()
            return reply
        except (EOFError, OSError):
            self.stop()
            return None

    def _wait(self, pipe: Connection, cancelled: Callable[[], bool]) -> None:
        """Until something can be received; EOFError if the process ends before."""
        while not pipe.poll(_POLL_S):
            if cancelled():
                raise Cancelled("stopped; what was finished is kept")
            if self._process is not None and not self._process.is_alive() and not pipe.poll():
                raise EOFError

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.terminate()
            self._process.join(10)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
            self.exit_code = self._process.exitcode
        if self._pipe is not None:
            self._pipe.close()
        self._process, self._pipe = None, None

    def _opened(self, project: Path, batch: GenerationBatch, cancelled: Callable[[], bool]) -> Connection:
        """The pipe to a process that has opened the batch. That it ends before that is no sample's fault."""
        for _ in range(STARTS):
            pipe = self._start(project, batch)
            try:
                self._wait(pipe, cancelled)
                pipe.recv()
                return pipe
            except (EOFError, OSError):
                self.stop()
        raise Unavailable(
            f"devices: the process on {self.place.name} ended {STARTS} times before it could begin (last with "
            f"{self.exit_code}); the lines above say why"
        )

    def _start(self, project: Path, batch: GenerationBatch) -> Connection:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, project, batch), daemon=True)
        with _start_lock, _environment(self.place.environment):
            process.start()
        theirs.close()
        self._process, self._pipe = process, ours
        return ours


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """``values`` in the environment: a process inherits it, and libraries read it when they are imported."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _work(pipe: Connection, path: Path, batch: GenerationBatch) -> None:
    """A worker's life: read a run of indices, make it, send what came of it; it ends with the pipe."""
    from core.jobs.batch_maker import BatchMaker
    from core.jobs.stored_samples import StoredSamples
    from core.store import Project

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
    with Project.open(path, for_reading=True) as project:
        maker = BatchMaker(project, batch)
        stored = StoredSamples.of(maker.plan).find
        pipe.send("opened")
        while True:
            try:
                indices: list[int] = pipe.recv()
            except EOFError:
                return
            pipe.send(maker.make(indices, stored))
