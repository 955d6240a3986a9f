"""One run, four shards merged, two processes, a Ray cluster of three nodes: the same samples, byte for byte.

FLAWSMITH_SAMPLES says how many of each engine (200). These are the engines that need no model; what models draw
together is the same but for rounding.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from core.api import GenerationBatch, SampleFilter, Workbench
from core.engines.registry import engines
from core.images import mask_png_bytes, png_bytes
from tests.engines.test_contract import DISCS, SHAPE, disc, part_photo, real_example
from tests.jobs.ray_nodes import nodes_of_one_machine

COUNT = int(os.environ.get("FLAWSMITH_SAMPLES", "200"))
LABEL = "defect"
MODEL_FREE = sorted(name for name, engine in engines().items() if not engine.draws_with_model)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos with named parts, and a real anomaly."""
    path = tmp_path_factory.mktemp("same") / "part"
    with Workbench.create(path) as bench:
        for seed in (5, 6, 7):
            photo = png_bytes(part_photo(seed=seed))
            row = bench.project.add_normal(photo, "png", f"{seed}.png", SHAPE[1], SHAPE[0], False)
            for name, at in zip(("nut", "washer", "bolt"), DISCS, strict=True):
                bench.project.set_region(row.id, name, mask_png_bytes(disc(SHAPE, *at, 13)), "hand", 1.0)
        example = real_example()
        height, width = example.mask.shape
        bench.project.add_example(
            png_bytes(example.pixels), "png", LABEL, "structural", [mask_png_bytes(example.mask)], "e", width, height
        )
        bench.bank.add_real(LABEL)
    return path


@pytest.fixture(scope="module")
def ray_address() -> Any:
    with nodes_of_one_machine(3) as cluster:
        yield cluster.address


def stored(bench: Workbench) -> list[tuple[str, ...]]:
    """Digests of all that is stored of each sample, in their order."""
    found = []
    for row in bench.review.page(SampleFilter(), 0, 100_000):
        maps = [*row.instance_paths, *row.component_paths.values(), *row.picture_paths.values()]
        files = [row.image_path, row.mask_path, *maps, *filter(None, [row.attention_path, row.unrefined_path])]
        parts = [*(path.read_bytes() for path in files), row.recipe_json.encode(), repr(row.scores).encode()]
        found.append((row.id, *(hashlib.sha256(part).hexdigest() for part in [*parts, row.descriptor or b""])))
    return found


def made(template: Path, folder: Path, batch: GenerationBatch, **where: str) -> list[tuple[str, ...]]:
    with Workbench.open(Path(shutil.copytree(template, folder))) as bench:
        assert bench.studio.generate(batch, **where)["samples"] == batch.count
        return stored(bench)


def merged(template: Path, folder: Path, batch: GenerationBatch) -> list[tuple[str, ...]]:
    shards = [folder / f"shard-{i}" for i in range(1, 5)]
    for i, shard in enumerate(shards, start=1):
        with Workbench.open(template, for_reading=True) as bench:
            bench.shards.make(batch, f"{i}/4", shard)
    with Workbench.open(Path(shutil.copytree(template, folder / "p"))) as bench:
        assert bench.shards.merge(shards[::-1]).samples == batch.count
        return stored(bench)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MODEL_FREE)
def test_all_ways_make_the_same(name: str, template: Path, tmp_path: Path) -> None:
    batch = GenerationBatch(engine=name, label=LABEL, count=COUNT, seed=11, workers=1)
    alone = made(template, tmp_path / "alone", batch)
    assert len({sample[1] for sample in alone}) > COUNT / 2, "the samples differ from each other"
    assert merged(template, tmp_path, batch) == alone
    assert made(template, tmp_path / "processes", batch, devices="cpu:2") == alone


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MODEL_FREE)
def test_ray_makes_the_same(name: str, ray_address: str, template: Path, tmp_path: Path) -> None:
    batch = GenerationBatch(engine=name, label=LABEL, count=COUNT, seed=11, workers=1)
    assert made(template, tmp_path / "ray", batch, ray=ray_address) == made(template, tmp_path / "alone", batch)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_model_draws_the_same_in_a_place_for_a_gpu(
    toy_folder: Path, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray believes in the GPU that a node claims; the worker draws on the CPU where torch finds none."""
    monkeypatch.setenv("FLAWSMITH_BACKBONE", str(toy_folder))
    params = {"steps": 2}
    batch = GenerationBatch(engine="inpaint", label=LABEL, count=5, seed=4, params=params, batch_size=1, workers=1)
    with nodes_of_one_machine(1, num_gpus=1) as cluster:
        assert made(template, tmp_path / "ray", batch, ray=cluster.address) == made(
            template, tmp_path / "alone", batch
        )
