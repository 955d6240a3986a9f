"""What ``launch.py evaluate`` learns from and is tested on, from folders and projects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.api import GenerationBatch, SampleFilter, Workbench
from core.api.evaluation.folder_sets import folder_sets
from core.errors import InputError
from core.images import mask_png_bytes, png_bytes
from core.types import ReviewStatus

SIDE = 64


def plate(seed: int) -> np.ndarray:
    grain = np.random.default_rng(seed).normal(150, 20, (SIDE, SIDE))
    return np.repeat(np.clip(grain, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def write_dataset(folder: Path, anomalies: int = 9) -> Path:
    """Good plates and plates with a dark square that lies elsewhere on each, in MVTec AD's layout."""
    for i in range(6):
        for split in ("train", "test"):
            path = folder / split / "good" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png_bytes(plate(100 * len(split) + i)))
    for i in range(anomalies):
        image, mask = plate(i), np.zeros((SIDE, SIDE), np.bool_)
        mask[5 * i : 5 * i + 12, 6 : 6 + 2 * (i + 4)] = True
        image[mask] = 20
        for place, data in ((f"test/dent/{i}.png", png_bytes(image)),
                            (f"ground_truth/dent/{i}_mask.png", mask_png_bytes(mask))):  # fmt: skip
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(data)
    return folder


def names(shots: object) -> list[str]:
    return sorted(shot.name for shot in shots if not shot.good)  # type: ignore[attr-defined]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with two thirds of a dataset kept for the test, and one pair cut from what is left."""
    with Workbench.create(tmp_path / "plates") as bench:
        bench.photos.import_images(write_dataset(tmp_path / "data"))
        bench.photos.set_split("1/3")
        bench.studio.generate(GenerationBatch(engine="cut_paste", label="dent", count=3, seed=1, workers=1))
        rows = bench.review.page(SampleFilter(), 0, 9)
        bench.review.set_status([row.id for row in rows], ReviewStatus.KEPT)
    return tmp_path / "plates"


def test_without_test_a_project_is_tested_on_what_its_split_keeps(project: Path) -> None:
    sets = folder_sets(project, None, "localization")
    assert names(sets.test) == [f"dent/{i}" for i in range(3, 9)] and not sets.warnings
    assert {shot.name for shot in sets.learned} <= {"dent/0", "dent/1", "dent/2"}
    again = folder_sets(project, None, "localization", "2/3")
    assert len(names(again.test)) == 3, "--split sets the project's"


def test_of_a_dataset_only_what_was_not_learned_from_is_tested(project: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    sets = folder_sets(project, data, "localization")
    gone = {f"dent/{i}" for i in range(9)} - set(names(sets.test))
    assert gone == {shot.name for shot in sets.learned}, "found by their files"
    assert "Not tested" in sets.notes[-1] and "the same file as" in sets.notes[-1]
    assert names(folder_sets(project, data, "localization", "1/3").test) == [f"dent/{i}" for i in range(3, 9)]
    with pytest.raises(InputError, match="has a split of its own"):
        folder_sets(data, project, "localization", "1/3")
    with pytest.raises(InputError, match="give --test"):
        folder_sets(data, None, "localization")
    with pytest.raises(InputError, match="belongs to --split"):
        folder_sets(project, data, "localization", None, 3)
