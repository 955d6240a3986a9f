"""Datasets that are recognised by where their files lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.importers.importer import importers
from core.jobs.import_images import plan_import
from tests.importers.drawn import MASK, bad, coded, good, mask, photo, write

AREA = int(MASK.sum())
XYZ = coded(photo(9))

LAYOUTS = {
    "mvtec-ad": (
        {f"Train/Good/{n}.png": good(n) for n in range(3)}
        | {"Test/Good/0.png": good(8), "Test/Bent/0.png": bad(), "Ground_Truth/Bent/0_mask.png": mask()},
        (3, {"bent": 1}, {}),
    ),
    "mvtec-loco": (
        {f"train/good/{n}.png": good(n) for n in range(2)}
        | {"validation/good/0.png": good(7), "test/logical_anomalies/0.png": bad()}
        | {"ground_truth/logical_anomalies/0/000.png": mask(251)}
        | {"defects_config.json": '[{"defect_name": "Missing Nut", "pixel_value": 251}]'},
        (3, {"missing_nut": 1}, {}),
    ),
    "mvtec-ad-2": (
        {f"can/train/good/{n}_regular.png": good(n) for n in range(2)}
        | {"can/test_public/good/0.png": good(7), "can/test_public/bad/1_regular.png": bad()}
        | {"can/test_public/ground_truth/bad/1_regular_mask.png": mask(), "can/test_private/5.png": bad(5)}
        | {"can/test_private_mixed/5.png": bad(6)},
        (2, {"bad": 1}, {}),
    ),
    "mvtec-3d-ad": (
        {"train/good/rgb/0.png": good(0), "train/good/xyz/0.tiff": XYZ, "validation/good/rgb/0.png": good(1)}
        | {"test/hole/rgb/0.png": bad(), "test/hole/gt/0.png": mask(), "test/hole/xyz/0.tiff": XYZ}
        | {"test/good/rgb/4.png": good(4)},
        (2, {"hole": 1}, {}),
    ),
    "btad": (
        {f"train/ok/{n}.bmp": good(n, "BMP") for n in range(3)}
        | {"test/ok/0.bmp": good(8, "BMP"), "test/ko/0.bmp": bad(form="BMP"), "ground_truth/ko/0.png": mask()},
        (3, {"ko": 1}, {}),
    ),
    "kolektor-sdd": (
        {"kos01/Part0.jpg": good(0, "JPEG"), "kos01/Part0_label.bmp": mask(drawn=False, form="BMP")}
        | {"kos02/Part1.jpg": bad(form="JPEG"), "kos02/Part1_label.bmp": mask(form="BMP")},
        (1, {"defect": 1}, {}),
    ),
    "kolektor-sdd2": (
        {"train/10000.png": good(0), "train/10000_GT.png": mask(drawn=False)}
        | {"test/20001.png": bad(), "test/20001_GT.png": mask()},
        (1, {"defect": 1}, {}),
    ),
    "dagm": (
        {f"Class1/Train/000{n}.PNG": good(n) for n in range(2)}
        | {"Class1/Train/0005.PNG": bad(), "Class1/Train/Label/0005_label.PNG": mask()}
        | {"Class1/Train/Label/Labels.txt": "1\n", "Class1/Test/0001.PNG": good(9)},
        (2, {"defect": 1}, {}),
    ),
    "real-iad": (
        {"jack/OK/S0000/jack_0000_OK_C1.jpg": good(0, "JPEG"), "jack/NG/AK/S0000/a.jpg": bad(form="JPEG")}
        | {"jack/NG/AK/S0000/a.png": mask()},
        (1, {"ak": 1}, {}),
    ),
    "mask-table": (
        {"candle/Data/Images/Normal/0.JPG": good(0, "JPEG"), "candle/Data/Images/Anomaly/0.JPG": bad(form="JPEG")}
        | {"candle/Data/Masks/Anomaly/0.png": mask(2)}
        | {"candle/image_anno.csv": "image,label,mask\ncandle/Data/Images/Normal/0.JPG,normal,\n"}
        | {"candle/split.md": ""},
        (1, {}, {}),
    ),
    "photos": (
        {f"OK/{n}.png": good(n) for n in range(2)} | {"NG/0.png": bad(), "NG/1.png": bad(1), "NG/0_mask.png": mask()},
        (2, {"ng": 1}, {"ng": 1}),
    ),
}
LAYOUTS["mask-table"][0]["candle/image_anno.csv"] += (  # type: ignore[operator]
    "candle/Data/Images/Anomaly/0.JPG,melt,candle/Data/Masks/Anomaly/0.png\n"
)
LAYOUTS["mask-table"] = (LAYOUTS["mask-table"][0], (1, {"melt": 1}, {}))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_recognised_and_nothing_bad_is_among_the_good(imported, areas, project, layout) -> None:
    files, (normals, examples, unmasked) = LAYOUTS[layout]
    report = imported(files)
    assert report.layout == layout
    told = report.as_dict()
    assert (told["normals"], told["examples"], told["unmasked"]) == (normals, examples, unmasked)
    assert project.count_normals() == normals and set(areas().values()) == {AREA}
    assert all("\n" not in p.reason for p in report.problems)


def test_what_is_left_out_of_a_layout_is_said(imported) -> None:
    report = imported(LAYOUTS["mvtec-3d-ad"][0])
    reasons = {p.path: p.reason for p in report.problems}
    assert "depth map" in reasons["test/hole/xyz/0.tiff"] and "judge detectors" in reasons["test/good/rgb/4.png"]


def test_loco_keeps_kind_and_label(imported, project) -> None:
    imported(LAYOUTS["mvtec-loco"][0])
    assert [(e.label, e.kind) for e in project.examples()] == [("missing_nut", "logical")]


@pytest.mark.parametrize(("ok", "ng"), [("normal", "anomaly"), ("good", "defective"), ("OK", "NG"), ("Pass", "Fail")])
def test_words_for_good_and_bad(imported, ok: str, ng: str) -> None:
    report = imported({f"{ok}/0.png": good(0), f"{ng}/dent/1.png": bad(1), f"{ng}/dent/1_mask.png": mask()})
    assert (len(report.normals), [label for label, _ in report.examples]) == (1, ["dent"])


def test_images_and_masks_are_anomalies_but_where_the_mask_is_black(imported, areas, project) -> None:
    report = imported(
        {f"images/{n}.jpg": bad(n, "JPEG") for n in range(3)}
        | {f"masks/{n}.png": mask(drawn=n < 2) for n in range(3)}
        | {"images/7.jpg": good(7, "JPEG")}
    )
    assert report.normals == ("images/2.jpg",) and areas() == {"0.jpg": AREA, "1.jpg": AREA}
    assert [p.path for p in report.odd] == ["images/7.jpg"], "a photo without a mask among photos with one"


def test_photos_of_one_stem_each_get_their_own_mask(imported, project) -> None:
    imported(
        {"NG/a.png": bad(1), "NG/a.jpg": bad(2, "JPEG"), "NG/a_mask.png": mask(), "NG/a_mask.bmp": mask(1, "BMP")}
        | {"OK/b.png": good()}
    )
    assert sorted(len(e.mask_paths) for e in project.examples()) == [1, 1]


NAMES = [
    "{}_mask.png", "{}_GT.png", "{}_gt.bmp", "{}_label.png", "{}_bin.png", "{}.mask.png", "labels/{}.png",
    "annotations/{}.png", "SegmentationClass/{}.png", "38_gt_folder/{}.png", "ground_truth/{}.bmp", "mask_{}.png",
    "{}_defect.png", "masks/{}.png.png", "gt/{}_gt.png", "masks/{}_manual1.gif", "{}_mask_00.png",
    "GroundTruth/{}.tif", "Masks/{}_mask.png", "masks/{}/0.png", "{}_seg.png", "{}.bmp", "{} (mask).png",
    "{}__mask.png", "{}_gt_mask.png", "{}_mask_gt.png", "{}_segmentation_mask.png", "{}_mask(1).png", "{}_bw.png",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_mask_is_known_by_its_name(imported, areas, name: str) -> None:
    form = {"bmp": "BMP", "gif": "GIF", "tif": "TIFF"}.get(name.rpartition(".")[2], "PNG")
    report = imported(
        {"OK/g.png": good(), "NG/part1.jpg": bad(form="JPEG"), f"NG/{name.format('part1')}": mask(form=form)}
    )
    assert report.normals == ("OK/g.png",) and areas() == {"part1.jpg": AREA}


def test_several_products_are_told_apart(tmp_path) -> None:
    files = {f"{p}/train/good/0.png": good(n) for n, p in enumerate(("bolt", "nut"))}
    with pytest.raises(InputError, match=r"expected one product, found 2 \(bolt, nut\)"):
        plan_import(write(tmp_path, files))


def test_photos_of_more_than_8_bits_share_one_scale(imported, project) -> None:
    scene = photo(1)[..., 0].astype(np.uint16)
    files = {f"{n}.png": coded((scene * (4 + n / 10)).astype(np.uint16)) for n in range(5)}
    report = imported(files)
    assert set(report.as_dict()["depth"]) == {"uint16"}
    notes = {note for row in project.normals() for note in row.notes}
    assert len(notes) == 1 and project.get_setting("depth_scales", {})["uint16"]["high"] == 1023


def test_every_importer_says_what_it_reads() -> None:
    assert len(importers()) >= 20
    for importer in importers():
        assert importer.title and importer.reads and importer.__doc__


def test_the_docs_name_every_format() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "import.md").read_text()
    for importer in importers():
        assert f"| {importer.title} | {importer.reads} |" in page, f"say in docs/import.md what {importer.name} reads"


def test_a_mask_that_names_a_task_goes_to_the_only_photo_without_one(imported, areas) -> None:
    """Label Studio's PNG files of brushes do not name their photo."""
    task = "NG/task-7-annotation-3-by-1-tag-scratch-0.png"
    files = {"OK/0.png": good(0), "NG/a.png": bad(1), "NG/a_mask.png": mask(), "NG/b.png": bad(2), task: mask()}
    assert areas() == {} and imported(files).problems == () and set(areas()) == {"a.png", "b.png"}
    report = imported({"NG/1.png": good(3)}, "OK=good")
    assert set(areas()) == {"a.png", "b.png"}, "of two photos without a mask the one that shows the defect"
    assert any("names a task" in note and "b.png" in note for note in report.notes)


def test_a_mask_that_names_a_task_is_asked_about_where_no_photo_shows_its_defect(imported) -> None:
    task = "NG/task-7-annotation-3-by-1-tag-scratch-0.png"
    report = imported({"OK/0.png": good(0), "NG/a.png": good(1), "NG/b.png": good(2), task: mask()})
    assert task in {p.path for p in report.problems if "names a task" in p.reason}
