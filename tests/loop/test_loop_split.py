"""Who teaches, guides and judges: photos of one part together, what was learned from left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.api import Workbench
from core.errors import InputError
from core.images import mask_png_bytes, png_bytes
from core.loop.loop_split import check_sources, split_photos
from tests.loop.toy_loop import SIDE, toy_dent, toy_plate, toy_project


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    with toy_project(tmp_path / "toy") as found:
        yield found


def lit(image: np.ndarray, gain: float) -> np.ndarray:
    return np.clip(image.astype(float) * gain + 5, 0, 255).astype(np.uint8)


def test_two_photos_of_one_part_never_lie_in_two_parts(bench: Workbench) -> None:
    twins = [
        (bench.project.normals()[i].id,
         bench.project.add_normal(png_bytes(lit(toy_plate(i), 0.85)), "png", f"lit{i}.png", SIDE, SIDE, False).id)
        for i in range(8)
    ]  # fmt: skip
    for seed in range(3):
        found = split_photos(bench.project, seed)
        parts = [set(ids) for ids in (found.learn_good, found.validation_good, found.test_good)]
        assert all(any({a, b} <= part for part in parts) for a, b in twins)
        assert sum(map(len, parts)) == 28 and min(map(len, parts)) >= 5


def test_an_anomaly_that_looks_like_one_that_teaches_neither_guides_nor_judges(bench: Workbench) -> None:
    taught = bench.project.examples(part="learn")[0]
    image, mask = toy_dent(int(Path(taught.name).stem), 110)
    again = bench.project.add_example(
        png_bytes(lit(image, 0.9)), "png", "dent", "structural", [mask_png_bytes(mask)], "again.png", SIDE, SIDE
    )
    bench.project.move_example(again.id, "test")
    found = split_photos(bench.project, 0)
    assert again.id not in (*found.validation_real, *found.test_real) and len(found.test_real) == 4
    assert "1 real anomalies neither guide nor judge" in found.notes[0] and "looks like" in found.notes[0]


def test_the_same_seed_gives_the_same_split_and_labels_are_halved(bench: Workbench) -> None:
    first, other = split_photos(bench.project, 0), split_photos(bench.project, 1)
    assert split_photos(bench.project, 0) == first != other
    assert len(first.validation_real) == len(first.test_real) == 4


def test_pairs_of_what_judges_are_a_leak_and_too_few_photos_are_told(bench: Workbench, tmp_path: Path) -> None:
    found = split_photos(bench.project, 0)
    check_sources(found.learn_real, found, "pairs were made from")
    with pytest.raises(InputError, match=f"leak: pairs were made from 1 real anomalies.*{found.test_real[0]}"):
        check_sources([found.test_real[0], *found.learn_real], found, "pairs were made from")
    bench.project.remove_examples(row.id for row in bench.project.examples(part="test")[1:])
    with pytest.raises(InputError, match="one to guide and one to judge, got 1"):
        split_photos(bench.project, 0)
    bench.project.remove_normals(row.id for row in bench.project.normals()[4:])
    with pytest.raises(InputError, match="6 photos of good parts or more, got 4"):
        split_photos(bench.project, 0)
