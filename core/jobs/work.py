"""Bulk generation: photo → mask → request → engine → scores → store, one sample after the other or side by side.

Every sample draws from seeds derived from (batch seed, index, attempt), so the same batch gives the same bytes
whatever the number of workers, and sample 7 of 10 is sample 7 of 1,000.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

import core
from core.device import derive_seed, numpy_rng
from core.engines.base import Context, Engine, Goods, engine, needed, read_model, read_params
from core.errors import Cancelled, InputError, Unavailable
from core.images import is_grey, mask_png_bytes, png_bytes
from core.jobs.material import Material
from core.masks import rle
from core.masks.placement import Lead, Placement, plan_masks
from core.masks.surroundings import fitting_example
from core.quality import descriptor, scores
from core.store import Project, SampleRow
from core.types import AnomalyExample, Image, Mask, Recipe, Region, Request, Sample, check_label

T = TypeVar("T")

ATTEMPTS = 6
"""Seeds tried for one sample before the batch gives it up as impossible."""

ANOTHER_PHOTO = 7919
"""Places on in the order of photos that another attempt goes; a prime, so that it is another photo."""


class Batch(BaseModel):
    """What to make in bulk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str
    label: str
    count: int = Field(20, ge=1, le=1_000_000)
    seed: int = Field(0, ge=0)
    params: dict[str, Any] = {}
    placement: dict[str, Any] = {}
    normal_ids: tuple[str, ...] = ()
    workers: int = Field(2, ge=1, le=256)


def generate(
    material: Material,
    batch: Batch,
    *,
    job_id: str | None = None,
    progress: Callable[..., None] = lambda *news, **more: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Make and store a batch; returns ``{"samples", "given_up", "cancelled", "sample_ids", "message"}``.

    Samples are stored in index order as soon as they and all before them are there; cancel keeps those.
    InputError before anything is made if the batch itself is wrong; a sample whose every attempt changes
    nothing is counted in ``given_up``.
    """
    plan = prepare(material, batch)
    ctx = Context(cancelled=cancelled, concepts=material.concepts, goods=material)
    ids: list[str] = []
    given_up: list[str] = []
    stopped = False
    try:
        for outcome in outcomes(plan, range(batch.count), ctx, lambda request: first(plan, request, ctx)):
            if isinstance(outcome, Sample):
                ids.append(store(material.project, outcome, job_id).id)
            else:
                given_up.append(outcome)
            preview = outcome.image if isinstance(outcome, Sample) else None
            progress(len(ids) + len(given_up), batch.count, preview)
    except Cancelled:
        stopped = True
    if not ids and given_up:
        raise InputError(f"{batch.engine}: no sample came out; the last reason was: {given_up[-1]}")
    message = f"{len(ids)} samples" + (f", {len(given_up)} given up ({given_up[-1]})" if given_up else "")
    return {
        "samples": len(ids),
        "given_up": len(given_up),
        "cancelled": stopped,
        "sample_ids": ids,
        "message": message,
    }


@dataclass(frozen=True)
class Plan:
    """A batch that was found feasible, with what all its samples share."""

    material: Material
    batch: Batch
    engine: Engine
    placement: Placement
    normal_ids: tuple[str, ...]
    examples: tuple[AnomalyExample, ...]


def prepare(material: Material, batch: Batch) -> Plan:
    """The batch's plan, if it can run at all; InputError, NotFound or Unavailable, in one line, if not."""
    project = material.project
    chosen = engine(batch.engine)
    if reason := chosen.available():
        raise Unavailable(f"engine {batch.engine}: {reason}")
    check_label(batch.label)
    needs = needed(chosen, read_params(chosen, batch.params))
    placement = read_model(Placement, batch.placement, "placement")
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
    return Plan(material, batch, chosen, placement.settled(bool(examples)), ids, examples)


def request_for(plan: Plan, index: int, attempt: int = 0) -> Request:
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
        placement=plan.placement.model_dump(mode="json") if mask is not None else {},
    )


def _examples(plan: Plan, seed: int, photo: Image) -> tuple[tuple[AnomalyExample, ...], list[Mask], Lead | None]:
    """The real anomaly lent to this seed's sample, the masks that its own shall be like, and the one it must be like.

    An engine that draws what it has learned says which examples go with that. Its mask is like the very example it
    gets, so that look and outline belong together; and so is every mask that lies as an example does.
    """
    kin = getattr(plan.engine, "kin", None)
    found = plan.examples
    if kin is not None:
        found = tuple(kin(plan.batch.params, plan.batch.label, seed, plan.examples, plan.material.concepts))
    at_random = found and (found[int(numpy_rng(seed, "example").integers(len(found)))],)
    if plan.placement.source == "learned":
        return at_random, plan.material.learned_masks(plan.batch.label), None
    if not at_random:
        return (), [], None
    example, alike = at_random[0], None
    if plan.placement.position == "surroundings":
        example, alike = fitting_example(found, photo, numpy_rng(seed, "example"))
    led = kin is not None or plan.placement.as_there
    return (example,), [e.mask for e in found], Lead(example.mask, alike) if led else None


def make(chosen: Engine, request: Request, ctx: Context) -> Iterator[Sample]:
    """The engine's samples, signed with all that was asked and scored against the photo."""
    packed = rle.pack(request.mask) if request.mask is not None else None
    regions = tuple((r.name, rle.pack(r.mask)) for r in request.regions) if "regions" in chosen.needs else ()
    for sample in chosen.generate(request, ctx):
        signed = replace(sample, recipe=replace(sample.recipe, mask=packed, regions=regions))
        yield signed.scored(scores(photo_of(request, sample, ctx.goods), signed))


