"""The traps of the libraries that load our folders, each as a property of every file we write."""

from __future__ import annotations

import csv
import json
import py_compile
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil
from PIL import PngImagePlugin

from core.exporters import FORMATS, DatasetItem, export, read_dataset
from core.images import mask_png_bytes, png_bytes

MVTEC_LIKE = {"mvtec-ad": "gear", "mvtec-loco": "gear", "visa": "visa_pytorch/gear"}
OPTIONS = {"category": "gear"}


@pytest.fixture(params=FORMATS)
def exported(request, kit, tmp_path: Path) -> tuple[str, Path]:
    export(kit.items(12, 12), tmp_path / "set", request.param, OPTIONS)
    return request.param, tmp_path / "set"


def test_stems_have_one_width_and_are_never_used_twice_in_a_role(exported) -> None:
    name, out = exported
    stems = {Path(row["image_path"]).stem for row in samples(out)}
    assert len(stems) == 24 and all(re.fullmatch(r"\d{6}", stem) for stem in stems)


def test_no_png_lies_outside_the_data(exported) -> None:
    """Loaders glob ** for PNGs and take the last parts of each path as split, label and file."""
    name, out = exported
    assert not list(out.glob("*.png")) and not list((out / "flawsmith").rglob("*.png"))
    if name in MVTEC_LIKE:
        base = out / MVTEC_LIKE[name]
        deep = 4 if name == "mvtec-loco" else 3
        for path in base.rglob("*.png"):
            parts = path.relative_to(base).parts
            assert parts[0] in {"train", "validation", "test", "ground_truth"}
            assert len(parts) == (deep if parts[0] == "ground_truth" else 3)
        assert {p.name for p in (base / "train").iterdir()} == {"good"}


def test_masks_are_hard_and_one_channel(exported) -> None:
    name, out = exported
    folders = {"voc": "SegmentationObject", "coco": "nowhere"}
    mask_files = [p for p in out.rglob("*.png") if {"ground_truth", "masks", folders.get(name, "")} & set(p.parts)]
    assert bool(mask_files) == (name != "coco")
    for path in mask_files:
        with Pil.open(path) as picture:
            assert picture.mode == ("P" if name == "voc" else "L")
            values = set(np.unique(np.asarray(picture)).tolist())
        assert values <= ({0, 1, 2} if name == "voc" else {0, 255})


@pytest.mark.parametrize("name", ["mvtec-ad", "visa"])
def test_masks_pair_with_images_by_sorted_position(name: str, kit, tmp_path: Path) -> None:
    """anomalib zips the sorted paths, then looks for the image's stem within the mask's."""
    export(kit.items(3, 25), tmp_path / "set", name, OPTIONS)
    base = tmp_path / "set" / MVTEC_LIKE[name]
    images = sorted(str(p) for p in (base / "test").rglob("*.png") if p.parent.name != "good")
    masks = sorted(str(p) for p in (base / "ground_truth").rglob("*.png"))
    assert len(images) == len(masks) == 25
    for image, mask in zip(images, masks, strict=True):
        assert Path(image).stem in Path(mask).stem and Path(image).parent.name == Path(mask).parent.name


def test_loco_masks_lie_in_a_folder_of_their_image(kit, tmp_path: Path) -> None:
    given = kit.items(12, 12)
    export(given, tmp_path / "set", "mvtec-loco", OPTIONS)
    base = tmp_path / "set" / "gear"
    images = sorted(p for p in (base / "test").rglob("*.png") if p.parent.name != "good")
    folders = sorted({p.parent for p in (base / "ground_truth").rglob("*.png")})
    assert [p.stem for p in images] == [p.name for p in folders]
    assert [p.parent.name for p in images] == [p.parent.name for p in folders]
    assert {p.parent.name for p in images} == {"logical_anomalies", "structural_anomalies"}
    assert len(list((base / "ground_truth").rglob("*.png"))) == sum(len(i.masks) for i in given)
    assert list((base / "validation" / "good").glob("*.png"))


@pytest.mark.parametrize("codes", [True, False])
def test_loco_config_names_every_mask_value(codes: bool, kit, tmp_path: Path) -> None:
    share = {"crack": 0.5, "missing_nut": 40.0} if codes else {}
    export(kit.items(12, 12), tmp_path / "set", "mvtec-loco", OPTIONS | {"pixel_codes": codes, "saturation": share})
    base = tmp_path / "set" / "gear"
    entries = json.loads((base / "defects_config.json").read_text())
    fields = {"defect_name", "pixel_value", "saturation_threshold", "relative_saturation"}
    assert all(set(e) == fields for e in entries)
    by_value = {e["pixel_value"]: e for e in entries}
    assert len(by_value) == len(entries) == (3 if codes else 1)
    rows = {Path(r["image_path"]).stem: r["label"] for r in samples(tmp_path / "set")}
    for path in (base / "ground_truth").rglob("*.png"):
        (value,) = set(np.unique(np.asarray(Pil.open(path))).tolist()) - {0}
        assert value == 255 if not codes else by_value[value]["defect_name"] == rows[path.parent.name]
    if codes:
        by_name = {e["defect_name"]: e for e in entries}
        assert by_name["crack"]["saturation_threshold"] == 0.5 and by_name["crack"]["relative_saturation"] is True
        assert by_name["missing_nut"]["saturation_threshold"] == 40
        assert by_name["missing_nut"]["relative_saturation"] is False
        assert by_name["no"]["saturation_threshold"] == 1 and by_name["no"]["relative_saturation"] is True


