"""What engines note in a recipe while they draw, typed. Nothing is drawn from it; it is shown beside the sample."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from core.stored import plain_record, read_record
from core.types import Recipe

N = TypeVar("N", bound="RecipeNotes")


@dataclass(frozen=True, kw_only=True)
class RecipeNotes:
    """Base of all. ``extra`` are notes of other kinds and of newer versions."""

    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PairNotes(RecipeNotes):
    """Of a picture and its anomaly drawn together.

    ``pair_masks`` are the masks that each way found, packed, ``agreement`` how much each agrees with the others, 0..1,
    ``mask_from`` the way that was taken. ``pane`` is the square that was drawn: x and y of its middle and its side, in
    pixels of the photo. ``nearest_example`` is the distance to the most similar real example.
    """

    mask_from: str
    agreement: Mapping[str, float]
    pair_masks: Mapping[str, str]
    pane: tuple[float, float, float]
    nearest_example: float | None = None


@dataclass(frozen=True, kw_only=True)
class EditNotes(RecipeNotes):
    """Of an edited prompt: it and what it became as a person reads them, the ``edit``, each component's share of the
    attention that differs, and which differs most (``named``, "" for none)."""

    prompt: str
    edit: str
    edited: str
    named: str
    components: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class GroundNotes(RecipeNotes):
    """Of an edit that shows what is behind a part: ids of the good photos that it was looked for on."""

    normal_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CandidateNotes(RecipeNotes):
    """Of a picture from noise: its nearest good part and the distance ``d`` to it (ComGEN, eq. 6), that of all
    ``candidates``, and those ``rejected``."""

    neighbour: str
    d: float
    candidates: tuple[float, ...]
    rejected: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class BankNotes(RecipeNotes):
    """Of an entry of the bank: ids of the real anomalies that it comes from."""

    bank_sources: tuple[str, ...] = ()


def with_notes(recipe: Recipe, *notes: RecipeNotes) -> Recipe:
    """``recipe`` with these notes too, as JSON has them; what is None is left out."""
    plain = {name: value for one in notes for name, value in plain_record(one).items() if value is not None}
    return replace(recipe, notes={**recipe.notes, **json.loads(json.dumps(plain))})


def read_notes(cls: type[N], recipe: Recipe) -> N:
    """The recipe's notes of one kind; InputError, in one line, if some are missing."""
    return read_record(cls, recipe.notes, "recipe: notes")
