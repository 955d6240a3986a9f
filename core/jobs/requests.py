"""A batch and its requests: which photo, which mask, which real anomaly each sample is made from.

All are drawn from seeds derived from (batch seed, index, attempt), so that sample 7 of 10 is sample 7 of 1,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from core.device import derive_seed, numpy_rng
from core.engines.api import Engine, read_params
from core.engines.registry import engine
from core.errors import InputError, Unavailable
from core.jobs.product_data import ProductData
from core.masks.placement.context_match import fitting_example
from core.masks.placement.planner import AnchorExample, plan_masks
from core.placement_rules import Placement
from core.types import AnomalyExample, Image, Mask, Request, check_label
from core.validation import read_settings

ANOTHER_PHOTO = 7919
"""Places on in the order of photos that another attempt goes; a prime, so that it is another photo."""


class Batch(BaseModel):
    """What to make in bulk. ``batch_size`` is how many are drawn together by an engine that can; 0: what suits the
    machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str
    label: str
    count: int = Field(20, ge=1, le=1_000_000)
    seed: int = Field(0, ge=0)
    params: dict[str, Any] = {}
    placement: dict[str, Any] = {}
    normal_ids: tuple[str, ...] = ()
    workers: int = Field(2, ge=1, le=256)
    batch_size: int = Field(0, ge=0, le=256)


@dataclass(frozen=True)
class BatchPlan:
    """A batch that was found feasible, with what all its samples share."""

    material: ProductData
    batch: Batch
    engine: Engine
    placement: Placement
    normal_ids: tuple[str, ...]
    examples: tuple[AnomalyExample, ...]


def prepare(material: ProductData, batch: Batch) -> BatchPlan:
    """The batch's plan, if it can run at all; InputError, NotFound or Unavailable, in one line, if not."""
    project = material.project
    chosen = engine(batch.engine)
    if reason := chosen.available():
        raise Unavailable(f"engine {batch.engine}: {reason}")
    check_label(batch.label)
    needs = chosen.requires(read_params(chosen, batch.params))
    placement = read_settings(Placement, batch.placement, "placement")
    ids = tuple(project.normal_row(i).id for i in batch.normal_ids) or tuple(r.id for r in project.normals())
    if not ids:
        raise InputError("the project has no photos of good parts; import a folder of them first")
    if "regions" in needs and not project.region_names():
        raise InputError(
            f"engine {batch.engine}: needs named regions and this project has none; "
            "run `launch.py regions PROJECT --auto` or click them in the Regions tab"
        )
    examples = material.examples(batch.label)
    if placement.source == "examples" and not examples:
        raise InputError(f"placement from examples: there is no real anomaly labelled {batch.label!r}; import some")
    return BatchPlan(material, batch, chosen, placement.settled(bool(examples)), ids, examples)


def request_for(plan: BatchPlan, index: int, attempt: int = 0) -> Request:
    """The ``index``-th request of a batch: every photo once before any comes again, in a seeded order."""
    material, ids, label = plan.material, plan.normal_ids, plan.batch.label
    lap, position = divmod(index + attempt * ANOTHER_PHOTO, len(ids))
    order = numpy_rng(plan.batch.seed, "photos", lap).permutation(len(ids))
    normal = material.normal(ids[order[position]])
    seed = derive_seed(plan.batch.seed, index, attempt)
    regions = material.regions(normal.id)
    examples, models, lead = _examples(plan, seed, normal.pixels)
    mask: Mask | None = None
    if "mask" in plan.engine.needs:
        terrain = material.terrain(normal.id, regions)
        rng = numpy_rng(seed, "mask")
        parts = plan_masks(plan.placement, label, terrain, rng, example_masks=models, lead=lead)
        mask = np.asarray(np.logical_or.reduce(parts), np.bool_)
    donor_id = ids[int(numpy_rng(seed, "donor").integers(len(ids)))]
    return Request(
        normal=normal,
        label=label,
        params=plan.batch.params,
        seed=seed,
        mask=mask,
        regions=regions,
        examples=examples,
        donor=material.normal(donor_id) if donor_id != normal.id else None,
        object_mask=material.object_mask(normal.id),
        placement=plan.placement if mask is not None else None,
    )


def _examples(
    plan: BatchPlan, seed: int, photo: Image
) -> tuple[tuple[AnomalyExample, ...], list[Mask], AnchorExample | None]:
    """The real anomaly lent to this seed's sample, the masks that its own shall be like, and the one it must be like.

    An engine that draws what it has learned says which examples go with that. Its mask is like the very example it
    gets, so that look and outline belong together; and so is every mask that lies as an example does.
    """
    matching = plan.engine.matching_examples(
        plan.batch.params, plan.batch.label, seed, plan.examples, plan.material.concepts
    )
    found = plan.examples if matching is None else tuple(matching)
    at_random = found and (found[int(numpy_rng(seed, "example").integers(len(found)))],)
    if plan.placement.source == "learned":
        return at_random, plan.material.learned_masks(plan.batch.label), None
    if not at_random:
        return (), [], None
    example, alike = at_random[0], None
    if plan.placement.position == "surroundings":
        example, alike = fitting_example(found, photo, numpy_rng(seed, "example"))
    led = matching is not None or plan.placement.as_there
    return (example,), [e.mask for e in found], AnchorExample(example.mask, alike) if led else None
