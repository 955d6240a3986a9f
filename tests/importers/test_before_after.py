"""Photos before and after an edit: the first are good parts, the second anomalies, their masks what changed."""

from __future__ import annotations

import numpy as np
import pytest

from core.images import read_image, read_mask
from tests.importers.drawn import MASK, coded, photo

BEFORE = [coded(photo(n)) for n in range(3)]
AFTER = []
for n in range(3):
    pixels = photo(n)
    pixels[MASK] = 15
    AFTER.append(coded(pixels))


@pytest.mark.parametrize(
    ("files", "labels"),
    [
        (
            {f"before/{n}.png": BEFORE[n] for n in range(3)}
            | {"after/0.png": AFTER[0], "after/Deep Dent/1.png": AFTER[1], "after/Deep Dent/2.png": AFTER[2]},
            {"defect": 1, "deep_dent": 2},
        ),
        (
            {f"{n}_before.png": BEFORE[n] for n in range(3)} | {f"{n}-AFTER.png": AFTER[n] for n in range(3)},
            {"defect": 3},
        ),
    ],
)
def test_pairs_become_good_parts_and_anomalies(imported, areas, files: dict[str, bytes], labels: dict) -> None:
    report = imported(files)
    told = report.as_dict()
    assert (report.layout, told["normals"], told["examples"]) == ("before-after", 3, labels)
    assert report.problems == () and all(0 <= area - MASK.sum() <= 40 for area in areas().values())


def test_a_pair_in_which_nothing_changed_is_named(imported) -> None:
    files = {f"before/{n}.png": BEFORE[n] for n in range(3)} | {f"after/{n}.png": AFTER[n] for n in range(2)}
    report = imported(files | {"after/2.png": BEFORE[2]})
    (problem,) = report.problems
    assert problem.path == "after/2.png" and "nothing changed" in problem.reason
    assert len(report.normals) == 3 and len(report.examples) == 2


def test_how_sure_the_change_is_stays_beside_the_mask_and_is_not_swept(imported, project) -> None:
    imported({"before/0.png": BEFORE[0], "after/0.png": AFTER[0]})
    (row,) = project.examples()
    assert row.soft_path is not None
    assert project.sweep(older_than_s=-1) == 0
    soft, drawn = read_image(row.soft_path)[..., 0], read_mask(row.mask_paths[0])
    assert soft[MASK].min() > 200 and np.median(soft[~drawn]) < 20 and len(np.unique(soft)) > 8
