"""Samples stored at once are those that are stored one after the other; a group is there whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.api import GenerationBatch, SampleFilter, Workbench
from core.errors import NotFound
from core.jobs.batch_maker import BatchMaker
from core.jobs.bulk_store import store_all
from core.jobs.packed_sample import PackedSample
from core.jobs.product_data import ProductData
from core.jobs.requests import plan_batch
from core.jobs.stored_samples import StoredSamples
from core.store import Project

BATCH = GenerationBatch(engine="perlin", label="stain", count=4, seed=3, workers=1)


@pytest.fixture
def project(tmp_path: Path, photo_folder: Path) -> Iterator[Project]:
    with Workbench.create(tmp_path / "p") as bench:
        bench.photos.import_images(photo_folder)
        yield bench.project


@pytest.fixture
def samples(project: Project) -> list[PackedSample]:
    made = BatchMaker(project, BATCH).make(range(4), lambda request: None)
    return [one for one in made if isinstance(one, PackedSample)]


def test_a_group_is_stored_as_its_samples_are_alone(
    project: Project, samples: list[PackedSample], tmp_path: Path
) -> None:
    project.close()
    with Project.open(Path(shutil.copytree(project.path, tmp_path / "q"))) as other:
        alone = [sample.store(other) for sample in samples]
    with Project.open(project.path) as opened:
        together = store_all(opened, samples)
        assert [row.id for row in store_all(opened, samples)] == [row.id for row in alone]
        assert opened.samples(SampleFilter()) == together and len(together) == 4
        assert [(r.id, r.number, r.scores) for r in together] == [(r.id, r.number, r.scores) for r in alone]
        assert all(row.image_path.read_bytes() == one.image_png for row, one in zip(together, samples, strict=True))


def test_a_group_that_cannot_be_stored_is_not_stored_in_part(project: Project, samples: list[PackedSample]) -> None:
    with pytest.raises(NotFound):
        store_all(project, [*samples[:3], replace(samples[3], normal_id="gone")])
    assert project.count_samples() == 0


def test_what_is_stored_is_found_by_seed_and_read_when_asked_for(
    project: Project, samples: list[PackedSample]
) -> None:
    rows = store_all(project, samples)
    stored = StoredSamples.of(plan_batch(ProductData(project), BATCH))
    assert stored.with_seeds([rows[2].seed, 5]) == [rows[2]]
    project.delete_samples([rows[2].id])
    assert stored.with_seeds([rows[2].seed]) == [], "it was deleted meanwhile"
    assert project.ids_by_seed("stain", "perlin") == {row.seed: row.id for row in rows if row is not rows[2]}
    assert project.ids_by_seed("stain", "poisson") == {}