def first(plan: Plan, request: Request, ctx: Context) -> Sample:
    """The first sample that the plan's engine makes of ``request``."""
    return next(make(plan.engine, request, ctx))


def photo_of(request: Request, sample: Sample, goods: Goods | None) -> Image:
    """The photo that ``sample`` is to be compared with: the donor, or another of the project, where the engine says
    that it is that one which differs."""
    wanted = sample.recipe.normal_id
    lent = [photo for photo in (request.normal, request.donor) if photo is not None and photo.id == wanted]
    if not lent and goods is not None:
        lent = [goods.normal(wanted)]
    return (lent or [request.normal])[0].pixels


def made_from(recipe: Recipe, request: Request, chosen: Engine) -> bool:
    """Whether ``recipe`` is what ``request`` would be signed with, so that making it again gives the same bytes."""
    packed = rle.pack(request.mask) if request.mask is not None else None
    regions = tuple((r.name, rle.pack(r.mask)) for r in request.regions) if "regions" in chosen.needs else ()
    asked = Recipe(
        engine=chosen.name,
        label=request.label,
        kind=recipe.kind,
        normal_id=request.normal.id,
        seed=request.seed,
        params=read_params(chosen, request.params).model_dump(mode="json"),
        placement=recipe.placement,
        mask=packed,
        regions=regions,
        donor_id=request.donor.id if request.donor else None,
        example_ids=tuple(e.id for e in request.examples),
        feather=recipe.feather,
        version=core.__version__,
    )
    return asked == recipe


def remake(material: Material, recipe: Recipe, ctx: Context | None = None) -> Sample:
    """The sample of a recipe, again; NotFound or InputError if its photo or examples are gone."""
    chosen = engine(recipe.engine)
    normal = material.normal(recipe.normal_id)
    request = Request(
        normal=normal,
        label=recipe.label,
        params=recipe.params,
        seed=recipe.seed,
        mask=rle.unpack(recipe.mask, normal.shape) if recipe.mask else None,
        regions=tuple(Region(name, rle.unpack(text, normal.shape)) for name, text in recipe.regions),
        examples=tuple(material.example(i) for i in recipe.example_ids),
        donor=material.normal(recipe.donor_id) if recipe.donor_id else None,
        object_mask=material.object_mask(normal.id),
        placement=recipe.placement,
    )
    return next(iter(make(chosen, request, ctx or Context(concepts=material.concepts, goods=material))))


def store(project: Project, sample: Sample, job_id: str | None = None) -> SampleRow:
    """Write a sample, its recipe inside its PNG, with the scores and the near-duplicate descriptor."""
    recipe = sample.recipe.to_json()
    image = png_bytes(sample.image, {"flawsmith": recipe}, grey=is_grey(sample.image))
    attention = _soft_png(sample.attention) if sample.attention is not None else None
    return project.add_sample(
        image,
        mask_png_bytes(sample.mask),
        normal_id=sample.recipe.normal_id,
        label=sample.label,
        kind=sample.kind,
        engine=sample.recipe.engine,
        seed=sample.recipe.seed,
        recipe_json=recipe,
        scores=dict(sample.scores),
        attention_png=attention,
        instance_pngs=[mask_png_bytes(m) for m in sample.instances],
        component_pngs={name: _soft_png(soft) for name, soft in sample.components.items()},
        unrefined_png=mask_png_bytes(sample.unrefined) if sample.unrefined is not None else None,
        picture_pngs={name: png_bytes(picture) for name, picture in sample.pictures.items()},
        descriptor=descriptor(sample.image, sample.mask).tobytes(),
        job_id=job_id,
    )


def _soft_png(soft: npt.NDArray[np.float32]) -> bytes:
    """A map float32 (h, w) in 0..1 as a grey PNG."""
    return png_bytes((soft[..., None] * 255 + 0.5).astype("uint8").repeat(3, axis=2), grey=True)


def outcomes(plan: Plan, indices: range, ctx: Context, one: Callable[[Request], T]) -> Iterator[T | str]:
    """What ``one`` makes of each request of ``indices``, in their order whatever the workers; or why it could not.

    At most ``2 * workers`` are made ahead of the one that is taken. Cancelled within a step of the engine.
    """
    if plan.batch.workers == 1:
        yield from (_attempts(plan, i, ctx, one) for i in indices)
        return
    with ThreadPoolExecutor(plan.batch.workers, thread_name_prefix="generate") as pool:
        left = iter(indices)
        waiting: list[Future[T | str]] = [
            pool.submit(_attempts, plan, i, ctx, one) for i in itertools.islice(left, 2 * plan.batch.workers)
        ]
        try:
            while waiting:
                outcome = waiting.pop(0).result()
                ctx.check()
                waiting += [pool.submit(_attempts, plan, i, ctx, one) for i in itertools.islice(left, 1)]
                yield outcome
        finally:
            for future in waiting:
                future.cancel()


def _attempts(plan: Plan, index: int, ctx: Context, one: Callable[[Request], T]) -> T | str:
    reason = ""
    for attempt in range(ATTEMPTS):
        ctx.check()
        try:
            return one(request_for(plan, index, attempt))
        except InputError as error:
            reason = str(error)
    return reason
