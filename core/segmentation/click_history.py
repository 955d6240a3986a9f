"""What a prepared photo remembers between clicks."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

import numpy as np

from core.types import Mask

REMEMBERED = 8
"""A region's first click and the last few, which are all that the next one needs."""
BYTES_PER_CLICK = 4 << 20
"""What a click that is remembered takes at most, in the guesses and the views that they are drawn on."""

K = TypeVar("K")
V = TypeVar("V")


def bounding_window(mask: Mask) -> tuple[Mask, tuple[int, int]]:
    """The smallest window, bool (h, w), that holds all of ``mask``, bool (H, W) and not empty, and its corner."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    y0, x0 = int(rows[0]), int(columns[0])
    return mask[y0 : int(rows[-1]) + 1, x0 : int(columns[-1]) + 1].copy(), (y0, x0)


class RecentCache(Generic[K, V]):
    """The last few things that were worked out."""

    def __init__(self) -> None:
        self._known: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value, which is now the newest, or None."""
        if key in self._known:
            self._known.move_to_end(key)
        return self._known.get(key)

    def put(self, key: K, value: V) -> None:
        """Remember ``value``; the oldest is forgotten."""
        self._known[key] = value
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


class PackedMask:
    """A window, bool (h, w), whose first (row, column) on the photo is ``corner``."""

    def __init__(self, part: Mask, corner: tuple[int, int]) -> None:
        self._shape = (part.shape[0], part.shape[1])
        self._corner = corner
        self._area = int(np.count_nonzero(part))
        self._bits = np.packbits(part)

    def window(self) -> tuple[Mask, tuple[int, int]]:
        """The window, a copy, and its corner."""
        flat = np.unpackbits(self._bits, count=self._shape[0] * self._shape[1])
        return flat.reshape(self._shape).view(np.bool_), self._corner

    def equals(self, mask: Mask) -> bool:
        """Whether the photo-sized ``mask`` is True where the window is, and nowhere else."""
        if int(np.count_nonzero(mask)) != self._area:
            return False
        y0, x0 = self._corner
        part = mask[y0 : y0 + self._shape[0], x0 : x0 + self._shape[1]]
        return bool(np.array_equal(np.packbits(part), self._bits))
