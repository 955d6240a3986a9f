"""Folders, tables and archives as people have them: nothing bad among the good, and nothing passed over."""

from __future__ import annotations

import io
import json
import zipfile

import cv2
import numpy as np
import pytest

from tests.importers.drawn import MASK, SIZE, bad, coded, good, mask
from tests.importers.test_annotations import BOX, brush

AREA = int(MASK.sum())
HEIGHT, WIDTH = SIZE
GOOD = {f"OK/{n}.png": good(n) for n in range(3)}


def photos(folder: str, count: int = 2, is_bad: bool = True) -> dict[str, bytes]:
    return {f"{folder}/{n}.png".lstrip("/"): bad(n) if is_bad else good(n) for n in range(count)}


def masks(folder: str, name: str = "{}.png", count: int = 2) -> dict[str, bytes]:
    return {f"{folder}/{name.format(n)}".lstrip("/"): mask() for n in range(count)}


@pytest.mark.parametrize(("ok", "ng"), [("良品", "不良品"), ("gute Teile", "schlechte Teile"), ("buenas", "malas"),
                                        ("i.O.", "n.i.O."), ("ok_front", "def_front"), ("good", "scratch"),
                                        ("Negative", "Positive"), ("without defects", "with defects")])  # fmt: skip
def test_bad_parts_are_never_good_whatever_the_language(imported, ok: str, ng: str) -> None:
    report = imported(photos(ok, 3, is_bad=False) | photos(ng))
    assert len(report.normals) == 3 and len(report.unmasked) == 2 and report.odd == ()


FOLDERS = ["Bilder Masken", "图像 掩码", "x y", "imagenes mascaras", "image groundTruthPngImg", "train_img train_lab"]


@pytest.mark.parametrize(("images", "drawn"), [pair.split() for pair in FOLDERS])
def test_folders_of_photos_and_of_masks_by_any_names(imported, areas, images: str, drawn: str) -> None:
    report = imported(photos(images) | masks(drawn))
    assert report.normals == () and report.odd == () and len(report.masks) == 2
    assert areas() == {"0.png": AREA, "1.png": AREA}


@pytest.mark.parametrize(("photo", "drawn"), [("img_{}", "mask_{}.png"), ("image00{}", "mask00{}.png"),
                                              ("{}", "{}.png_mask.png"), ("{}", "{}_Maske.png")])  # fmt: skip
def test_names_that_begin_with_a_word_of_their_own(imported, areas, photo: str, drawn: str) -> None:
    files = {f"images/{photo.format(n)}.png": bad(n) for n in range(2)}
    report = imported(files | masks("masks", drawn))
    assert report.normals == () and list(areas().values()) == [AREA, AREA]


def test_files_named_after_what_they_show(imported) -> None:
    report = imported({f"OK_{n}.png": good(n) for n in range(3)} | {"NG_1.png": bad(1)})
    assert len(report.normals) == 3 and report.unmasked == (("defect", "NG_1.png"),)


@pytest.mark.parametrize("table", [
    "Bild;Klasse;Maske\nbilder/{}.png;gut;\nbilder/{}.png;Kratzer;masken/1.png\n",
    "filename\tclass\tmask_path\nC:\\daten\\bilder\\{}.png\tOK\t\nC:\\daten\\bilder\\{}.png\tKratzer\tC:\\daten\\masken\\1.png\n",
])  # fmt: skip
def test_tables_of_other_lands_and_machines(imported, areas, table: str) -> None:
    files = {"bilder/0.png": good(), "bilder/1.png": bad(), "masken/1.png": mask()}
    report = imported(files | {"tabelle.csv": table.format(0, 1)})
    assert report.layout == "mask-table" and report.normals == ("bilder/0.png",) and areas() == {"1.png": AREA}
    assert [label for label, _ in report.examples] == ["kratzer"]


LINE = "0 " + " ".join(f"{x / WIDTH} {y / HEIGHT}" for x, y in BOX)


@pytest.mark.parametrize("place", ["{}.txt", "labels/{}.txt"])
def test_yolo_beside_the_photos_and_names_in_classes_txt(imported, areas, place: str) -> None:
    folder = "" if place == "{}.txt" else "images/"
    texts = {place.format(0): LINE, place.format(1): ""}
    report = imported({f"{folder}0.png": bad(), f"{folder}1.png": good()} | texts | {"classes.txt": "Kratzer\n"})
    assert report.layout == "yolo-seg" and report.normals == (f"{folder}1.png",) and areas() == {"0.png": 400}
    assert report.as_dict()["examples"] == {"kratzer": 1}


