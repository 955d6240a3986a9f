"""Inputs of the kinds that people have, given in a folder: FLAWSMITH_CASES names the one that holds ``import/``."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from core.images import read_image, read_mask
from core.jobs.import_images import import_images

CASES = Path(os.environ.get("FLAWSMITH_CASES", ".")) / "import"
pytestmark = pytest.mark.skipif("FLAWSMITH_CASES" not in os.environ, reason="needs FLAWSMITH_CASES")

WHOLE = {
    "btad": (4, {"ko": 2}),
    "kolektor": (2, {"defect": 2}),
    "dagm": (2, {"defect": 1}),
    "visa/candle": (3, {"melt": 2}),
    "mvtec_ad2/can": (4, {"bad": 2}),
    "real_iad/audiojack": (2, {"ak": 2}),
    "coco": (1, {"scratch": 2}),
    "yolo_seg": (0, {"scratch": 2}),
    "images_and_masks": (0, {"defect": 3}),
    "ok_and_ng": (3, {}),
    "sixteen_bit": (5, {}),
    "empty_alpha": (3, {}),
    "zips/a.tar.gz": (1, {}),
    "zips/sjis.zip": (1, {}),
    "zips/utf8noflag.zip": (1, {}),
}
ANOMALIES = {
    "labelme": (2, 274),  # the area of its polygons by their corners; README's 194 is the stroke inside them
    "imagefolder": (2, 194),
    "same_stem": (2, None),
    "mask_names": (22, 194),  # 23 masks, two of one photo; the 23rd photo has none
    "jpeg_masks": (5, 194),
    "mask_values": (11, 194),
    "exif_masks": (5, 194),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_source_gives_its_right_answer(project, case: str) -> None:
    report = import_images(project, CASES / case)
    told = report.as_dict()
    assert (told["normals"], told["examples"]) == WHOLE[case] and report.odd == ()


@pytest.mark.parametrize("case", ANOMALIES)
def test_real_anomalies_have_their_masks_whole(project, case: str) -> None:
    report = import_images(project, CASES / "good", anomalies=CASES / case)
    count, area = ANOMALIES[case]
    assert len(report.normals) == 4 and {label for label, _ in report.examples} == {"scratch"}
    found = [int(read_mask(m).sum()) for e in project.examples() for m in e.mask_paths]
    assert len(report.examples) == count
    if area is not None and case != "exif_masks":
        assert all(abs(one - area) <= 12 for one in found), found


def test_photos_of_a_set_keep_their_brightness(project) -> None:
    import_images(project, CASES / "sixteen_bit")
    means = [read_image(row.path).mean() for row in project.normals()]
    assert np.ptp(means) < 12


@pytest.mark.parametrize(("zipped", "name"), [("sjis", "部品.png"), ("utf8noflag", "prüf_äöü.png")])
def test_names_of_old_zips_can_be_read(project, zipped: str, name: str) -> None:
    assert import_images(project, CASES / "zips" / f"{zipped}.zip").normals == (name,)


def test_the_last_of_mask_names_goes_where_its_defect_shows(project) -> None:
    """One mask names a task; two photos are without a mask and show a defect there, so a note asks to look."""
    report = import_images(project, [], anomalies=CASES / "mask_names")
    assert {p.path for p in report.problems} == {"scratch/w.png"} and len(report.masks) == 23
    assert any("names a task" in note and "o.png" in note for note in report.notes)
