"""How many pixels of each score a photo has, on and off its mask: enough for F1 at any threshold, in little memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.types import Mask

Ints = npt.NDArray[np.int64]
_BITS = 13
"""Bits of a float's fraction that are dropped: scores within 0.1 % of each other count as one."""


@dataclass(frozen=True)
class PixelLevels:
    """``levels`` rising, each (n,): ``on`` and ``off`` count the pixels of that level on and off the mask. ``limits``
    are the least and greatest score."""

    levels: Ints
    on: Ints
    off: Ints
    limits: tuple[float, float]

    @classmethod
    def of(cls, scores: npt.NDArray[np.float32], mask: Mask | None) -> PixelLevels:
        """Of a score map float32 (H, W) and its mask bool (H, W); None for a good photo."""
        found = _level_of(np.asarray(scores, np.float32).ravel())
        levels, place = np.unique(found, return_inverse=True)
        inside = np.zeros(found.size, np.bool_) if mask is None else mask.ravel()
        on = np.bincount(place[inside], minlength=len(levels))
        whole = np.bincount(place, minlength=len(levels))
        return cls(levels, on, whole - on, (float(scores.min()), float(scores.max())))


@dataclass(frozen=True)
class PixelPool:
    """The pixels of several photos: ``place`` of each (photo, level) among all ``levels``, its photo (``owner``), and
    the counts ``on`` and ``off`` the masks."""

    levels: Ints
    place: Ints
    owner: Ints
    on: Ints
    off: Ints
    photos: int

    @classmethod
    def of(cls, photos: Sequence[PixelLevels]) -> PixelPool:
        """All photos together."""
        levels, place = np.unique(np.concatenate([p.levels for p in photos]), return_inverse=True)
        owner = np.repeat(np.arange(len(photos)), [len(p.levels) for p in photos])
        on, off = np.concatenate([p.on for p in photos]), np.concatenate([p.off for p in photos])
        return cls(levels, place.astype(np.int64), owner, on, off, len(photos))

    def best_f1(self, weights: Ints | None = None) -> tuple[float, float]:
        """The best F1, 0..1, and the highest threshold that has it; ``weights`` (N,): how often a photo counts."""
        often = np.ones(self.photos, np.int64) if weights is None else weights
        on, off = (np.bincount(self.place, c * often[self.owner], len(self.levels)) for c in (self.on, self.off))
        hits, alarms = np.cumsum(on[::-1]), np.cumsum(off[::-1])
        f1 = 2 * hits / np.maximum(hits + alarms + hits[-1], 1)
        best = int(np.argmax(f1))
        return float(f1[best]), float(_score_of(self.levels[::-1][best : best + 1])[0])

    def f1_at(self, threshold: float) -> float:
        """F1 at a threshold, 0..1."""
        marked = self.levels[self.place] >= _level_of(np.array([threshold], np.float32))[0]
        hits, alarms = int(self.on[marked].sum()), int(self.off[marked].sum())
        return 2 * hits / max(hits + alarms + int(self.on.sum()), 1)


def _level_of(scores: npt.NDArray[np.float32]) -> Ints:
    """Whole numbers in the order of the scores, the same for scores that are nearly the same."""
    bits = (scores + np.float32(0)).view(np.uint32)
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(0x80000000))
    return (ordered >> np.uint32(_BITS)).astype(np.int64)


def _score_of(levels: Ints) -> npt.NDArray[np.float32]:
    """The least score of each level."""
    ordered = (levels << _BITS).astype(np.uint32)
    bits = np.where(ordered >> 31, ordered & np.uint32(0x7FFFFFFF), ~ordered)
    return np.asarray(bits, np.uint32).view(np.float32)
