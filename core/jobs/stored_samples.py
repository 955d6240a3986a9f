"""What of a batch lies in the project already, so that one that was stopped is gone on with."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import core
from core.engines.api import Engine, read_params
from core.errors import NotFound
from core.jobs.requests import BatchPlan
from core.masks import rle
from core.store import SampleRow
from core.types import Recipe, Request


class StoredSamples:
    """Samples of an engine that are in the project, by seed; ``row_of`` gives that of a seed, or None."""

    def __init__(self, chosen: Engine, row_of: Callable[[int], SampleRow | None]) -> None:
        self._engine, self._row_of = chosen, row_of

    @classmethod
    def of(cls, plan: BatchPlan) -> StoredSamples:
        """Those of a batch's engine and label, as they are now. Rows are read when they are asked for, since there may
        be a million."""
        project = plan.product_data.project
        ids = project.ids_by_seed(plan.batch.label, plan.batch.engine)

        def row_of(seed: int) -> SampleRow | None:
            try:
                return project.sample_row(ids[seed]) if seed in ids else None
            except NotFound:
                return None  # deleted meanwhile

        return cls(plan.engine, row_of)

    @classmethod
    def among(cls, chosen: Engine, rows: Iterable[SampleRow]) -> StoredSamples:
        """These ``rows``."""
        return cls(chosen, {row.seed: row for row in rows}.get)

    def find(self, request: Request) -> SampleRow | None:
        """The sample that making ``request`` would give again; None if it is not stored, or was made otherwise."""
        row = self._row_of(request.seed)
        if row is None or not matches_request(Recipe.from_json(row.recipe_json), request, self._engine):
            return None
        return row

    def with_seeds(self, seeds: Iterable[int]) -> list[SampleRow]:
        """Those that have one of ``seeds``."""
        return [row for seed in seeds if (row := self._row_of(seed)) is not None]


def matches_request(recipe: Recipe, request: Request, chosen: Engine) -> bool:
    """Whether ``recipe`` is what ``request`` would be signed with, so that making it again gives the same bytes."""
    packed, regions = recorded_inputs(chosen, request)
    asked = Recipe(
        engine=chosen.name,
        label=request.label,
        kind=recipe.kind,
        normal_id=request.normal.id,
        seed=request.seed,
        params=read_params(chosen, request.params).model_dump(mode="json"),
        placement=recipe.placement,
        notes=recipe.notes,
        mask=packed,
        regions=regions,
        donor_id=request.donor.id if request.donor else None,
        example_ids=tuple(e.id for e in request.examples),
        feather=recipe.feather,
        version=core.__version__,
        extra=recipe.extra,
    )
    return asked == recipe


def recorded_inputs(chosen: Engine, request: Request) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """The request's mask and, where the engine needs them, its regions, as a recipe holds them."""
    packed = rle.pack(request.mask) if request.mask is not None else None
    return packed, tuple((r.name, rle.pack(r.mask)) for r in request.regions) if "regions" in chosen.needs else ()
