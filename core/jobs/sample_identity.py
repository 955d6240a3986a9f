"""Which seeds the samples of a batch can have, and whether one that was made elsewhere is what it says it is."""

from __future__ import annotations

from core.device import derive_seed
from core.errors import InputError
from core.jobs.packed_sample import PackedSample
from core.jobs.requests import GenerationBatch
from core.types import Recipe

ATTEMPTS = 6
"""Seeds tried for one sample before the batch gives it up as impossible."""


def possible_seeds(batch: GenerationBatch, index: int) -> list[int]:
    """The seeds of the ``index``-th sample of a batch, one for each attempt, in their order."""
    return [derive_seed(batch.seed, index, attempt) for attempt in range(ATTEMPTS)]


def check_belongs(batch: GenerationBatch, index: int, packed: PackedSample) -> None:
    """InputError if ``packed`` is not the batch's ``index``-th sample."""
    recipe = Recipe.from_json(packed.recipe_json)
    said = (recipe.engine, recipe.label, recipe.seed, recipe.normal_id)
    if said != (packed.engine, packed.label, packed.seed, packed.normal_id):
        raise InputError("its recipe tells another engine, label, seed or photo than its file")
    if (packed.engine, packed.label) != (batch.engine, batch.label):
        raise InputError(f"it is {packed.engine} · {packed.label}, the batch is {batch.engine} · {batch.label}")
    if packed.seed not in possible_seeds(batch, index):
        raise InputError(f"its seed {packed.seed} is not that of sample {index} of the batch")