def test_coco_with_much_before_its_lists_and_ids_as_text(imported, areas) -> None:
    data = {
        "info": {"description": "x" * 5000},
        "images": [{"id": str(n), "file_name": f"D:\\p\\{n}.png"} for n in range(2)],
        "annotations": [{"id": 1, "image_id": 0, "category_id": "1", "segmentation": [[v for p in BOX for v in p]]}],
        "categories": [{"id": 1, "name": "Kratzer"}],
    }
    files = {"images/0.png": bad(), "images/1.png": good(), "meta/annotations/v2/all.json": json.dumps(data)}
    report = imported(files)
    assert report.layout == "coco" and report.normals == ("images/1.png",) and areas() == {"0.png": 400}


def test_label_studio_json_min(imported, areas) -> None:
    drawn = {"format": "rle", "rle": brush(MASK), "brushlabels": ["Kratzer"], "original_width": WIDTH}
    tasks = [{"id": 1, "image": "/data/upload/1/ab12cd34-a.png", "tag": [drawn], "annotator": 1},
             {"id": 2, "image": "/data/upload/1/ab12cd34-b.png", "annotator": 1}]  # fmt: skip
    report = imported({"images/a.png": bad(), "images/b.png": good(), "min.json": json.dumps(tasks)})
    assert report.layout == "label-studio" and report.normals == ("images/b.png",) and areas() == {"a.png": AREA}


def test_boxes_of_pascal_voc_tell_good_from_bad(imported) -> None:
    def xml(file: str, objects: str) -> str:
        return f"<annotation><filename>{file}</filename>{objects}</annotation>"

    box = "<object><name>Kratzer</name><bndbox><xmin>1</xmin></bndbox></object>"
    files = {"IMAGES/a.jpg": bad(form="JPEG"), "IMAGES/b.jpg": good(form="JPEG")}
    report = imported(files | {"ANNOTATIONS/a.xml": xml("a.jpg", box), "ANNOTATIONS/b.xml": xml("b.jpg", "")})
    assert report.layout == "voc-boxes" and report.normals == ("IMAGES/b.jpg",)
    assert report.unmasked == (("kratzer", "IMAGES/a.jpg"),)


@pytest.mark.parametrize("name", ["train.csv", "via.json", "a.jpg.json", "a.xml"])
def test_a_photo_that_an_unknown_annotation_tells_of_is_asked_about(imported, name: str) -> None:
    told = imported({"a.jpg": bad(form="JPEG"), "b.jpg": good(form="JPEG"), name: "ImageId,RLE: a.jpg, 3 4 5"})
    assert told.normals == ("b.jpg",) and name in told.odd[0].reason and told.odd[0].path == "a.jpg"


def test_two_valued_photos_are_photos_where_the_real_anomalies_are_too(imported) -> None:
    """Printed boards seen by a camera that gives black and white."""

    def board(seed: int) -> bytes:
        lines = np.zeros(SIZE, np.uint8)
        lines[5 + seed :: 9] = lines[:, 3 + seed :: 7] = 255
        return coded(lines)

    files = {f"train/good/{n}.png": board(n) for n in range(3)} | {
        f"test/open/{n}.png": board(3 + n) for n in range(3)
    }
    report = imported(files | masks("ground_truth/open", "{}_mask.png", 3))
    assert len(report.normals) == 3 and len(report.examples) == 3 and report.odd == ()


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_archives_in_folders_and_in_archives(imported, areas) -> None:
    tree = zipped({"good.zip": zipped(photos("", 3, is_bad=False)), "dent.zip": zipped(photos("")),
                   "dent_mask.zip": zipped(masks(""))})  # fmt: skip
    report = imported({"download/all.zip": tree}, check=False)
    assert len(report.normals) == 3 and list(areas().values()) == [AREA, AREA]


def test_archives_of_one_tree_each(imported, areas) -> None:
    parts = {"train.zip": zipped(photos("train/good", 3, is_bad=False)), "test.zip": zipped(photos("test/dent")),
             "masks.zip": zipped(masks("ground_truth/dent", "{}_mask.png"))}  # fmt: skip
    report = imported(parts, check=False)
    assert report.layout == "mvtec-ad" and len(report.normals) == 3 and report.as_dict()["examples"] == {"dent": 2}


