"""Bulk generation: request → engine → scores → store, one sample after the other, side by side, or several as one.

Each sample has seeds of its own, so the same batch gives the same bytes whatever the number of workers. Samples that a
model draws together are those it draws one by one, but for rounding: a pixel in ten thousand may differ by one level.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

from core.engines.api import Context, Engine, GoodPhotos, sample_or_error
from core.engines.registry import engine
from core.errors import Cancelled, InputError
from core.jobs.bulk_store import store_all
from core.jobs.cluster.dispatch import ClusterDispatch
from core.jobs.cluster.nodes import WorkerCluster
from core.jobs.packed_sample import PackedSample
from core.jobs.product_data import ProductData
from core.jobs.requests import BatchPlan, GenerationBatch, build_request, plan_batch
from core.jobs.sample_identity import ATTEMPTS
from core.jobs.stored_samples import StoredSamples, recorded_inputs
from core.jobs.worker_processes import WorkerPlace, WorkerProcesses
from core.masks import rle
from core.progress import Progress, unwatched
from core.quality import scores
from core.store import Project, SampleRow
from core.types import Image, Recipe, Region, Request, Sample

MadeSample = Sample | SampleRow | PackedSample
SampleMaker = Callable[[Sequence[Request]], Sequence[MadeSample | InputError]]

GROUP_ON_A_CLUSTER = 8
"""Samples that a cluster's worker gets at once at least, for engines that draw several together. What suits its
machine is not known here."""


def generate(
    material: ProductData,
    batch: GenerationBatch,
    *,
    places: Sequence[WorkerPlace] = (),
    cluster: WorkerCluster | None = None,
    job_id: str | None = None,
    progress: Progress = unwatched,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Make and store a batch, in a process at each of ``places`` or on the nodes of a ``cluster`` where given; returns
    counts of ``samples``, ``given_up`` and ``left_out`` photos, ``cancelled``, ``sample_ids``, ``notes`` and a
    ``message``.

    What an earlier run of the same batch stored is found, not made again. Samples are stored in index order as soon
    as they and all before them are there; cancel keeps those. InputError before anything is made if the batch itself
    is wrong; a sample whose every attempt changes nothing is counted in ``given_up``.
    """
    plan = plan_batch(material, batch)
    ctx = Context(cancelled=cancelled, concepts=material.concepts, normals=material, regions_of=material.regions)
    ids: list[str] = []
    given_up: list[str] = []
    stopped = False
    try:
        for outcome in _batch_outcomes(plan, places, cluster, job_id, ctx):
            if isinstance(outcome, str):
                given_up.append(outcome)
            else:
                ids.append(ensure_stored(material.project, outcome, job_id).id)
            preview = outcome.image if isinstance(outcome, Sample) else None
            progress(len(ids) + len(given_up), batch.count, preview)
    except Cancelled:
        stopped = True
    if not ids and given_up:
        raise InputError(f"{batch.engine}: no sample came out; the last reason was: {given_up[-1]}")
    lost = [f"{len(given_up)} given up ({given_up[-1]})"] if given_up else []
    message = ", ".join([f"{len(ids)} samples", *lost, *plan.notes])
    return {
        "samples": len(ids),
        "given_up": len(given_up),
        "left_out": plan.left_out,
        "notes": plan.notes,
        "cancelled": stopped,
        "sample_ids": ids,
        "message": message,
    }


def _batch_outcomes(
    plan: BatchPlan,
    places: Sequence[WorkerPlace],
    cluster: WorkerCluster | None,
    job_id: str | None,
    ctx: Context,
) -> Iterator[MadeSample | str]:
    """All samples of a batch in order, made by the threads of this process, by one process at each of ``places``, or
    on a cluster.

    Those that are stored already are found. What a cluster made is stored here, as many at once as came.
    """
    indices, project = range(plan.batch.count), plan.product_data.project
    if cluster is not None:
        step = (plan.batch.batch_size or GROUP_ON_A_CLUSTER) if plan.engine.draws_batches else 1
        for made in ClusterDispatch(plan, cluster, ctx, step).outcomes():
            rows = iter(store_all(project, [one for one in made if isinstance(one, PackedSample)], job_id))
            for one in made:
                yield next(rows) if isinstance(one, PackedSample) else _found(project, one)
        return
    if not places:
        stored = StoredSamples.of(plan).find
        yield from generate_outcomes(plan, indices, ctx, lambda asked: make_missing(plan, asked, ctx, stored))
        return

    def make(batch: Sequence[int]) -> list[MadeSample | str]:
        return [made if isinstance(made, PackedSample) else _found(project, made) for made in workers.make(batch)]

    with WorkerProcesses(project.path, plan.batch, places, ctx.cancelled) as workers:
        yield from _in_order(_index_batches(plan, indices, ctx), make, len(places), ctx)


