"""More than 8 bits a channel, brought to 8 so that photos of one camera stay comparable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import ImageError

_CAMERA_BITS = (10, 12, 14, 16)
_ENDS = (0.1, 99.9)
"""Percentiles between which a photo's own range lies."""
SET_RANGE = "the photos' own range"
"""Why a scale is what it is, where it is no camera's."""
_TILE = 1 << 20
"""Values that are worked on at once."""


@dataclass(frozen=True, slots=True)
class DepthRange:
    """The values of a photo, or of a set of them: ends of 99.8 % of the pixels, and the lowest and highest."""

    own_low: float
    own_high: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class DepthScale:
    """What becomes 0 and what becomes 255, and why."""

    low: float
    high: float
    why: str


DepthScales = Mapping[str, DepthScale]
"""The scale of a set of photos for each number type that they come in ("uint16", "float32")."""


def is_deep(array: npt.NDArray[Any]) -> bool:
    """Whether it has more than 8 bits a channel."""
    return array.dtype not in (np.uint8, np.bool_)


def range_of(array: npt.NDArray[Any], name: str) -> DepthRange:
    """The range of the finite values of ``array``; ImageError if there are none."""
    if array.dtype.itemsize == 2 and array.dtype.kind in "ui":
        return _range_of_counts(_counts(array), int(np.iinfo(array.dtype).min))
    if array.dtype.kind == "f" and not all(np.isfinite(tile).all() for tile in _tiles(array)):
        array = array[np.isfinite(array)]
    if not array.size:
        raise ImageError(f"{name}: no pixel holds a finite number; export it again as 8- or 16-bit")
    lowest, highest = float(array.min()), float(array.max())
    own_low, own_high = (float(v) for v in np.percentile(array, _ENDS))
    return DepthRange(own_low, own_high, lowest, highest)


def _tiles(array: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """``array`` in blocks of rows that are small beside a photo, so that no copy of all of it is made."""
    rows = max(1, _TILE // max(1, array[:1].size))
    yield from (array[start : start + rows] for start in range(0, len(array), rows))


def _counts(array: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """int64 (65536,): how often each value of two bytes occurs, the lowest first."""
    lowest = int(np.iinfo(array.dtype).min)
    counts = np.zeros(1 << 16, np.int64)
    for tile in _tiles(array):
        counts += np.bincount(tile.reshape(-1).astype(np.int64) - lowest, minlength=1 << 16)
    return counts


def _range_of_counts(counts: npt.NDArray[np.int64], lowest: int) -> DepthRange:
    """What ``np.percentile`` and the extremes of the values are that were counted."""
    below = np.cumsum(counts)
    there = np.flatnonzero(counts)
    ends: list[float] = []
    for percent in _ENDS:
        at = float(percent / 100 * (below[-1] - 1))
        places = np.array([int(at), min(int(at) + 1, int(below[-1]) - 1)])
        before, after = (int(v) + lowest for v in np.searchsorted(below, places, "right"))
        part = at - int(at)
        ends.append(before + (after - before) * part if part < 0.5 else after - (after - before) * (1 - part))
    return DepthRange(ends[0], ends[1], float(there[0] + lowest), float(there[-1] + lowest))


def scale_of_set(ranges: Iterable[DepthRange], dtype: np.dtype[Any]) -> DepthScale:
    """One scale for photos of one number type, so that a part is as bright on one as on the next.

    The range is that of the photos' own 0.1 and 99.9 percentiles, so that a hot pixel does not count.
    """
    known = list(ranges)
    low, high = min(r.own_low for r in known), max(r.own_high for r in known)
    if high <= low:
        low, high = min(r.lowest for r in known), max(r.highest for r in known)
    return _scale(DepthRange(low, high, low, high), dtype, SET_RANGE)


def to_8_bit(
    array: npt.NDArray[Any], name: str, scales: DepthScales | None = None
) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    """``array`` of any shape and number type as uint8, and notes on what was done.

    ``scales`` are those of the set that the photo belongs to. Without one whole numbers are scaled by the camera's
    range, the smallest of 10, 12, 14 and 16 bits that holds the brightest pixel; where the photo fills less than a
    quarter of that range (thermal and X-ray cameras) by its own limits, the 0.1 and 99.9 percentiles, lest it come out
    as one flat grey. Floats are taken as 0..1, else as 0..255 when they lie there and reach beyond 16, else by their
    own limits. ImageError if no value is finite.
    """
    if array.dtype == np.uint8:
        return array, ()
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255), ()
    scale, notes = scale_and_notes(array, name, scales)
    return scaled_to_8_bit(array, scale), notes


def scale_and_notes(
    array: npt.NDArray[Any], name: str, scales: DepthScales | None = None
) -> tuple[DepthScale, tuple[str, ...]]:
    """The scale that ``to_8_bit`` uses for an array of more than 8 bits, and its notes."""
    notes: list[str] = []
    found = range_of(array, name)
    odd = sum(np.count_nonzero(~np.isfinite(t)) for t in _tiles(array)) if array.dtype.kind == "f" else 0
    if odd:
        notes.append(f"{odd} values that are no number set to the lowest")
    robust = array.dtype.kind == "f" and found.own_low < found.own_high  # one hot pixel must not blacken the rest
    seen = DepthRange(*2 * (found.own_low, found.own_high)) if robust else found
    scale = (scales or {}).get(array.dtype.name) or _scale(seen, array.dtype, "the photo's own range")
    kind = {"u": f"{array.dtype.itemsize * 8}-bit", "i": f"signed {array.dtype.itemsize * 8}-bit"}.get(
        array.dtype.kind, "float"
    )
    notes.append(f"{kind} scaled to 8-bit from {scale.low:.6g}..{scale.high:.6g} ({scale.why})")
    return scale, tuple(notes)


def scaled_to_8_bit(array: npt.NDArray[Any], scale: DepthScale) -> npt.NDArray[np.uint8]:
    """``array`` as uint8, block by block; values of two bytes through a table of all of them, no numbers as 0."""
    factor = 255.0 / max(scale.high - scale.low, 1e-30)

    def scaled(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        if values.dtype.kind == "f":
            values = np.where(np.isfinite(values), values, values.dtype.type(scale.low))
        return np.rint(np.clip((values.astype(np.float64) - scale.low) * factor, 0, 255)).astype(np.uint8)

    out = np.empty(array.shape, np.uint8)
    table = scaled(np.arange(1 << 16, dtype=np.uint16).view(array.dtype)) if array.dtype.itemsize == 2 else None
    for tile, into in zip(_tiles(array), _tiles(out), strict=True):
        into[...] = scaled(tile) if table is None else table[tile.view(np.uint16)]
    return out


def _scale(found: DepthRange, dtype: np.dtype[Any], own: str) -> DepthScale:
    low, high = found.own_low, found.own_high
    if high <= low:
        low, high = found.lowest, found.highest
    if dtype.kind == "f":
        if found.lowest >= 0 and found.highest <= 1:
            return DepthScale(0.0, 1.0, "full range")
        if found.lowest >= 0 and 16 < found.highest <= 255:
            return DepthScale(0.0, 255.0, "full range")
        return DepthScale(low, high, own)
    bits = next((b for b in _CAMERA_BITS if found.highest < 2**b), None)
    if found.lowest >= 0 and bits is not None and high - low >= 2**bits / 4:
        return DepthScale(0.0, float(2**bits - 1), f"{bits}-bit range")
    return DepthScale(low, high, own)
