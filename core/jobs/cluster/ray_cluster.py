"""A Ray cluster: the one module that imports Ray, which is optional.

Ray retries nothing here: what is repeated, where and how often is decided in dispatch.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import core
from core.bank import bank_folder
from core.errors import FlawsmithError, InputError, Unavailable
from core.jobs.cluster.batch_package import BatchPackage
from core.jobs.cluster.nodes import ClusterNode, ReplyTicket, WorkerFailed
from core.jobs.cluster.range_maker import RangeMaker
from core.jobs.worker_reply import WorkerReply
from core.store import SampleRow
from core.weights import models_dir

Resource = Literal["CPU", "GPU"]
CONNECT_S = 10.0
_CLOSE_S = 5.0
_PASSED_ON = ("FLAWSMITH_BACKBONE", "FLAWSMITH_DTYPE", "FLAWSMITH_CACHE_MB")
"""Variables that a worker gets as they are here."""


class RayCluster:
    """The Ray cluster at ``address``: "auto" for the one that this machine belongs to, HOST:PORT, or ray://HOST:PORT.

    A worker takes one ``resource`` of its node. Use it as a context. Unavailable where Ray is not installed or nothing
    answers, InputError for an address that is none.
    """

    def __init__(self, address: str, resource: Resource) -> None:
        self._ray = _connected(address)
        self._resource = resource
        self._package: Any = None

    def __enter__(self) -> RayCluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()

    def nodes(self) -> Sequence[ClusterNode]:
        """As WorkerCluster.nodes: those that are alive and have the resource."""
        return [
            ClusterNode(node["NodeID"], f"{node['NodeManagerHostname']} ({node['NodeID'][:6]})", slots)
            for node in self._ray.nodes()
            if node["Alive"] and (slots := int(node["Resources"].get(self._resource, 0)))
        ]

    def put(self, package: BatchPackage) -> None:
        """As WorkerCluster.put."""
        self._package = self._ray.put(package)

    def start(self, node: ClusterNode) -> RayWorker:
        """As WorkerCluster.start."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor = self._ray.remote(RangeMaker).options(
            num_cpus=1 if self._resource == "CPU" else 0,
            num_gpus=1 if self._resource == "GPU" else 0,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
            runtime_env={"env_vars": _environment(self._resource)},
        )
        return RayWorker(self._ray, actor.remote(self._package))

    def wait(self, tickets: Sequence[ReplyTicket], timeout_s: float) -> Sequence[ReplyTicket]:
        """As WorkerCluster.wait."""
        if not tickets:
            time.sleep(timeout_s)
            return []
        if not (ready := self._ray.wait(list(tickets), num_returns=1, timeout=timeout_s)[0]):
            return []
        return list(self._ray.wait(list(tickets), num_returns=len(tickets), timeout=0)[0]) or list(ready)

    def digest(self, ticket: ReplyTicket) -> str:
        """As WorkerCluster.digest."""
        return str(self._got(ticket))

    def reply(self, ticket: ReplyTicket) -> WorkerReply:
        """As WorkerCluster.reply."""
        found: WorkerReply = self._got(ticket)
        return found

    def _got(self, ticket: ReplyTicket) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(ticket)
        except errors.RayTaskError as error:
            raise WorkerFailed(_one_line(error.cause)) from error
        except errors.OutOfMemoryError as error:
            raise WorkerFailed("its machine ran out of memory") from error
        except errors.RayError as error:
            raise WorkerFailed(f"its process ended ({type(error).__name__})") from error


class RayWorker:
    """An actor on one node."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray, self._actor = ray, actor

    def opened(self) -> ReplyTicket:
        """As ClusterWorker.opened."""
        ticket: ReplyTicket = self._actor.opened.remote()
        return ticket

    def make(self, indices: Sequence[int], stored: Sequence[SampleRow]) -> ReplyTicket:
        """As ClusterWorker.make."""
        ticket: ReplyTicket = self._actor.make.remote(tuple(indices), tuple(stored))
        return ticket

    def stop(self) -> None:
        """As ClusterWorker.stop."""
        self._ray.kill(self._actor)


def _connected(address: str) -> Any:
    """The module ``ray``, connected."""
    try:
        import ray
    except ImportError:
        raise Unavailable('--ray: Ray is not installed here; pip install "ray[default]"') from None
    _check_address(address)
    try:
        with _same_signals():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise Unavailable(f"--ray {address}: no cluster answers ({_one_line(error)})") from None
    return ray


def _check_address(address: str) -> None:
    """Ray itself waits for minutes where nothing listens."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(f"--ray {address!r}: expected auto, HOST:PORT or ray://HOST:PORT, for example 10.0.0.5:6379")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise Unavailable(f"--ray {address}: no cluster answers there ({error}); check address and port") from None


@contextmanager
def _same_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself, and would end this process in the middle of a step."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _environment(resource: Resource) -> dict[str, str]:
    """What a worker starts with: Flawsmith, models and the bank are where they are here, and a CPU's worker sees no
    GPU."""
    here = str(Path(core.__file__).resolve().parents[1])
    values = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    values |= {"FLAWSMITH_MODELS": str(models_dir()), "FLAWSMITH_BANK": str(bank_folder())}
    values["PYTHONPATH"] = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    return values | ({"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"} if resource == "CPU" else {})


def _one_line(error: BaseException) -> str:
    said = " ".join(str(error).split()) or type(error).__name__
    return said[:300] if isinstance(error, FlawsmithError) else f"{type(error).__name__}: {said}"[:300]
