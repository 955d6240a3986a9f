"""Bulk generation with an engine that draws several samples at once: order, retries, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.api import Workbench
from core.engines.api import Context, Engine, sample_or_error
from core.engines.registry import engine
from core.errors import InputError
from core.jobs.generation import engine_batch_size, generate_outcomes, make_each
from core.jobs.requests import BatchPlan, GenerationBatch, plan_batch
from core.types import Request, Sample


class Pasting(Engine):
    """``cut_paste`` as an engine that takes four at once, with faults on order."""

    name, title, summary = "cut_paste", "Cut and paste", "The same, several at once."
    kind, needs = "structural", frozenset({"mask"})
    Params = engine("cut_paste").Params

    def __init__(self, fails: Callable[[Request], bool] = lambda request: False, whole: bool = False) -> None:
        self.sizes: list[int] = []
        self._fails, self._whole = fails, whole

    def generate(self, request: Request, ctx: Context) -> Iterator[Sample]:
        if self._fails(request):
            raise InputError(f"no luck with {request.seed}")
        yield from engine("cut_paste").generate(request, ctx)

    def preferred_batch_size(self, params: Mapping[str, Any], label: str, ctx: Context) -> int:
        return 4

    def generate_batch(self, requests: Sequence[Request], ctx: Context) -> list[Sample | InputError]:
        self.sizes.append(len(requests))
        if self._whole:
            raise InputError("this batch cannot be drawn")
        return [sample_or_error(lambda one=request: next(self.generate(one, ctx))) for request in requests]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, photo_folder: Path) -> Iterator[Workbench]:
    with Workbench.create(tmp_path_factory.mktemp("work") / "plates") as bench:
        bench.photos.import_images(photo_folder)
        yield bench


def plan_of(bench: Workbench, drawer: Engine, **given: Any) -> BatchPlan:
    batch = GenerationBatch(**{"engine": "cut_paste", "label": "stain", "count": 10, "seed": 5, "workers": 1, **given})
    plan = plan_batch(bench.material, batch)
    return replace(plan, builder=replace(plan.builder, engine=drawer))


def made(plan: BatchPlan) -> list[Any]:
    ctx = Context()
    return list(generate_outcomes(plan, range(plan.batch.count), ctx, lambda requests: make_each(plan, requests, ctx)))


def alike(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return all(
        np.array_equal(a.image, b.image) and a.recipe == b.recipe and a.scores == b.scores
        for a, b in zip(some, others, strict=True)
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_they_come_in_order_and_are_those_made_one_by_one(bench: Workbench, workers: int) -> None:
    drawer = Pasting()
    assert isinstance(drawer, Engine)
    assert alike(made(plan_of(bench, drawer, workers=workers)), made(plan_of(bench, engine("cut_paste"))))
    assert sorted(drawer.sizes) == [2, 4, 4]


@pytest.mark.parametrize(("asked", "sizes"), [(1, []), (3, [3, 3, 3]), (64, [10])])
def test_a_batch_is_as_large_as_asked_for(bench: Workbench, asked: int, sizes: list[int]) -> None:
    drawer = Pasting()
    plan = plan_of(bench, drawer, batch_size=asked)
    assert engine_batch_size(plan, Context()) == asked and len(made(plan)) == 10 and drawer.sizes == sizes
    assert engine_batch_size(plan_of(bench, engine("cut_paste"), batch_size=asked), Context()) == 1


def test_those_that_fail_try_again_without_the_others(bench: Workbench) -> None:
    first = {one.recipe.seed for one in made(plan_of(bench, engine("cut_paste")))[:2]}
    fails = lambda request: request.seed in first  # noqa: E731
    drawer = Pasting(fails)
    found = made(plan_of(bench, drawer))
    assert all(isinstance(one, Sample) for one in found) and not first & {one.recipe.seed for one in found}
    assert drawer.sizes == [4, 2, 4, 2]
    assert alike(found, made(plan_of(bench, Pasting(fails), batch_size=1)))


def test_one_that_never_comes_is_given_up_with_its_reason(bench: Workbench) -> None:
    found = made(plan_of(bench, Pasting(lambda request: True), count=5))
    assert len(found) == 5 and all(str(one).startswith("no luck with") for one in found)


def test_a_batch_that_cannot_be_drawn_is_drawn_one_by_one(bench: Workbench) -> None:
    drawer = Pasting(whole=True)
    assert alike(made(plan_of(bench, drawer)), made(plan_of(bench, engine("cut_paste")))) and drawer.sizes == [4, 4, 2]


def test_photos_without_the_regions_asked_for_are_left_out_and_counted(
    bench: Workbench, disc_masks: dict[str, np.ndarray]
) -> None:
    first, second, *_ = bench.photos.page()
    bench.regions.save(first.id, "disc", disc_masks["left disc"])
    bench.regions.save(second.id, "knob", disc_masks["right disc"])
    plan = plan_of(bench, engine("cut_paste"), placement={"regions": ("disc",)})
    assert plan.normal_ids == (first.id,) and plan.notes == ["5 photos without disc left out"]
    moved = plan_batch(bench.material, GenerationBatch(engine="layout", label="missing", params={"op": "remove"}))
    assert set(moved.normal_ids) == {first.id, second.id} and moved.left_out == 4
    assert plan_of(bench, engine("cut_paste")).left_out == 0
    with pytest.raises(InputError, match="no photo has disc and knob"):
        plan_of(bench, engine("cut_paste"), placement={"regions": ("disc", "knob")})
    batch = GenerationBatch(engine="layout", label="missing", count=2, params={"op": "remove"}, workers=1)
    result = bench.studio.generate(batch)
    assert result["left_out"] == 4 and "4 photos without named regions left out" in result["message"]


def test_a_batch_that_is_made_again_makes_only_what_is_missing(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = GenerationBatch(engine="perlin", label="again", count=5, seed=2, workers=1)
    first = bench.studio.generate(batch)["sample_ids"]
    bench.project.delete_samples(first[1:3])
    seeds: list[int] = []
    perlin = type(engine("perlin"))
    make = perlin.generate
    monkeypatch.setattr(perlin, "generate", lambda self, r, ctx: (seeds.append(r.seed), make(self, r, ctx))[1])
    again = bench.studio.generate(batch)
    assert again["sample_ids"] == first and again["samples"] == 5
    assert len(seeds) == 2
    bench.studio.generate(batch.model_copy(update={"params": {"opacity_min": 0.9}}))
    assert len(seeds) == 7, "other settings are other samples"