def test_a_dataset_is_of_one_mode(kit, tmp_path: Path) -> None:
    """Grey files only where all are grey, however they are stored."""
    grey_as_rgb = tmp_path / "g.png"
    grey_as_rgb.write_bytes(png_bytes(kit.noise(5, grey=True)))
    grey_as_l = tmp_path / "l.png"
    grey_as_l.write_bytes(png_bytes(kit.noise(6, grey=True), grey=True))
    greys = [*kit.items(3, 1, grey=True), DatasetItem("rgb", grey_as_rgb), DatasetItem("l", grey_as_l)]
    for given, mode in ((greys, "L"), ([*greys, DatasetItem("colour", kit.noise(9))], "RGB")):
        out = tmp_path / mode
        export(given, out, "coco", OPTIONS)
        assert {Pil.open(p).mode for p in out.rglob("*.png")} == {mode}
        kit.matched(given, read_dataset(out))


def test_a_fitting_png_keeps_its_bytes_and_loses_its_text_on_demand(kit, tmp_path: Path) -> None:
    source = tmp_path / "photo.png"
    source.write_bytes(png_bytes(kit.noise(1), {"recipe": '{"secret":1}'}))
    bad = DatasetItem("bad", source, "crack", "structural", (kit.ring(),), recipe_json='{"secret":1}')
    kept, stripped = tmp_path / "kept", tmp_path / "stripped"
    for out, recipes in ((kept, True), (stripped, False)):
        export([*kit.items(4, 0), bad], out, "mvtec-ad", OPTIONS | {"include_recipes": recipes})
    (copied,) = (kept / "gear" / "test" / "crack").iterdir()
    assert copied.read_bytes() == source.read_bytes()
    assert "secret" in (kept / "flawsmith" / "recipes.jsonl").read_text()
    assert all(b"secret" not in data for data in kit.tree(stripped).values())
    (bare,) = (stripped / "gear" / "test" / "crack").iterdir()
    assert np.array_equal(np.asarray(Pil.open(bare)), kit.noise(1))
    assert source.stat().st_nlink == 1


@pytest.mark.parametrize("source", ["photo.jpg", "deep.png", "palette.png", "alpha.png", "turned.png", "see.png"])
def test_other_files_become_plain_png(source: str, kit, tmp_path: Path) -> None:
    """JPEG, 16-bit, palette, alpha, turned by EXIF, transparent colour: 8-bit RGB or L with the right pixels."""
    path = tmp_path / source
    picture = Pil.fromarray(kit.noise(3, (32, 48)))
    match source:
        case "deep.png":
            Pil.fromarray(np.arange(32 * 48, dtype=np.uint16).reshape(32, 48) * 20).save(path)
        case "palette.png":
            picture.quantize(16).save(path)
        case "alpha.png":
            picture.convert("RGBA").save(path)
        case "turned.png":
            exif = Pil.Exif()
            exif[0x0112] = 6
            picture.save(path, exif=exif)
        case "see.png":
            info = PngImagePlugin.PngInfo()
            picture.save(path, pnginfo=info, transparency=(1, 2, 3))
        case _:
            picture.save(path, quality=90)
    export([*kit.items(4, 1), DatasetItem("odd", path)], tmp_path / "set", "mvtec-ad", OPTIONS)
    item = next(i for i in read_dataset(tmp_path / "set") if i.name == "odd")
    with Pil.open(item.image) as written:
        assert (written.format, written.mode) == ("PNG", "RGB") and "transparency" not in written.info
        assert not written.getexif()
        assert written.size == ((32, 48) if source == "turned.png" else (48, 32))
    assert np.array_equal(kit.pixels(item), kit.pixels(DatasetItem("odd", path)))


def test_samples_csv_serves_a_tabular_loader(exported) -> None:
    name, out = exported
    for row in samples(out):
        assert (out / row["image_path"]).is_file() and row["split"] in {"train", "val", "test"}
        assert row["label_index"] == ("0" if row["label"] == "good" else "1")
        assert not row["mask_path"] or (out / row["mask_path"]).is_file()
        if row["label_index"] == "1" and name in {"mvtec-ad", "visa", "imagefolder", "voc"}:
            assert row["mask_path"]


def test_the_loader_snippet_compiles_and_stands_in_the_readme(exported) -> None:
    _, out = exported
    py_compile.compile(str(out / "load_me.py"), cfile=str(out.parent / "x.pyc"), doraise=True)
    assert (out / "load_me.py").read_text().strip() in (out / "README.md").read_text()


