"""Whatever goes out comes back: pixels, masks, instances, names and recipes, in every format."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.exporters import FORMATS, DatasetItem, detect_format, export, read_dataset

KEEPS_INSTANCES = ("mvtec-loco", "coco", "yolo-seg", "voc")
SETTINGS = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def any_mask(draw: st.DrawFn, shape: tuple[int, int]) -> np.ndarray:
    """Boxes added and cut out, lines, single pixels, touching borders; never empty."""
    height, width = shape
    mask = np.zeros(shape, bool)
    for _ in range(draw(st.integers(1, 6))):
        y, x = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        h, w = draw(st.integers(1, height)), draw(st.integers(1, width))
        mask[y : y + h, x : x + w] = draw(st.booleans())
    if draw(st.booleans()):
        at = np.arange(min(shape) - 1)
        mask[at, at] = True
    mask[draw(st.sampled_from([0, height - 1])), draw(st.integers(0, width - 1))] = True
    return mask


@st.composite
def any_items(draw: st.DrawFn) -> list[DatasetItem]:
    """One to four normals, one to four anomalies, of odd sizes, with names of any characters."""
    found = []
    sides = st.integers(16, 41)
    names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
    normals = draw(st.integers(1, 4))
    grey = draw(st.booleans())
    for i in range(normals + draw(st.integers(1, 4))):
        shape = (draw(sides), draw(sides))
        image = np.random.default_rng(i).integers(0, 256, (*shape, 1 if grey else 3), dtype=np.uint8)
        image = np.repeat(image, 3 // image.shape[2], axis=2)
        if i < normals:
            found.append(DatasetItem(draw(names), image))
            continue
        parts = tuple(draw(st.lists(any_mask(shape), min_size=1, max_size=3)))
        label = draw(st.sampled_from(["a", "a_b", "null", "yes", "0x1"]))
        kind = draw(st.sampled_from(["structural", "logical", "combined"]))
        recipe = draw(st.none() | st.just('{"a":[1,2],"b":"\\u00e9"}') | st.just("not { json"))
        found.append(DatasetItem(draw(names), image, label, kind, parts, None, recipe, draw(st.none() | names)))
    return found


@pytest.mark.parametrize("name", FORMATS)
@SETTINGS
@given(given_items=any_items(), seed=st.integers(0, 5))
def test_items_come_back_exactly(kit, name: str, given_items: list[DatasetItem], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        report = export(given_items, out, name, {"seed": seed, "pixel_codes": seed % 2 == 0})
        assert detect_format(out) == name
        back = read_dataset(out)
        assert sum(report.images.values()) == len(given_items)
        for item, found in kit.matched(given_items, back):
            assert (found.name, found.label, found.kind) == (item.name, item.label, item.kind)
            assert found.source == (item.source or None) and found.recipe_json == item.recipe_json
            assert np.array_equal(kit.union(found), kit.union(item))
            if name in KEEPS_INSTANCES and not (name == "voc" and overlapping(item)):
                assert [m.tobytes() for m in kit.masks(found)] == [m.tobytes() for m in kit.masks(item)]


def overlapping(item: DatasetItem) -> bool:
    return int(np.sum(item.masks)) > int(np.any(item.masks, axis=0).sum()) if item.masks else False


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_read_can_be_written_again(kit, tmp_path: Path, name: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    export(kit.items(), first, name)
    back = read_dataset(first)
    export(back, second, name)
    again = {i.name: i for i in read_dataset(second)}
    for item in back:
        assert again[item.name].split == item.split and again[item.name].recipe_json == item.recipe_json
        assert np.array_equal(kit.union(again[item.name]), kit.union(item))
        assert np.array_equal(kit.pixels(again[item.name]), kit.pixels(item))


@pytest.mark.parametrize("name", FORMATS)
def test_same_input_same_bytes(kit, tmp_path: Path, name: str) -> None:
    options = {"seed": 3, "category": "gear"}
    for folder in ("one", "deep/er/two"):
        export(kit.items(), tmp_path / folder, name, options)
    assert kit.tree(tmp_path / "one") == kit.tree(tmp_path / "deep/er/two")


def test_the_seed_moves_the_split(kit, tmp_path: Path) -> None:
    splits = []
    for seed in (1, 2):
        export(kit.items(40), tmp_path / str(seed), "coco", {"seed": seed})
        splits.append({i.name: i.split for i in read_dataset(tmp_path / str(seed))})
    assert splits[0] != splits[1]


def test_yolo_polygons_alone_give_the_masks_less_their_holes(kit, tmp_path: Path) -> None:
    solid = np.zeros((33, 47), bool)
    solid[3:9, 0:47] = True
    solid[32, 46] = True
    given_items = [*kit.items(4, 1), DatasetItem("solid", kit.noise(7), "crack", None, (solid,))]
    report = export(given_items, tmp_path / "set", "yolo-seg")
    for mask in (tmp_path / "set" / "masks").rglob("*.png"):
        mask.unlink()
    found = {i.name: i for i in read_dataset(tmp_path / "set")}
    assert np.array_equal(kit.union(found["solid"]), solid)
    filled = kit.union(given_items[4])
    filled[5:20, 4:20] = True
    assert np.array_equal(kit.union(found[given_items[4].name]), filled)
    assert any("holes" in line and line.startswith("1 image") for line in report.warnings)


@pytest.mark.parametrize("name", FORMATS)
def test_other_peoples_folders_without_our_notes(kit, tmp_path: Path, name: str) -> None:
    """Images, masks, splits and, where the format holds them, labels are read without samples.csv."""
    export(kit.items(), tmp_path / "set", name, {"pixel_codes": True})
    with_notes = {kit.pixels(i).tobytes(): i for i in read_dataset(tmp_path / "set")}
    for note in (tmp_path / "set" / "flawsmith").iterdir():
        note.unlink()
    assert detect_format(tmp_path / "set") == name
    for item in read_dataset(tmp_path / "set"):
        known = with_notes[kit.pixels(item).tobytes()]
        assert item.label == ("bad" if name == "visa" and not known.good else known.label)
        assert item.split == known.split
        assert np.array_equal(kit.union(item), kit.union(known))


def test_mvtec_category_folder_and_masks_without_suffix(kit, tmp_path: Path) -> None:
    export(kit.items(), tmp_path / "set", "mvtec-ad", {"category": "gear"})
    base = tmp_path / "set" / "gear"
    assert len(read_dataset(base)) == 16 and {i.name for i in read_dataset(base)} == {
        i.name for i in read_dataset(tmp_path / "set")
    }
    for mask in (base / "ground_truth").rglob("*.png"):
        mask.rename(mask.with_name(mask.name.replace("_mask", "")))
    assert all(i.masks for i in read_dataset(base, "mvtec-ad") if not i.good)


def test_coco_polygons_and_plain_run_lengths_of_others(tmp_path: Path, kit) -> None:
    import json

    from core.images import png_bytes

    (tmp_path / "train").mkdir()
    (tmp_path / "annotations").mkdir()
    (tmp_path / "train" / "x.png").write_bytes(png_bytes(kit.noise(1, (20, 30))))
    square = {"segmentation": [[5, 5, 15, 5, 15, 10, 5, 10]], "category_id": 9}
    column = {"segmentation": {"size": [20, 30], "counts": [20, 20, 560]}, "category_id": 4}
    data = {
        "images": [{"id": 3, "file_name": "x.png", "height": 20, "width": 30}],
        "annotations": [{"id": k, "image_id": 3, **a} for k, a in enumerate([square, column])],
        "categories": [{"id": 9, "name": "Big"}, {"id": 4, "name": "Small"}],
    }
    (tmp_path / "annotations" / "instances_train.json").write_text(json.dumps(data))
    (item,) = read_dataset(tmp_path)
    assert item.label == "Big" and len(item.masks) == 2
    assert item.masks[0][5:10, 5:15].all() and item.masks[0].sum() == 50
    assert item.masks[1][:, 1].all() and item.masks[1].sum() == 20


@pytest.mark.skipif("FLAWSMITH_DATA" not in os.environ, reason="needs real photos: set FLAWSMITH_DATA")
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("data", ["magnetic_tile", "deep_pcb"])
def test_real_photos_go_through_every_format(data: str, name: str, kit, tmp_path: Path) -> None:
    folder = Path(os.environ["FLAWSMITH_DATA"]) / data
    assert detect_format(folder) == "mvtec-ad"
    found = read_dataset(folder)
    given_items = [i for i in found if i.good][:12] + [i for i in found if not i.good][::9]
    export(given_items, tmp_path / "set", name, {"category": data})
    back = {i.name + i.label: i for i in read_dataset(tmp_path / "set")}
    for item in given_items:
        same = back[item.name + item.label]
        assert np.array_equal(kit.pixels(same), kit.pixels(item)) and np.array_equal(kit.union(same), kit.union(item))
