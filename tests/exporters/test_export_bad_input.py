"""Each wrong wish gets one clear line, and leaves nothing on the disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from core.errors import ExportError, FlawsmithError, InputError
from core.exporters import DatasetItem, ExportOptions, export, read_dataset, read_options


def with_last(kit, **changes) -> list[DatasetItem]:
    found = kit.items()
    return [*found[:-1], replace(found[-1], **changes)]


def many_labels(kit) -> list[DatasetItem]:
    return [*kit.items(2, 0), *(DatasetItem("x", kit.noise(1), f"l{i}", None, (kit.ring(),)) for i in range(255))]


CASES = {
    "no items": (lambda kit: [], "coco", {}, "no images; import photos"),
    "only normals": (lambda kit: kit.items(5, 0), "coco", {}, "no anomalies; keep some"),
    "only anomalies": (lambda kit: kit.items(0, 3), "mvtec-ad", {}, "no normal photo in train"),
    "no train share": (
        lambda kit: kit.items(),
        "visa",
        {"normal_train": 0, "normal_val": 0},
        "raise their train share",
    ),
    "unknown format": (lambda kit: kit.items(), "mvtec", {}, "there are mvtec-ad, mvtec-loco, visa, coco, yolo-seg"),
    "unknown option": (lambda kit: kit.items(), "coco", {"colour": 1}, "there is no 'colour'"),
    "category with slash": (lambda kit: kit.items(), "coco", {"category": "a/b"}, "category 'a/b': use 1 to 64"),
    "category up": (lambda kit: kit.items(), "mvtec-ad", {"category": ".."}, "category '..'"),
    "category empty": (lambda kit: kit.items(), "mvtec-ad", {"category": ""}, "category ''"),
    "category reserved": (lambda kit: kit.items(), "mvtec-ad", {"category": "Test"}, "none of bad, flawsmith"),
    "shares above 1": (lambda kit: kit.items(), "coco", {"normal_train": 0.9, "normal_val": 0.2}, "make 1.3; lower"),
    "shares all 0": (
        lambda kit: kit.items(),
        "coco",
        {"normal_train": 0, "normal_val": 0, "normal_test": 0},
        "make 0; ",
    ),
    "share negative": (lambda kit: kit.items(), "coco", {"normal_test": -0.1}, "normal_test: Input should be greater"),
    "share text": (lambda kit: kit.items(), "coco", {"anomaly_train": "most"}, "anomaly_train: Input should be"),
    "seed negative": (lambda kit: kit.items(), "coco", {"seed": -1}, "seed: Input should be greater"),
    "saturation 0": (lambda kit: kit.items(), "mvtec-loco", {"saturation": {"no": 0}}, "saturation of 'no': expected"),
    "saturation of nobody": (
        lambda kit: kit.items(),
        "mvtec-loco",
        {"saturation": {"dent": 0.5}},
        "no anomaly has this label (there are: crack, missing_nut, no)",
    ),
    "saturation without codes": (
        lambda kit: kit.items(),
        "mvtec-loco",
        {"saturation": {"no": 0.5}},
        "turn on LOCO pixel codes",
    ),
    "label with blank": (lambda kit: with_last(kit, label="big crack"), "mvtec-ad", {}, "label 'big crack': use 1 to"),
    "label upper": (lambda kit: with_last(kit, label="Crack"), "coco", {}, "label 'Crack': use 1 to 64 of a-z"),
    "label path": (lambda kit: with_last(kit, label="../x"), "mvtec-ad", {}, "label '../x': use"),
    "label dash": (lambda kit: with_last(kit, label="a-b"), "mvtec-loco", {}, "label 'a-b': use"),
    "label blank around": (lambda kit: with_last(kit, label="a "), "coco", {}, "blanks around it"),
    "label ground_truth": (lambda kit: with_last(kit, label="ground_truth"), "mvtec-ad", {}, "label 'ground_truth'"),
    "label counts": (lambda kit: with_last(kit, label="train_good"), "mvtec-ad", {}, "reserved word"),
    "label of a device": (lambda kit: with_last(kit, label="con"), "mvtec-ad", {}, "reserved word"),
    "label of a split": (lambda kit: with_last(kit, label="test_crack"), "imagefolder", {}, "take for a split"),
    "label of a split, digits": (lambda kit: with_last(kit, label="dev2"), "imagefolder", {}, "take for a split"),
    "too many labels": (many_labels, "voc", {}, "at most 254 labels"),
    "too many codes": (many_labels, "mvtec-loco", {"pixel_codes": True}, "at most 250 labels"),
    "no mask": (lambda kit: with_last(kit, masks=()), "coco", {}, "has no mask; draw one"),
    "empty mask": (lambda kit: with_last(kit, masks=(np.zeros((33, 47), bool),)), "coco", {}, "holds no pixel"),
    "good with mask": (lambda kit: with_last(kit, label="good"), "mvtec-ad", {}, "labelled good but has a mask"),
    "mask of other size": (
        lambda kit: with_last(kit, masks=(np.ones((33, 48), bool),)),
        "voc",
        {},
        "expected the photo's 47x33 pixels, got 48x33",
    ),
    "mask of numbers": (lambda kit: with_last(kit, masks=(np.ones((33, 47)),)), "coco", {}, "expected bool (H, W)"),
    "image of floats": (
        lambda kit: with_last(kit, image=np.ones((33, 47, 3))),
        "coco",
        {},
        "expected uint8 (H, W, 3)",
    ),
    "image missing": (lambda kit: with_last(kit, image=Path("/nowhere/a.png")), "coco", {}, "/nowhere/a.png"),
    "too many defects": (lambda kit: with_last(kit, masks=(kit.ring(),) * 255), "voc", {}, "at most 254 defects"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_clear_line_and_nothing_written(case: str, kit, tmp_path: Path) -> None:
    make, name, options, line = CASES[case]
    with pytest.raises(FlawsmithError) as caught:
        export(make(kit), tmp_path / "set", name, options)
    assert isinstance(caught.value, ExportError | InputError)
    assert line in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_damaged_files_are_named(kit, tmp_path: Path) -> None:
    from core.images import png_bytes

    whole = png_bytes(kit.noise(1))
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for content in (whole[: len(whole) // 2], bytes(flipped), b"not an image", b""):
        source = tmp_path / "photo.png"
        source.write_bytes(content)
        with pytest.raises(ExportError, match="'the part'"):
            export([*kit.items(), DatasetItem("the part", source)], tmp_path / "set", "coco")
        assert not (tmp_path / "set").exists()


def test_loco_below_a_folder_called_ground_truth(kit, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="may be called ground_truth"):
        export(kit.items(), tmp_path / "ground_truth" / "set", "mvtec-loco")


def test_options_have_what_a_form_needs() -> None:
    for name, field in ExportOptions.model_fields.items():
        assert field.title and field.description, name
    assert read_options({"normal_train": 0.5, "normal_val": 0.25, "normal_test": 0.25}).normal_train == 0.5
    with pytest.raises(ValidationError, match="frozen"):
        ExportOptions().seed = 3  # type: ignore[misc]


READ_CASES = {
    "nothing there": (lambda p: None, None, "no dataset of a known format"),
    "an empty folder": (lambda p: p.mkdir(), None, "no dataset of a known format"),
    "not coco": (lambda p: p.mkdir(), "coco", "has no annotations/*.json"),
    "not voc": (lambda p: p.mkdir(), "voc", "has no SegmentationClass"),
    "not yolo": (lambda p: p.mkdir(), "yolo-seg", "has no data.yaml"),
    "not visa": (lambda p: p.mkdir(), "visa", "has no folder visa_pytorch"),
    "not mvtec": (lambda p: p.mkdir(), "mvtec-ad", "has no train or test folder"),
    "not imagefolder": (lambda p: p.mkdir(), "imagefolder", "has no train/metadata.jsonl"),
    "no image": (lambda p: (p / "train" / "good").mkdir(parents=True), "mvtec-ad", "no image found"),
    "several categories": (
        lambda p: [(p / c / "train" / "good").mkdir(parents=True) for c in ("nut", "bolt")],
        "mvtec-ad",
        "several categories (bolt, nut)",
    ),
    "broken json": (lambda p: put(p, "annotations/a.json", "{"), None, "expected COCO instances"),
    "broken yaml": (lambda p: [yolo(p), put(p, "data.yaml", "a: [")], None, "expected 'names:'"),
    "broken line": (
        lambda p: [yolo(p), put(p, "labels/train/x.txt", "0 0.1 0.2 0.3\n")],
        None,
        "line 1 is no polygon",
    ),
    "broken metadata": (lambda p: put(p, "train/metadata.jsonl", "{}\n"), None, "expected file_name in each line"),
    "metadata climbs out": (
        lambda p: put(p, "train/metadata.jsonl", '{"file_name": "../../x.png"}\n'),
        None,
        "leads out of",
    ),
    "coco climbs out": (
        lambda p: put(
            p,
            "annotations/a.json",
            '{"images":[{"id":1,"file_name":"../../x.png","width":2,"height":2}],"annotations":[],"categories":[]}',
        ),
        None,
        "leads out of",
    ),
    "broken config": (lambda p: [mvtec(p), put(p, "gear/defects_config.json", "[1]")], None, "expected defect_name"),
    "missing voc image": (
        lambda p: [voc(p), put(p, "ImageSets/Segmentation/train.txt", "x\n")],
        None,
        "not in JPEGImages",
    ),
    "broken table": (
        lambda p: [mvtec(p), put(p, "flawsmith/samples.csv", "a,b\n")],
        "mvtec-ad",
        "expected the columns",
    ),
    "broken recipes": (
        lambda p: [mvtec(p), put(p, "flawsmith/recipes.jsonl", "x\n")],
        "mvtec-ad",
        "line 1 is no recipe",
    ),
}


def put(folder: Path, relative: str, text: str) -> None:
    (folder / relative).parent.mkdir(parents=True, exist_ok=True)
    (folder / relative).write_text(text)


def yolo(folder: Path) -> None:
    from core.images import png_bytes

    put(folder, "data.yaml", "names: [a]\n")
    put(folder, "images/train/x.png", "")
    (folder / "images/train/x.png").write_bytes(png_bytes(np.zeros((20, 20, 3), np.uint8)))
    put(folder, "labels/train/x.txt", "")


def voc(folder: Path) -> None:
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / name).mkdir(parents=True)


def mvtec(folder: Path) -> None:
    put(folder, "gear/train/good/x.png", "")


@pytest.mark.parametrize("case", READ_CASES)
def test_reading_tells_what_is_wrong(case: str, tmp_path: Path) -> None:
    make, name, line = READ_CASES[case]
    make(tmp_path / "set")
    with pytest.raises(ExportError) as caught:
        read_dataset(tmp_path / "set", name)
    assert line in str(caught.value) and "\n" not in str(caught.value)