def _found(project: Project, outcome: str | tuple[str, str]) -> SampleRow | str:
    """A sample that is stored already, or why there is none."""
    return outcome if isinstance(outcome, str) else project.sample_row(outcome[1])


def make_samples(chosen: Engine, request: Request, ctx: Context) -> Iterator[Sample]:
    """The engine's samples, signed with all that was asked and scored against the photo."""
    for sample in chosen.generate(request, ctx):
        yield _signed(chosen, request, sample, ctx)


def _signed(chosen: Engine, request: Request, sample: Sample, ctx: Context) -> Sample:
    mask, regions = recorded_inputs(chosen, request)
    signed = replace(sample, recipe=replace(sample.recipe, mask=mask, regions=regions))
    found = scores(compared_photo(request, sample, ctx.normals), signed)
    return signed.scored({**found, **_compared_to_request(request, signed)})


def _compared_to_request(request: Request, sample: Sample) -> dict[str, float]:
    """``asked_kept``: share of the mask asked for that is left of it; ``off_part``: share of a structural anomaly that
    lies neither on the part nor where it was asked for; both 0..1.

    Whoever puts a mask beside the part knows better than what found the part automatically: a tray's floor is none to
    it.
    """
    found: dict[str, float] = {}
    if request.mask is not None and request.mask.shape == sample.mask.shape:
        found["asked_kept"] = float((sample.mask & request.mask).sum() / request.mask.sum())
    whole = request.object_mask
    if whole is not None and whole.shape == sample.mask.shape and sample.kind == "structural" and sample.mask.any():
        stray = sample.mask & ~whole
        if request.mask is not None and request.mask.shape == stray.shape:
            stray &= ~request.mask
        found["off_part"] = float(stray.sum() / sample.mask.sum())
    return found


def make_each(plan: BatchPlan, requests: Sequence[Request], ctx: Context) -> list[Sample | InputError]:
    """What the plan's engine makes of each request, several of them together if it can; or why it makes nothing."""
    chosen = plan.engine
    if len(requests) > 1 and chosen.draws_batches:
        # One that cannot be drawn at all must not take the others along; alone it says why.
        with suppress(InputError):
            made = chosen.generate_batch(requests, ctx)
            return [
                sample if isinstance(sample, InputError) else sample_or_error(_signed, chosen, request, sample, ctx)
                for request, sample in zip(requests, made, strict=True)
            ]
    return [sample_or_error(_first, chosen, request, ctx) for request in requests]


def make_missing(
    plan: BatchPlan, requests: Sequence[Request], ctx: Context, stored: Callable[[Request], SampleRow | None]
) -> list[MadeSample | InputError]:
    """As ``make_each``, for the requests that ``stored`` has no row of; the rows of the others."""
    found: dict[int, MadeSample | InputError] = {
        request.seed: row for request in requests if (row := stored(request)) is not None
    }
    missing = [request for request in requests if request.seed not in found]
    found |= {request.seed: made for request, made in zip(missing, make_each(plan, missing, ctx), strict=True)}
    return [found[request.seed] for request in requests]


def _first(chosen: Engine, request: Request, ctx: Context) -> Sample:
    return next(make_samples(chosen, request, ctx))


