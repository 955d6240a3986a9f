"""The pairs of a round: made, filtered, and of those that pass the ones most like what is missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.device import derive_seed
from core.errors import Cancelled, InputError
from core.evaluation.detectors.api import TrainContext
from core.images import read_image, read_mask
from core.jobs.auto_review import ReviewRules
from core.jobs.best_of import generate_best_of
from core.jobs.pair_sources import example_ids_behind
from core.jobs.product_data import ProductData
from core.jobs.requests import GenerationBatch
from core.loop.defect_facts import defect_facts
from core.loop.loop_split import check_sources
from core.loop.loop_state import LoopSplit, PlannedPairs
from core.loop.planning import nearest_to_aims
from core.store import SampleRow
from core.types import RULE, ReviewStatus

CHOICE = 2
"""Pairs that pass the filter for each one that is taken."""
TRIES = 3
"""Pairs that are made at most for each one that may pass."""
NOT_AIMED = "less like what is missed than others"


@dataclass(frozen=True)
class MadePairs:
    """Ids of the pairs that were taken, and what a person should know of how they came about."""

    ids: tuple[str, ...]
    notes: tuple[str, ...] = ()


def round_job(loop: str, number: int) -> str:
    """The job that the pairs of a round belong to, by which Review shows them."""
    return f"loop-{loop}-round-{number}"


def make_pairs_like(
    material: ProductData, split: LoopSplit, planned: PlannedPairs, job_id: str, seed: int, ctx: TrainContext
) -> MadePairs:
    """Make what is planned, on good photos that teach. The same again after it was stopped or killed.

    Everything made lies in the project: what was taken is kept, the rest is rejected with its reason, by rule. A plan
    of which nothing passes gives no pairs and a note. InputError where a pair stems from an anomaly that judges;
    Cancelled.
    """
    wanted = CHOICE * planned.count
    batch = GenerationBatch(
        engine=planned.engine, label=planned.label, count=TRIES * wanted, normal_ids=split.learn_good, workers=1,
        seed=derive_seed(seed, "loop", job_id.rpartition("-")[2], planned.label) % 2**31,
        placement=dict(planned.placement),
    )  # fmt: skip
    try:
        made = generate_best_of(
            material, batch, ReviewRules(keep_best=wanted), job_id=job_id, progress=ctx.progress,
            cancelled=ctx.cancelled,
        )  # fmt: skip
    except InputError as error:
        return MadePairs((), (f"No pair of {planned.label}: {error}.",))
    if made["cancelled"]:
        raise Cancelled("stopped; what was made is kept, and the loop goes on from it")
    project = material.project
    rows = [project.sample_row(id) for id in made["sample_ids"]]
    check_sources(example_ids_behind(rows, material.concepts), split, f"pairs by {planned.engine} were made from")
    kept = [row for row in rows if row.verdict == ReviewStatus.KEPT]
    chosen = _nearest(kept, planned, ctx)
    rest = [(row.id, ReviewStatus.REJECTED, NOT_AIMED) for row in kept if row.id not in chosen]
    project.review_samples(rest, RULE)
    short = planned.count - len(chosen)
    notes = (f"{planned.label}: {short} of {planned.count} pairs are missing; {made['message']}.",) if short else ()
    return MadePairs(tuple(chosen), notes)


def _nearest(rows: Sequence[SampleRow], planned: PlannedPairs, ctx: TrainContext) -> list[str]:
    """Ids of the rows most like the aims, in the order they were taken."""
    facts = {}
    for row in rows:
        ctx.check()
        facts[row.id] = defect_facts(row.id, row.label, read_image(row.image_path), read_mask(row.mask_path))
    return nearest_to_aims(facts, planned.aims, planned.count)
