"""A cluster within this process, whose workers and nodes die when a test says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.jobs.cluster.batch_package import BatchPackage
from core.jobs.cluster.nodes import ClusterNode, ReplyTicket, WorkerFailed
from core.jobs.cluster.range_maker import RangeMaker
from core.jobs.worker_reply import WorkerReply
from core.store import SampleRow

Fault = Callable[["FakeCluster", "FakeWorker", Sequence[int]], None]
"""Called before a range is made; may raise WorkerFailed, or change the cluster."""


@dataclass(eq=False)
class _Ticket:
    worker: FakeWorker
    indices: tuple[int, ...] | None = None
    stored: Sequence[SampleRow] = ()


@dataclass(eq=False)
class FakeWorker:
    cluster: FakeCluster
    node: ClusterNode
    maker: RangeMaker
    stopped: bool = False

    def opened(self) -> ReplyTicket:
        return _Ticket(self)

    def make(self, indices: Sequence[int], stored: Sequence[SampleRow]) -> ReplyTicket:
        self.cluster.asked.append((self.node.name, tuple(indices)))
        return _Ticket(self, tuple(indices), stored)

    def stop(self) -> None:
        assert not self.stopped
        self.stopped = True
        self.maker.close()


@dataclass
class FakeCluster:
    """Replies come one at a time, from the worker that was asked last."""

    up: list[ClusterNode]
    fault: Fault = lambda cluster, worker, indices: None
    elsewhere: Path | None = None
    asked: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    workers: list[FakeWorker] = field(default_factory=list)
    package: BatchPackage | None = None

    def nodes(self) -> Sequence[ClusterNode]:
        return list(self.up)

    def put(self, package: BatchPackage) -> None:
        self.package = package

    def start(self, node: ClusterNode) -> FakeWorker:
        assert self.package is not None
        self.workers.append(FakeWorker(self, node, RangeMaker(self.package)))
        return self.workers[-1]

    def wait(self, tickets: Sequence[ReplyTicket], timeout_s: float) -> Sequence[ReplyTicket]:
        return list(tickets)[-1:]

    def digest(self, ticket: ReplyTicket) -> str:
        return self._of(ticket, ()).maker.opened()

    def reply(self, ticket: ReplyTicket) -> WorkerReply:
        assert isinstance(ticket, _Ticket) and ticket.indices is not None
        return self._of(ticket, ticket.indices).maker.make(ticket.indices, ticket.stored)

    def _of(self, ticket: ReplyTicket, indices: Sequence[int]) -> FakeWorker:
        assert isinstance(ticket, _Ticket)
        self.fault(self, ticket.worker, indices)
        if ticket.worker.node not in self.up:
            raise WorkerFailed("the connection was closed")
        return ticket.worker