@pytest.mark.parametrize("name", ["coco", "voc"])
def test_the_loader_snippet_runs_as_it_is(name: str, kit, tmp_path: Path) -> None:
    report = export(kit.items(10, 6), tmp_path / "set", name, OPTIONS)
    run = subprocess.run(
        [sys.executable, str(tmp_path / "set" / "load_me.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    counted = sum(int(n) for n in re.findall(r"(\d+) images", run.stdout))
    assert counted == sum(report.images.values()) == 16


def test_visa_table_points_at_files(kit, tmp_path: Path) -> None:
    export(kit.items(), tmp_path / "set", "visa", OPTIONS)
    with (tmp_path / "set" / "split_csv" / "1cls.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["object", "split", "label", "image", "mask"] and len(rows) == 17
    for category, split, label, image, mask in rows[1:]:
        assert category == "gear" and split in {"train", "test"} and label in {"normal", "anomaly"}
        assert (tmp_path / "set" / image).is_file() and bool(mask) == (label == "anomaly")


def test_yolo_lines_are_polygons_and_names_stay_text(kit, tmp_path: Path) -> None:
    """A line under three corners is a box to a trainer, and YAML reads a bare no as false."""
    import yaml

    dot = np.zeros((33, 47), bool)
    dot[16, 20] = True
    line = np.zeros((33, 47), bool)
    line[7, 3:30] = True
    given = [
        *kit.items(6, 6),
        *(DatasetItem(f"thin{k}", kit.noise(50 + k), "no", None, (m,)) for k, m in enumerate((dot, line))),
    ]
    export(given, tmp_path / "set", "yolo-seg", OPTIONS)
    data = yaml.safe_load((tmp_path / "set" / "data.yaml").read_text())
    assert data["names"] == {0: "crack", 1: "missing_nut", 2: "no"} and "path" not in data
    assert all((tmp_path / "set" / data[split]).is_dir() for split in ("train", "val", "test"))
    images = {p.relative_to(tmp_path / "set" / "images").with_suffix("") for p in tmp_path.rglob("images/*/*.png")}
    labels = {p.relative_to(tmp_path / "set" / "labels").with_suffix("") for p in tmp_path.rglob("labels/*/*.txt")}
    assert images == labels
    for path in tmp_path.rglob("labels/*/*.txt"):
        for row in path.read_text().splitlines():
            values = [float(v) for v in row.split()]
            assert len(values) >= 7 and len(values) % 2 == 1
            assert values[0] in (0, 1, 2) and all(0 <= v < 1 for v in values[1:])


def test_coco_is_exact_for_pycocotools(kit, tmp_path: Path, capsys) -> None:
    from pycocotools.coco import COCO

    given = kit.items(10, 9)
    export(given, tmp_path / "set", "coco", OPTIONS)
    by_stem = {Path(r["image_path"]).stem: r["name"] for r in samples(tmp_path / "set")}
    wanted = {item.name: item for item in given}
    seen = 0
    for table in (tmp_path / "set" / "annotations").iterdir():
        coco = COCO(str(table))
        for image_id, image in coco.imgs.items():
            item = wanted[by_stem[Path(image["file_name"]).stem]]
            annotations = coco.loadAnns(coco.getAnnIds(imgIds=[image_id]))
            assert len(annotations) == len(item.masks)
            assert (image["height"], image["width"]) == item.image.shape[:2]
            for a, mask in zip(annotations, item.masks, strict=True):
                seen += 1
                assert np.array_equal(coco.annToMask(a).astype(bool), mask) and a["area"] == mask.sum()
                ys, xs = np.nonzero(mask)
                assert a["bbox"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1] and a["iscrowd"] == 0
                assert coco.cats[a["category_id"]]["name"] == item.label
    assert seen == sum(len(i.masks) for i in given)


def test_imagefolder_columns_have_one_type(kit, tmp_path: Path) -> None:
    """A null, or a text like a date, gives a column another type in one split than in the next."""
    given = [DatasetItem("2024-01-01", kit.noise(70)), *kit.items(10, 6)]
    export(given, tmp_path / "set", "imagefolder", OPTIONS)
    for table in tmp_path.rglob("metadata.jsonl"):
        for line in table.read_text().splitlines():
            row = json.loads(line)
            assert set(row) == {"file_name", "mask_file_name", "label", "kind"}
            assert all(isinstance(v, str) and "2024" not in v and ".." not in v for v in row.values())
            assert (table.parent / row["file_name"]).is_file() and (table.parent / row["mask_file_name"]).is_file()


def test_masks_from_files_are_taken_whatever_their_values(kit, tmp_path: Path) -> None:
    mask = tmp_path / "m.png"
    Pil.fromarray(kit.ring().astype(np.uint8)).save(mask)
    other = tmp_path / "n.png"
    other.write_bytes(mask_png_bytes(kit.spot()))
    item = DatasetItem("bad", kit.noise(2), "crack", None, (mask, other))
    export([*kit.items(4, 0), item], tmp_path / "set", "mvtec-ad", OPTIONS)
    found = next(i for i in read_dataset(tmp_path / "set") if not i.good)
    assert np.array_equal(kit.union(found), kit.ring() | kit.spot())


def samples(out: Path) -> list[dict[str, str]]:
    with (out / "flawsmith" / "samples.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
