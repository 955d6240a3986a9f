"""What is drawn on photos and not stored yet, kept as run lengths: a mask of a megapixel takes a few hundred bytes."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from core.api.masks import MasksApi
from core.types import Mask

MOST = 500
"""Photos with a drawing of one session; beyond them the one drawn on longest ago is forgotten."""


@dataclass(frozen=True)
class _Drawn:
    runs: array[int]
    shape: tuple[int, int]


class DrawnMasks:
    """The drawings of one session by key. Not safe for threads by itself: hold the session's lock."""

    def __init__(self) -> None:
        self._drawn: OrderedDict[str, _Drawn] = OrderedDict()
        self._newest: dict[str, int] = {}

    def get(self, key: str) -> Mask | None:
        """The mask, bool (H, W), or None where nothing is drawn."""
        found = self._drawn.get(key)
        return None if found is None else MasksApi.decode(list(found.runs), found.shape)

    def runs(self, key: str, shape: tuple[int, int]) -> list[int]:
        """The run lengths of the mask, all False of ``shape`` (H, W) where nothing is drawn."""
        found = self._drawn.get(key)
        return [shape[0] * shape[1]] if found is None else list(found.runs)

    def put(self, key: str, mask: Mask) -> None:
        """Keep a mask, bool (H, W)."""
        self._keep(key, MasksApi.encode(mask), (mask.shape[0], mask.shape[1]))

    def put_runs(self, key: str, runs: Sequence[int], shape: tuple[int, int], number: int) -> None:
        """Keep the mask with these run lengths, the browser's ``number``-th, unless a newer one is there.

        MaskError if they do not fill ``shape`` (H, W).
        """
        MasksApi.decode(list(runs), shape)
        if number >= self._newest.get(key, -1):
            self._newest[key] = number
            self._keep(key, runs, shape)

    def drop(self, key: str) -> None:
        """Forget what is drawn."""
        self._drawn.pop(key, None)

    def _keep(self, key: str, runs: Sequence[int], shape: tuple[int, int]) -> None:
        self._drawn.pop(key, None)
        if len(runs) < 2:  # nothing is drawn
            return
        self._drawn[key] = _Drawn(array("I", runs), shape)
        if len(self._drawn) > MOST:
            oldest, _ = self._drawn.popitem(last=False)
            self._newest.pop(oldest, None)
