"""One budget of main memory for all that is kept warm: models, photos, features, embeddings, inversions.

Each cache is a ``WarmCache`` of its own type; what was used least recently in any of them goes first. The limit is a
third of the machine's memory, or of its container's, unless FLAWSMITH_CACHE_MB says how many megabytes.
"""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from core.errors import InputError
from core.types import Image

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

VARIABLE = "FLAWSMITH_CACHE_MB"
SHARE = 1 / 3
"""Of the machine's memory; the rest is for the work itself."""

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


class MemoryBudget:
    """At most ``limit`` bytes (None: as the module says) over all caches that were made on it. Thread safe.

    The entry that each cache used last stays, whatever its size: dropping it would free nothing while it is at work,
    and a model larger than the budget would be loaded again for each sample.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._entries: OrderedDict[tuple[int, Hashable], tuple[weakref.ref[WarmCache[Any, Any]], int]] = OrderedDict()
        self._gone: deque[int] = deque()
        self._bytes = 0
        self.lock = threading.RLock()

    @property
    def limit(self) -> int:
        """Bytes; InputError where the variable is no number."""
        return default_limit() if self._limit is None else self._limit

    @property
    def used(self) -> int:
        """Bytes that the caches hold now."""
        with self.lock:
            self._forget_dead()
            return self._bytes

    def _use(self, cache: WarmCache[Any, Any], key: Hashable) -> None:
        self._entries.move_to_end((id(cache), key))

    def _add(self, cache: WarmCache[Any, Any], key: Hashable, size: int) -> None:
        self._forget_dead()
        self._entries[id(cache), key] = (weakref.ref(cache), size)
        self._bytes += size
        limit = self.limit
        for place in list(self._entries) if self._bytes > limit else ():
            owner = self._entries[place][0]()
            if owner is not None and place[1] != owner._newest():
                owner.drop(place[1])
            if self._bytes <= limit:
                break

    def _remove(self, cache: WarmCache[Any, Any], key: Hashable) -> None:
        self._bytes -= self._entries.pop((id(cache), key))[1]

    def _forget_dead(self) -> None:
        # A cache may be collected at any moment, even inside this lock: its end is noted, and seen to here.
        if not self._gone:
            return
        dead = {self._gone.popleft() for _ in range(len(self._gone))}
        for place in [p for p, (owner, _) in self._entries.items() if p[0] in dead and owner() is None]:
            self._bytes -= self._entries.pop(place)[1]


BUDGET = MemoryBudget()
"""The budget of this process."""


class WarmCache(Generic[K, V]):
    """Values by key, as long as the budget has room. ``size(value)`` is its bytes in main memory; ``most`` values."""

    def __init__(self, size: Callable[[V], int], most: int | None = None, budget: MemoryBudget = BUDGET) -> None:
        self._size, self._most, self._budget = size, most, budget
        self._values: OrderedDict[K, V] = OrderedDict()
        weakref.finalize(self, budget._gone.append, id(self)).atexit = False

    def get(self, key: K, build: Callable[[], V]) -> V:
        """The value of ``key``, built where it is not warm. Other threads are not kept waiting while it is built."""
        if (found := self.peek(key)) is not None:
            return found
        return self.put(key, build())

    def peek(self, key: K) -> V | None:
        """The value of ``key``, or None where it is not warm."""
        with self._budget.lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            self._budget._use(self, key)
            return self._values[key]

    def put(self, key: K, value: V) -> V:
        """Keep ``value``; where another thread was quicker its value is kept and given back."""
        with self._budget.lock:
            if (found := self.peek(key)) is not None:
                return found
            self._values[key] = value
            self._budget._add(self, key, self._size(value))
            if self._most is not None:
                self.shrink(self._most)
            return value

    def drop(self, key: K) -> None:
        """Let go of a value, if it is there."""
        with self._budget.lock:
            if key in self._values:
                del self._values[key]
                self._budget._remove(self, key)

    def shrink(self, most: int) -> None:
        """Let go of all but the ``most`` values used last."""
        with self._budget.lock:
            for key in list(self._values)[: max(0, len(self._values) - most)]:
                self.drop(key)

    def clear(self) -> None:
        """Let go of every value."""
        self.shrink(0)

    def keys(self) -> list[K]:
        """Those that are warm, the one used least recently first."""
        with self._budget.lock:
            return list(self._values)

    def __contains__(self, key: object) -> bool:
        with self._budget.lock:
            return key in self._values

    def __len__(self) -> int:
        return len(self._values)

    def _newest(self) -> K:
        return next(reversed(self._values))


def default_limit() -> int:
    """Bytes that FLAWSMITH_CACHE_MB gives, else SHARE of the memory; InputError where it is no number."""
    given = os.environ.get(VARIABLE, "").strip()
    if given:
        if not given.isdecimal():
            raise InputError(f"{VARIABLE}={given!r}: expected a whole number of megabytes, for example 4000")
        return int(given) * 1_000_000
    return int(SHARE * _memory())


def image_key(image: Image) -> str:
    """A key for these pixels: equal arrays have equal keys."""
    digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16)
    return f"{digest.hexdigest()}{image.shape}"


def _memory() -> int:
    """Bytes of the machine, or of the container that this process runs in."""
    import psutil

    machine = int(psutil.virtual_memory().total)
    try:
        return min(machine, int(_CONTAINER_LIMIT.read_text()))
    except (OSError, ValueError):  # no container, or "max"
        return machine
