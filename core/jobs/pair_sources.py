"""Which real anomalies stand behind pairs: those they hold pixels of, and those that their concepts learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from core.engines.recipe_notes import BankNotes, read_notes
from core.engines.registry import engines
from core.store import SampleRow
from core.training.checkpoints import Concept, list_concepts
from core.types import Recipe


def example_ids_behind(pairs: Sequence[SampleRow], concepts: Path) -> set[str]:
    """Ids of the real anomalies that pairs hold pixels of or that their concepts learned from.

    ``concepts`` is the folder of the project's concepts.
    """
    learned = learned_example_ids(concepts)
    return {id for pair in pairs for id in recipe_sources(Recipe.from_json(pair.recipe_json), learned)}


def recipe_sources(recipe: Recipe, learned: Mapping[str, set[str]]) -> set[str]:
    """The same of one recipe; ``learned`` says what each concept learned from."""
    behind = set(learned.get(str(recipe.params.get("concept", "")), set()))
    known = engines().get(recipe.engine)
    if recipe.example_ids and known is not None and known.copies_examples(recipe.params):
        behind |= set(recipe.example_ids)
    return behind | set(read_notes(BankNotes, recipe).bank_sources)


def learned_example_ids(concepts: Path) -> dict[str, set[str]]:
    """By concept the ids of the anomalies that it learned from."""
    return {one.id: _examples_of(one) for one in list_concepts(concepts)}


def _examples_of(concept: Concept) -> set[str]:
    """Ids of the anomalies a concept learned from; one of several defects of a photo, ``<id>#2``, is its photo's."""
    return {id.partition("#")[0] for ids in concept.config.examples.values() for id in ids}