def test_a_mask_of_red_on_white(imported, areas) -> None:
    red = np.where(MASK[..., None], np.uint8([220, 20, 20]), np.uint8([255, 255, 255])).astype(np.uint8)
    imported(GOOD | {"NG/a.png": bad(), "NG/a_mask.png": coded(red)})
    assert areas() == {"a.png": AREA}


def test_pictures_drawn_on_are_asked_about(imported) -> None:
    report = imported(GOOD | photos("OK/overlay"))
    assert len(report.normals) == 3 and len(report.odd) == 2


def board(seed: int) -> bytes:
    """A picture of two values like a printed board: bright tracks and pads on dark."""
    rng = np.random.default_rng(seed)
    pixels = np.full((120, 160), 20, np.uint8)
    for y in range(6, 120, 12):
        cv2.line(pixels, (0, y), (60 + int(rng.integers(80)), y), 230, 4)
    for x in range(10, 160, 20):
        cv2.circle(pixels, (x, int(rng.integers(10, 110))), 7, 230, -1)
    return coded(pixels)


def silhouette(seed: int) -> bytes:
    pixels = np.zeros((120, 160), np.uint8)
    cv2.ellipse(pixels, (80, 60), (40 + seed % 9, 35), 10 * seed, 0, 360, 255, -1)
    return coded(pixels)


def test_boards_of_two_tones_are_photos_where_their_folder_calls_them_good(imported) -> None:
    files = {f"train/good/{n}.png": board(n) for n in range(10)}
    report = imported(files | {"train/good/drawn.png": mask()})
    assert len(report.normals) == 10 and [p.path for p in report.odd] == ["train/good/drawn.png"]
    assert any("printed boards" in note for note in report.notes)


@pytest.mark.parametrize("draw", [silhouette, lambda seed: mask()])
def test_masks_in_a_folder_that_says_good_are_no_photos(imported, draw) -> None:
    report = imported({f"good/{n}.png": draw(n) for n in range(12)} | {"good/photo.png": good(1)})
    assert report.normals == ("good/photo.png",) and len(report.odd) == 12


def test_boards_that_nothing_calls_good_are_asked_about(imported) -> None:
    report = imported({f"set/{n}.png": board(n) for n in range(10)} | {"set/p.png": good()})
    assert report.normals == ("set/p.png",) and len(report.odd) == 10


@pytest.mark.parametrize(
    ("photos_in", "masks_in", "name"),
    [("テスト/不良品/キズ", "テスト/マスク/キズ", "{}.png"), ("测试集/划痕", "标注/划痕", "{}.png"),
     ("wady/rysa", "wady/maski/rysa", "{}.png"), ("ng/dent", "mask/dent", "{}.png"), ("ng", "ng", "{}Mask.png")],
)  # fmt: skip
def test_masks_of_a_label_are_found_beside_its_folder(imported, photos_in: str, masks_in: str, name: str) -> None:
    report = imported(
        {**GOOD, **photos(photos_in), **masks(masks_in, name), **photos("ng/crack"), **masks("mask/crack")}
    )
    assert len(report.normals) == 3 and len(report.examples) == 4 and report.odd == ()


def test_a_label_of_a_whole_photo_makes_it_a_defect_unless_it_says_good(imported) -> None:
    tag = '<image id="{0}" name="{0}.png" width="80" height="60"><tag label="{1}"/></image>'
    xml = f"<annotations><meta/>{tag.format(0, 'scratch')}{tag.format(1, 'ok')}</annotations>"
    report = imported({"annotations.xml": xml, "images/0.png": bad(), "images/1.png": good()})
    assert report.normals == ("images/1.png",) and report.unmasked == (("scratch", "images/0.png"),)


@pytest.mark.parametrize("column", ["is_defect", "result"])
def test_a_table_of_verdicts_tells_good_from_bad(imported, column: str) -> None:
    yes, no = ("1", "0") if column == "is_defect" else ("NG", "OK")
    report = imported({"data.csv": f"path,{column}\n0.png,{no}\n1.png,{yes}\n", "0.png": good(), "1.png": bad()})
    assert report.normals == ("0.png",) and [name for _, name in report.unmasked] == ["1.png"]


def test_captions_say_nothing_of_defects_and_objects_do(imported) -> None:
    rows = [{"file_name": "0.png", "text": "a part"}, {"file_name": "1.png", "objects": {"bbox": [[1, 2, 3, 4]]}}]
    report = imported({"metadata.jsonl": "\n".join(map(json.dumps, rows)), "0.png": good(), "1.png": bad()})
    assert report.normals == ("0.png",) and [name for _, name in report.unmasked] == ["1.png"]
