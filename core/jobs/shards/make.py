"""Making one shard of a batch into a folder, without writing to the project."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import core
from core.engines.api import Context
from core.errors import InputError
from core.jobs.batch_digest import batch_inputs
from core.jobs.generation import generate_outcomes, make_each
from core.jobs.packed_sample import PackedSample
from core.jobs.product_data import ProductData
from core.jobs.requests import GenerationBatch, plan_batch
from core.jobs.shards.shard_folder import Shard, ShardCard, ShardFolder
from core.progress import Progress, unwatched
from core.types import Sample


@dataclass(frozen=True)
class MadeShard:
    """What a shard's folder holds in the end: ``samples``, of which ``found`` were there before, and ``given_up``."""

    samples: int
    found: int
    given_up: int


def generate_shard(
    material: ProductData,
    batch: GenerationBatch,
    shard: Shard,
    out: Path,
    *,
    progress: Progress = unwatched,
    cancelled: Callable[[], bool] = lambda: False,
) -> MadeShard:
    """Make the shard's samples into the folder ``out``; samples that are there already are not made again.

    InputError before anything is made if the batch is wrong or the folder holds something else. Cancelled within a
    step; what was finished is kept.
    """
    plan = plan_batch(material, batch)
    indices = shard.indices(batch.count)
    if not indices:
        raise InputError(f"shard {shard}: nothing to make, a batch of {batch.count} has no sample for it")
    folder = ShardFolder(out)
    # Workers and batch size change nothing in a sample, and may be others on another machine.
    asked = batch.model_dump(mode="json", exclude={"workers", "batch_size"})
    folder.start(ShardCard(shard.index, shard.count, asked, batch_inputs(plan), core.__version__))
    found = folder.done() & set(indices)
    missing = [index for index in indices if index not in found]
    ctx = Context(cancelled=cancelled, concepts=material.concepts, normals=material, regions_of=material.regions)
    given_up = sum(isinstance(folder.read(index), str) for index in found)
    progress(len(found), len(indices))
    outcomes = generate_outcomes(plan, missing, ctx, lambda requests: make_each(plan, requests, ctx))
    for done, (index, outcome) in enumerate(zip(missing, outcomes, strict=True), start=len(found) + 1):
        assert isinstance(outcome, str | Sample), "make_each makes samples alone"
        given_up += isinstance(outcome, str)
        if isinstance(outcome, str):
            folder.give_up(index, outcome)
        else:
            folder.write(index, PackedSample.of(outcome))
        progress(done, len(indices), outcome.image if isinstance(outcome, Sample) else None)
    return MadeShard(len(indices) - given_up, len(found), given_up)
