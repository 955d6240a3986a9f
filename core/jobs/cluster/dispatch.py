"""A batch made on the nodes of a cluster: ranges given out, repeated where a worker was lost, and taken in order.

One thread, and no state but this process's own: it can be killed at any moment, and the next run of the same batch
goes on with what is in the project.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from core.engines.api import Context
from core.errors import FlawsmithError, Unavailable
from core.jobs.cluster.batch_package import BatchPackage
from core.jobs.cluster.nodes import ClusterNode, ClusterWorker, ReplyTicket, WorkerCluster, WorkerFailed
from core.jobs.cluster.range_ledger import IndexRange, RangeLedger
from core.jobs.packed_sample import PackedSample
from core.jobs.requests import BatchPlan
from core.jobs.sample_identity import check_belongs, possible_seeds
from core.jobs.stored_samples import StoredSamples
from core.store import SampleRow

logger = logging.getLogger(__name__)

ClusterOutcome = PackedSample | str | tuple[str, str]

RANGES_PER_WORKER = 500
"""Ranges that a worker makes before another takes its place, so that nothing that it leaks lasts."""
RANGE_S = 2.0
"""Seconds that a range should take: long beside the way there and back, short beside what is lost with a worker."""
LARGEST_RANGE = 64
NODE_FAILURES = 5
"""Ranges in a row that fail on a node at their first try, or starts that do, before no more is asked of it."""
AHEAD_RANGES = 4
"""Ranges per slot that may wait for one that takes longer."""
_POLL_S = 0.2
_LOOK_S = 2.0
"""Seconds after which the nodes are looked at again."""


@dataclass
class _NodeRecord:
    """What is known of a node: ``failures`` in a row, and ``refused``, why no more is asked of it."""

    node: ClusterNode
    failures: int = 0
    refused: str = ""


@dataclass(eq=False)
class _Slot:
    """A worker on a node; ``ticket`` stands for what it works on, ``work`` is that range, None while it opens."""

    place: _NodeRecord
    worker: ClusterWorker
    ticket: ReplyTicket | None
    work: IndexRange | None = None
    made: int = 0


@dataclass
class ClusterDispatch:
    """Makes the samples of ``plan`` on ``cluster``. ``step`` samples are drawn together and are never torn apart."""

    plan: BatchPlan
    cluster: WorkerCluster
    ctx: Context
    step: int = 1
    _nodes: dict[str, _NodeRecord] = field(default_factory=dict)
    _slots: list[_Slot] = field(default_factory=list)
    _looked_s: float = float("-inf")
    _sample_s: float | None = None

    def outcomes(self) -> Iterator[list[ClusterOutcome]]:
        """What comes of each sample of the batch, in order, as many at once as are there. Cancelled within a moment;
        Unavailable where no node can make samples."""
        package = BatchPackage.of(self.plan)
        self._inputs = package.inputs
        self._stored = StoredSamples.of(self.plan)
        self._ledger: RangeLedger[PackedSample | tuple[str, str]] = RangeLedger(range(self.plan.batch.count))
        self.cluster.put(package)
        try:
            while not self._ledger.finished:
                self.ctx.check()
                self._look_at_nodes()
                self._give_work()
                self._take_replies()
                self._give_work()  # before what is ready is stored, which takes a while
                if ready := self._ledger.ready():
                    yield ready
        finally:
            for slot in self._slots:
                slot.worker.stop()

    def _look_at_nodes(self) -> None:
        if time.monotonic() - self._looked_s < _LOOK_S:
            return
        self._looked_s = time.monotonic()
        up = {node.id: node for node in self.cluster.nodes()}
        for slot in [slot for slot in self._slots if slot.place.node.id not in up]:
            self._lose(slot)
        for id, node in up.items():
            place = self._nodes.setdefault(id, _NodeRecord(node))
            here = sum(slot.place is place for slot in self._slots)
            for _ in range(0 if place.refused else max(0, node.slots - here)):
                self._start(place)
        if not self._slots and (refused := [p for id, p in self._nodes.items() if id in up and p.refused]):
            raise Unavailable(
                f"no node of the cluster can make samples; {refused[-1].node.name}: {refused[-1].refused}"
            )
        if not self._slots:
            logger.warning("the cluster has no node with room for a worker now; waiting for one")

    def _start(self, place: _NodeRecord) -> None:
        worker = self.cluster.start(place.node)
        self._slots.append(_Slot(place, worker, worker.opened()))

    def _give_work(self) -> None:
        places = len({slot.place.node.id for slot in self._slots if slot.work or slot.ticket is None})
        size = self._range_size()
        ahead = AHEAD_RANGES * size * max(1, len(self._slots))
        for slot in self._slots:
            if slot.ticket is not None:
                continue
            work = self._ledger.give(size, ahead, slot.place.node.name, places, time.monotonic())
            if work is not None:
                slot.work, slot.ticket = work, slot.worker.make(work.indices, self._maybe_stored(work))

    def _range_size(self) -> int:
        """Samples of the next range: as many as take RANGE_S, in whole batches of what is drawn together."""
        if self._sample_s is None:
            return self.step
        wanted = min(LARGEST_RANGE, int(RANGE_S / max(self._sample_s, 1e-6)))
        return max(1, wanted // self.step) * self.step

    def _maybe_stored(self, work: IndexRange) -> list[SampleRow]:
        return self._stored.with_seeds(seed for i in work.indices for seed in possible_seeds(self.plan.batch, i))

    def _take_replies(self) -> None:
        by_ticket = {slot.ticket: slot for slot in self._slots if slot.ticket is not None}
        for ticket in self.cluster.wait(list(by_ticket), _POLL_S):
            slot = by_ticket[ticket]
            try:
                self._take(slot, ticket)
            except (WorkerFailed, FlawsmithError) as error:
                self._fail(slot, str(error))

    def _take(self, slot: _Slot, ticket: ReplyTicket) -> None:
        work = slot.work
        if work is None:
            if self.cluster.digest(ticket) != self._inputs:
                slot.place.refused = "it sees other photos, concepts or models, or has another version of Flawsmith"
                raise WorkerFailed(slot.place.refused)
            slot.ticket = None
            return
        outcomes = self.cluster.reply(ticket)
        for index, outcome in zip(work.indices, outcomes, strict=True):
            if isinstance(outcome, PackedSample):
                check_belongs(self.plan.batch, index, outcome)
        now_s = time.monotonic()
        self._sample_s = (now_s - work.given_at_s) / len(work.indices)
        self._ledger.done(work, outcomes, now_s)
        slot.place.failures = 0
        slot.work, slot.ticket, slot.made = None, None, slot.made + 1
        if slot.made >= RANGES_PER_WORKER:
            self._drop(slot)
            self._start(slot.place)

    def _fail(self, slot: _Slot, why: str) -> None:
        """A worker that failed is dropped; its node gets another one, unless it fails again and again."""
        place, work = slot.place, slot.work
        if place.node.id not in {node.id for node in self.cluster.nodes()}:
            self._lose(slot)
            return
        self._drop(slot)
        place.failures += work is None or not work.failed_at  # a range that fails everywhere is no node's fault
        if work is not None:
            self._ledger.failed(work, place.node.name, why)
        if place.failures >= NODE_FAILURES:
            place.refused = place.refused or why
        if place.refused:
            logger.warning("node %s: no more is asked of it: %s", place.node.name, place.refused)
            for other in [other for other in self._slots if other.place is place]:
                self._lose(other)
        self._looked_s = float("-inf")

    def _lose(self, slot: _Slot) -> None:
        """Drop a worker that goes with its node."""
        self._drop(slot)
        if slot.work is not None:
            self._ledger.lost(slot.work, slot.place.node.name)

    def _drop(self, slot: _Slot) -> None:
        self._slots.remove(slot)
        slot.worker.stop()
