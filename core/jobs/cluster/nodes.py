"""What the dispatch of a batch needs of a cluster, whatever library runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from core.jobs.cluster.batch_package import BatchPackage
from core.jobs.worker_reply import WorkerReply
from core.store import SampleRow

ReplyTicket: TypeAlias = object
"""Stands for a reply that is still to come; only the cluster knows what it is."""


@dataclass(frozen=True)
class ClusterNode:
    """A machine of the cluster that is up: its ``id``, the ``name`` that a person knows, and the workers it has room
    for."""

    id: str
    name: str
    slots: int


class WorkerFailed(Exception):
    """A worker died or could not do what it was asked; ``str`` says why in one line."""


class ClusterWorker(Protocol):
    """One worker on one node. It opens the batch when it is started."""

    def opened(self) -> ReplyTicket:
        """Ticket of the digest of what it would make samples from."""
        ...

    def make(self, indices: Sequence[int], stored: Sequence[SampleRow]) -> ReplyTicket:
        """Ticket of its WorkerReply for ``indices``; ``stored`` are samples of theirs that may be there already."""
        ...

    def stop(self) -> None:
        """End it at once, whatever it does."""
        ...


class WorkerCluster(Protocol):
    """Machines that come and go."""

    def nodes(self) -> Sequence[ClusterNode]:
        """The nodes that are up now and have room for a worker of this batch."""
        ...

    def put(self, package: BatchPackage) -> None:
        """Give all workers that are started from now on what they make samples of; it travels to a node once."""
        ...

    def start(self, node: ClusterNode) -> ClusterWorker:
        """Start a worker on a node."""
        ...

    def wait(self, tickets: Sequence[ReplyTicket], timeout_s: float) -> Sequence[ReplyTicket]:
        """Those of ``tickets`` whose reply is there, or failed; empty after ``timeout_s``."""
        ...

    def digest(self, ticket: ReplyTicket) -> str:
        """The reply to ``opened``. WorkerFailed where there is none."""
        ...

    def reply(self, ticket: ReplyTicket) -> WorkerReply:
        """The reply to ``make``. WorkerFailed where there is none."""
        ...
