"""The same photo, mask, engine, settings and seed give the same bytes in Studio, after *Place*, and in bulk."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from core.api import GenerationBatch, Workbench
from core.api.studio.studio import TryRequest
from core.engines.api import Context
from core.engines.registry import engine, engines, learning_engines
from core.images import mask_png_bytes, png_bytes
from core.jobs.requests import PlacedMask, RequestBuilder
from core.types import Recipe
from core.validation import read_settings
from tests.engines.test_contract import DISCS, SHAPE, blob, disc, part_photo, real_example

LABEL = "defect"


@pytest.fixture(scope="module")
def bench(toy_model: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """Three photos with named parts, two real anomalies, and a concept of every engine that learns."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two collapse where anything else uses the cores
    with Workbench.create(tmp_path_factory.mktemp("parity") / "part") as opened:
        for seed in (5, 6, 7):
            row = opened.project.add_normal(
                png_bytes(part_photo(seed=seed)), "png", f"{seed}.png", SHAPE[1], SHAPE[0], False
            )
            for name, at in zip(("nut", "washer", "bolt"), DISCS, strict=True):
                opened.project.set_region(row.id, name, mask_png_bytes(disc(SHAPE, *at, 13)), "hand", 1.0)
        example = real_example()
        for mask in (example.mask, blob(example.mask.shape)):
            opened.project.add_example(
                png_bytes(example.pixels), "png", LABEL, "structural", [mask_png_bytes(mask)], "e",
                mask.shape[1], mask.shape[0],
            )  # fmt: skip
        opened.bank.add_real(LABEL)
        data = opened.material
        normals = [data.normal(row.id) for row in opened.project.normals()]
        for name, learner in learning_engines().items():
            settings = read_settings(learner.Learning, {"steps": 2}, name)
            learner.learn(data.examples(LABEL), normals, LABEL, settings, Context("cpu", data.concepts))
        yield opened
    torch.set_num_threads(threads)


def settings_of(name: str) -> dict[str, int]:
    """Few steps, for engines that take steps."""
    return {"steps": 4} if "steps" in engine(name).Params.model_fields else {}


@pytest.mark.parametrize("name", sorted(engines()))
def test_a_sample_of_a_batch_is_made_again_in_the_studio(bench: Workbench, name: str) -> None:
    made = bench.studio.generate(
        GenerationBatch(engine=name, label=LABEL, count=1, seed=3, params=settings_of(name), workers=1)
    )
    row = bench.review.row(made["sample_ids"][0])
    recipe = Recipe.from_json(row.recipe_json)
    placed = None
    if "mask" in engine(name).needs:
        placed = bench.masks.place(recipe.normal_id, name, LABEL, settings_of(name), {}, recipe.seed)
    order = TryRequest(name, LABEL, recipe.normal_id, settings_of(name), placed, seed=recipe.seed, variants=1)
    (again,) = bench.studio.try_out(order)
    assert again.recipe_json == row.recipe_json
    assert again.image_path.read_bytes() == row.image_path.read_bytes()
    assert again.mask_path.read_bytes() == row.mask_path.read_bytes()


def test_a_context_rectangle_gives_the_same_bytes_in_both(bench: Workbench) -> None:
    settings = {**settings_of("inpaint"), "context": "40x36+2-1"}
    batch = GenerationBatch(engine="inpaint", label=LABEL, count=1, seed=3, params=settings, workers=1)
    row = bench.review.row(bench.studio.generate(batch)["sample_ids"][0])
    recipe = Recipe.from_json(row.recipe_json)
    assert recipe.params["context"] == "40x36+2-1"
    placed = bench.masks.place(recipe.normal_id, "inpaint", LABEL, settings, {}, recipe.seed)
    order = TryRequest("inpaint", LABEL, recipe.normal_id, settings, placed, seed=recipe.seed, variants=1)
    (again,) = bench.studio.try_out(order)
    assert again.recipe_json == row.recipe_json
    assert again.image_path.read_bytes() == row.image_path.read_bytes()


def test_a_placed_mask_keeps_its_example_for_all_variants(bench: Workbench) -> None:
    photo = bench.project.normals()[0].id
    placed = bench.masks.place(photo, "cut_paste", LABEL, {}, {"position": "examples"}, 4)
    order = TryRequest("cut_paste", LABEL, photo, {}, placed, seed=1)
    requests = [bench.studio.build_request(order, variant) for variant in range(6)]
    assert {r.examples[0].id for r in requests} == {placed.example_id}
    assert {r.placement for r in requests} == {placed.placement} and placed.placement.follows_example


def test_a_drawn_mask_has_no_placement_and_any_example(bench: Workbench) -> None:
    photo = bench.project.normals()[0].id
    order = TryRequest("cut_paste", LABEL, photo, {}, blob(SHAPE), seed=1)
    requests = [bench.studio.build_request(order, variant) for variant in range(12)]
    assert {r.placement for r in requests} == {None}
    assert len({r.examples[0].id for r in requests}) == 2


def test_a_label_without_examples_is_placed_like_none(bench: Workbench) -> None:
    builder = RequestBuilder.of(bench.material, "perlin", "burn", {})
    placed = builder.place(bench.material.normal(bench.project.normals()[0].id), 9)
    assert isinstance(placed, PlacedMask) and placed.example_id is None and placed.mask.any()
    assert builder.request(bench.material.normal(bench.project.normals()[0].id), 9, placed).examples == ()
    assert np.array_equal(placed.mask, builder.place(bench.material.normal(bench.project.normals()[0].id), 9).mask)
