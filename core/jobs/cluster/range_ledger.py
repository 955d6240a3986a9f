"""Which samples of a batch are still to be made, by whom they are being made, and what came of them, in order.

A range goes to one worker. It is repeated where a worker failed over it, at another place if there is one; after TRIES
times each of its samples is tried alone, and one on which workers fail TRIES times is given up by name. A node that
goes away takes no blame with it: its ranges are repeated without counting, up to a limit.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Outcome = TypeVar("Outcome")

TRIES = 3
"""Failures after which a range is split, and a single sample given up."""
LOSSES = 10
"""Nodes that may go away with one range; from then on each counts as a failure."""
LATE = 4.0
"""Times the usual duration of a range after which an idle worker may take the same one."""
LATE_S = 10.0
"""Seconds that a range is never called late before."""


@dataclass
class IndexRange:
    """A run of ``indices`` with what happened to it: ``failed_at`` names the places where workers failed over it."""

    indices: tuple[int, ...]
    failed_at: list[str] = field(default_factory=list)
    losses: int = 0
    copies: int = 0
    given_at_s: float = 0.0


class RangeLedger(Generic[Outcome]):
    """Hands out ranges of ``indices`` and takes their outcomes; times are seconds of any one clock."""

    def __init__(self, indices: Sequence[int]) -> None:
        self._new = deque(indices)
        self._order = deque(indices)
        self._again: deque[IndexRange] = deque()
        self._given: list[IndexRange] = []
        self._outcomes: dict[int, Outcome | str] = {}
        self._durations_s: deque[float] = deque(maxlen=64)

    @property
    def finished(self) -> bool:
        """Whether every outcome was taken."""
        return not self._order

    def give(self, samples: int, ahead: int, place: str, places: int, now_s: float) -> IndexRange | None:
        """The range that a worker at ``place``, one of ``places``, makes next; None where it has to wait.

        A new one has ``samples`` indices, the last one fewer. At most ``ahead`` samples are given out or wait for the
        first that is missing, so that they take bounded memory.
        """
        chosen = self._repeated(place, places) or self._fresh(samples, ahead) or self._late(now_s)
        if chosen is None:
            return None
        chosen.copies += 1
        chosen.given_at_s = now_s
        if chosen not in self._given:
            self._given.append(chosen)
        return chosen

    def done(self, made: IndexRange, outcomes: Sequence[Outcome | str], now_s: float) -> None:
        """Take what came of a range; of one that two workers made the first counts."""
        if made not in self._given:
            return
        self._given.remove(made)
        self._durations_s.append(now_s - made.given_at_s)
        self._outcomes |= zip(made.indices, outcomes, strict=True)

    def failed(self, made: IndexRange, place: str, why: str) -> None:
        """A worker at ``place`` failed over it: it is repeated, split, or its one sample given up."""
        made.failed_at.append(place)
        self._come_back(made)
        if made not in self._again or len(made.failed_at) < TRIES:
            return
        self._again.remove(made)
        if len(made.indices) == 1:
            (index,) = made.indices
            self._outcomes[index] = f"sample {index}: {TRIES} workers failed over it (last on {place}: {why})"
        else:
            self._again.extend(IndexRange((index,)) for index in made.indices)

    def lost(self, made: IndexRange, place: str) -> None:
        """Its node went away, which is not the samples' fault."""
        made.losses += 1
        if made.losses > LOSSES:
            self.failed(made, place, "its node went away")
        else:
            self._come_back(made)

    def ready(self) -> list[Outcome | str]:
        """The outcomes that nothing before them is missing for, in order; each once."""
        found = []
        while self._order and self._order[0] in self._outcomes:
            found.append(self._outcomes.pop(self._order.popleft()))
        return found

    def _come_back(self, made: IndexRange) -> None:
        made.copies -= 1
        if made in self._given and made.copies == 0:
            self._given.remove(made)
            self._again.append(made)

    def _repeated(self, place: str, places: int) -> IndexRange | None:
        for waiting in self._again:
            if place not in waiting.failed_at or len(set(waiting.failed_at)) >= places:
                self._again.remove(waiting)
                return waiting
        return None

    def _fresh(self, samples: int, ahead: int) -> IndexRange | None:
        waiting = len(self._order) - len(self._new)
        if not self._new or waiting + samples > max(ahead, samples):
            return None
        return IndexRange(tuple(self._new.popleft() for _ in range(min(samples, len(self._new)))))

    def _late(self, now_s: float) -> IndexRange | None:
        if not self._given or not self._durations_s:
            return None
        first = min(self._given, key=lambda given: given.indices)
        limit = max(LATE_S, LATE * statistics.median(self._durations_s))
        return first if first.copies == 1 and now_s - first.given_at_s > limit else None
