"""What frozen networks saw of photos, kept warm: seeds and rows of a table share photos. Needs no torch."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

from core.types import Image

T = TypeVar("T")


class Warm(Generic[T]):
    """At most ``room`` bytes of values, each found once; the one that was not asked for the longest goes first."""

    def __init__(self, room: int, size: Callable[[T], int]) -> None:
        self._room, self._size = room, size
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, image: Image, key: Hashable, build: Callable[[], T]) -> T:
        """The value of ``build`` for the pixels of ``image`` and ``key``."""
        pixels = hashlib.sha256(np.ascontiguousarray(image).data).digest()
        whole = (pixels, image.shape, key)
        with self._lock:
            if whole in self._kept:
                self._kept.move_to_end(whole)
                return self._kept[whole]
        value = build()
        with self._lock:
            if whole not in self._kept:
                self._kept[whole] = value
                self._bytes += self._size(value)
            while self._bytes > self._room and len(self._kept) > 1:
                self._bytes -= self._size(self._kept.popitem(last=False)[1])
        return value
