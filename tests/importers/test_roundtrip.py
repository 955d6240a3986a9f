"""What Flawsmith exports comes back as it was, in every format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.exporters import FORMATS, DatasetItem, export
from core.images import read_image, read_mask
from core.importers.importer import importers
from core.jobs.import_images import import_images
from core.store import Project
from tests.importers.drawn import MASK, photo, scratch


def items() -> list[DatasetItem]:
    normals = [DatasetItem(f"part {n}", photo(n)) for n in range(10)]
    ring = MASK.copy()
    ring[24:27] = False
    parts = [(MASK,), (ring, scratch(at=50)), (scratch(at=40),)]
    made = [
        DatasetItem(f"bad {n}", photo(50 + n, True), ("scratch", "missing_nut", "dent")[n % 3], None, parts[n % 3])
        for n in range(6)
    ]
    kinds = ("structural", "logical", "structural")
    return normals + [DatasetItem(i.name, i.image, i.label, kinds[n % 3], i.masks) for n, i in enumerate(made)]


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("format", FORMATS)
def test_an_export_comes_back_as_it_was(project: Project, tmp_path: Path, format: str, wrap: bool) -> None:
    given = items()
    export(given, tmp_path / "in" / "set", format, {"category": "gear"})
    report = import_images(project, tmp_path / "in" if wrap else tmp_path / "in" / "set")
    assert report.layout == f"flawsmith ({format})" and report.odd == ()
    good = {i.name: i for i in given if i.good}
    assert {r.name for r in project.normals()} == set(good)
    for row in project.normals():
        np.testing.assert_array_equal(read_image(row.path), good[row.name].image)
    bad = {i.name: i for i in given if not i.good}
    assert {e.name for e in project.examples()} == set(bad)
    for row in project.examples():
        item = bad[row.name]
        assert (row.label, row.kind) == (item.label, item.kind)
        union = np.logical_or.reduce([read_mask(m) for m in row.mask_paths])
        np.testing.assert_array_equal(union, np.logical_or.reduce(item.masks))


def test_every_export_format_has_an_importer() -> None:
    assert set(FORMATS) - {"visa"} <= {i.name for i in importers()}