def compared_photo(request: Request, sample: Sample, goods: GoodPhotos | None) -> Image:
    """The photo that ``sample`` is to be compared with: the donor, or another of the project, where the engine says
    that it is that one which differs."""
    wanted = sample.recipe.normal_id
    lent = [photo for photo in (request.normal, request.donor) if photo is not None and photo.id == wanted]
    if not lent and goods is not None:
        lent = [goods.normal(wanted)]
    return (lent or [request.normal])[0].pixels


def remake(material: ProductData, recipe: Recipe, ctx: Context | None = None) -> Sample:
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
        normal_ids=tuple(map(str, recipe.notes["normal_ids"])) if "normal_ids" in recipe.notes else None,
    )
    ctx = ctx or Context(concepts=material.concepts, normals=material, regions_of=material.regions)
    return next(iter(make_samples(chosen, request, ctx)))


def ensure_stored(project: Project, made: MadeSample, job_id: str | None = None) -> SampleRow:
    """``made`` as it lies in the project, written if it does not yet."""
    if isinstance(made, SampleRow):
        return made
    return (made if isinstance(made, PackedSample) else PackedSample.of(made)).store(project, job_id)


def store_sample(project: Project, sample: Sample, job_id: str | None = None) -> SampleRow:
    """Write a sample, its recipe inside its PNG, with the scores and the near-duplicate descriptor."""
    return PackedSample.of(sample).store(project, job_id)


def generate_outcomes(
    plan: BatchPlan, indices: Sequence[int], ctx: Context, made_of: SampleMaker
) -> Iterator[MadeSample | str]:
    """What ``made_of`` makes of the request of each of ``indices``, in their order whatever the workers; or why it
    makes nothing.

    It gets as many requests at once as the engine is best asked for. At most ``2 * workers`` such batches are made
    ahead of the one that is taken. Cancelled within a step of the engine.
    """
    make = lambda batch: _generate_with_retries(plan, batch, ctx, made_of)  # noqa: E731
    return _in_order(_index_batches(plan, indices, ctx), make, plan.batch.workers, ctx)


def _index_batches(plan: BatchPlan, indices: Sequence[int], ctx: Context) -> Iterator[Sequence[int]]:
    size = engine_batch_size(plan, ctx)
    return (indices[start : start + size] for start in range(0, len(indices), size))


def _in_order(
    batches: Iterator[Sequence[int]],
    make: Callable[[Sequence[int]], list[MadeSample | str]],
    workers: int,
    ctx: Context,
) -> Iterator[MadeSample | str]:
    """What ``make`` gives for each batch of indices, side by side in ``workers`` threads, in the batches' order."""
    if workers == 1:
        for batch in batches:
            yield from make(batch)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="generate") as pool:

        def ahead(count: int) -> list[Future[list[MadeSample | str]]]:
            return [pool.submit(make, batch) for batch in itertools.islice(batches, count)]

        waiting = ahead(2 * workers)
        try:
            while waiting:
                found = waiting.pop(0).result()
                ctx.check()
                waiting += ahead(1)
                yield from found
        finally:
            for future in waiting:
                future.cancel()


def engine_batch_size(plan: BatchPlan, ctx: Context) -> int:
    """How many requests the plan's engine gets at once."""
    if not plan.engine.draws_batches:
        return 1
    return plan.batch.batch_size or plan.engine.preferred_batch_size(plan.batch.params, plan.batch.label, ctx)


def _generate_with_retries(
    plan: BatchPlan, indices: Sequence[int], ctx: Context, made_of: SampleMaker
) -> list[MadeSample | str]:
    """Tries each of ``indices`` until something comes of it, at most ATTEMPTS times."""
    found: dict[int, MadeSample] = {}
    reasons = dict.fromkeys(indices, "")
    for attempt in range(ATTEMPTS):
        asked: dict[int, Request] = {}
        for index in indices:
            ctx.check()
            if index in found:
                continue
            try:
                asked[index] = build_request(plan, index, attempt)
            except InputError as error:
                reasons[index] = str(error)
        for index, made in zip(asked, made_of(list(asked.values())), strict=True):
            if isinstance(made, InputError):
                reasons[index] = str(made)
            else:
                found[index] = made
        if len(found) == len(indices):
            break
    return [found[index] if index in found else reasons[index] for index in indices]
