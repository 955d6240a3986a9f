"""A picture and its anomaly as they were drawn together, with the three masks; and is a sample a real one's copy?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.api.outline import outline
from core.engines.recipe_notes import PairNotes, read_notes
from core.images import read_image
from core.masks import rle
from core.quality.near_duplicates import DUPLICATE_DISTANCE
from core.store import SampleRow
from core.types import Recipe


@dataclass(frozen=True)
class PairMask:
    """A way to a mask: its outline at the pair's size (core.api.outline), None where it finds nothing, how much
    it agrees with the other ways, 0..1, and whether the sample's mask is its."""

    name: str
    outline: dict[str, Any] | None
    agreement: float
    chosen: bool


@dataclass(frozen=True)
class PairView:
    """The pictures are squares of ``side`` pixels. ``asked``: none of the ways' masks was taken but the one that was
    asked for, since the part was drawn beside it."""

    whole: Path
    part: Path
    side: int
    ways: tuple[PairMask, ...]
    asked: bool


@dataclass(frozen=True)
class NearestExample:
    """The real example that a sample is most like. ``measure`` is "distance", 0 to 1, of which less than ``limit`` is
    a copy, or "likeness", up to 1, of which ``limit`` or more is one."""

    measure: str
    value: float
    limit: float

    @property
    def is_copy(self) -> bool:
        """Whether a person would call the two the same."""
        return self.value < self.limit if self.measure == "distance" else self.value >= self.limit


def drawn_pair_view(row: SampleRow) -> PairView | None:
    """What a sample was taken from; None for engines that draw no pair."""
    if not _is_pair(row):
        return None
    notes = read_notes(PairNotes, Recipe.from_json(row.recipe_json))
    side = len(read_image(row.picture_paths["part"]))
    masks = {name: rle.unpack(packed, (side, side)) for name, packed in notes.pair_masks.items()}
    ways = tuple(
        PairMask(
            name,
            outline(mask) if mask.any() else None,
            notes.agreement.get(name, 0.0),
            notes.mask_from == name,
        )
        for name, mask in masks.items()
    )
    return PairView(
        row.picture_paths["whole"], row.picture_paths["part"], side, ways, not any(way.chosen for way in ways)
    )


def nearest_example(row: SampleRow) -> NearestExample | None:
    """How near a sample is to the real examples it was learned from; None where nobody measured it."""
    if _is_pair(row):
        distance = read_notes(PairNotes, Recipe.from_json(row.recipe_json)).nearest_example
        if distance is not None:
            return NearestExample("distance", distance, DUPLICATE_DISTANCE)
    if {"likeness", "copy_limit"} <= set(row.scores):
        return NearestExample("likeness", row.scores["likeness"], row.scores["copy_limit"])
    return None


def _is_pair(row: SampleRow) -> bool:
    return {"whole", "part"} <= set(row.picture_paths)
