"""Sets to learn from and to be judged on, from every kind of folder."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from core.device import numpy_rng
from core.errors import InputError, MaskError, NotFound
from core.evaluation.photo_sets import Shot, check_disjoint, labelled_as_imported, read_photo_set
from core.evaluation.saturation import FULL_SATURATION, Saturation, read_defects_config
from core.evaluation.test_set import TestSet
from core.exporters import DatasetItem, export
from core.images import mask_png_bytes, png_bytes
from core.images.depth import DepthScale
from core.images.source_depth import deep_png_bytes
from core.jobs.import_images import import_images
from core.store import Project
from core.types import ReviewStatus

SIDE = 24


def photo(*keys: int | str) -> np.ndarray:
    return numpy_rng(0, "set", *keys).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)


def blob(n: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[2 + n : 6 + n, 3:9] = True
    return mask


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), array)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """MVTec's layout: 3 good to learn from, 2 good to test on, 2 cracks and a dent."""
    base = tmp_path / "tile"
    for n in range(3):
        write(base / f"train/good/{n:03d}.png", photo("train", n))
    for n in range(2):
        write(base / f"test/good/{n:03d}.png", photo("test", n))
    for label, n in (("crack", 0), ("crack", 1), ("dent", 0)):
        write(base / f"test/{label}/{n:03d}.png", photo(label, n))
        write(base / f"ground_truth/{label}/{n:03d}_mask.png", blob(n).astype(np.uint8) * 255)
    return base


def labels(shots: list[Shot]) -> dict[str, int]:
    return dict(Counter(s.label for s in shots))


def test_mvtec_layout(layout: Path) -> None:
    test = read_photo_set(layout, "test")
    assert [s.name for s in test] == ["good/000", "good/001", "crack/000", "crack/001", "dent/000"]
    assert np.array_equal(test[3].mask((SIDE, SIDE)), blob(1))
    assert not test[0].mask((SIDE, SIDE)).any() and test[0].good
    assert test[2].read().shape == (SIDE, SIDE, 3)
    assert labels(read_photo_set(layout, "train")) == {"good": 3, "crack": 2, "dent": 1}
    assert labels(read_photo_set(layout, "all")) == {"good": 5, "crack": 2, "dent": 1}
    # The folder above, if it holds this one product, will do too.
    assert [s.name for s in read_photo_set(layout.parent, "test")] == [s.name for s in test]
    check_disjoint(read_photo_set(layout, "train", anomalies="all")[:3], test)
    with pytest.raises(InputError, match="no anomalies to learn from"):
        read_photo_set(layout, "train", anomalies="split")
    with pytest.raises(InputError, match=r"3 test photos were learned from \(first: crack/000"):
        check_disjoint(read_photo_set(layout, "train"), test)


def test_a_test_set_without_training_photos(layout: Path) -> None:
    shutil.rmtree(layout / "train")
    assert labels(read_photo_set(layout, "test")) == {"good": 2, "crack": 2, "dent": 1}


@pytest.mark.parametrize("format", ["mvtec-ad", "visa", "coco", "voc", "imagefolder", "mvtec-loco"])
def test_every_export_format(format: str, tmp_path: Path) -> None:
    items = [DatasetItem(f"n{n}", photo("n", n)) for n in range(10)]
    items += [
        DatasetItem(f"{label}{n}", photo(label, n), label, "structural", (blob(n),))
        for label in ("crack", "dent")
        for n in range(10)
    ]
    export(items, tmp_path / "set", format, {"category": "tile"})
    train, test = read_photo_set(tmp_path / "set", "train"), read_photo_set(tmp_path / "set", "test")
    assert any(s.good for s in train) and any(s.good for s in test)
    wanted = {photo(label, n).tobytes(): blob(n) for label in ("crack", "dent") for n in range(10)}
    shots = [s for s in [*train, *test] if not s.good]
    assert shots and all(np.array_equal(s.mask((SIDE, SIDE)), wanted[s.read().tobytes()]) for s in shots)
    if format in ("coco", "voc", "imagefolder"):
        check_disjoint(train, test)
    else:
        assert len([s for s in train if not s.good]) == 20


def test_a_project(tmp_path: Path) -> None:
    with Project.create(tmp_path / "p") as project:
        normal = project.add_normal(png_bytes(photo("n")), "png", "n.png", SIDE, SIDE, False)
        project.add_example(
            png_bytes(photo("real")), "png", "dent", "structural", [mask_png_bytes(blob(2))], "real.png", SIDE, SIDE
        )
        made = [
            project.add_sample(
                png_bytes(photo("made", n)),
                mask_png_bytes(blob(n)),
                normal_id=normal.id,
                label="crack",
                kind="structural",
                engine="perlin",
                seed=n,
                recipe_json="{}",
            )
            for n in range(3)
        ]
        assert labels(read_photo_set(project.path, "train")) == {"good": 1, "crack": 3}
        project.set_review_status([made[0].id], ReviewStatus.KEPT)
        project.set_review_status([made[1].id], ReviewStatus.REJECTED)
    train = read_photo_set(tmp_path / "p", "train")
    assert [s.name for s in train] == [f"good/{normal.id}", f"crack/{made[0].id}"]
    assert np.array_equal(train[1].mask((SIDE, SIDE)), blob(0))
    test = read_photo_set(tmp_path / "p", "test")
    assert labels(test) == {"good": 1, "dent": 1} and np.array_equal(test[1].instances((SIDE, SIDE))[0], blob(2))
    assert labels(read_photo_set(tmp_path / "p", "all")) == {"good": 1, "crack": 1, "dent": 1}


def test_defect_values_say_the_saturation(layout: Path) -> None:
    values = blob(0).astype(np.uint8) * 254
    values[20:22, 20:22] = 250
    write(layout / "ground_truth/crack/000_mask.png", values)
    entries = [
        {"defect_name": "crack", "pixel_value": 254, "saturation_threshold": 0.5, "relative_saturation": True},
        {"defect_name": "speck", "pixel_value": 250, "saturation_threshold": 3, "relative_saturation": False},
        {"defect_name": "any", "pixel_value": 255, "saturation_threshold": 1.0, "relative_saturation": True},
    ]
    (layout / "defects_config.json").write_text(json.dumps(entries))
    shots = {s.name: s for s in read_photo_set(layout, "test")}
    channels = shots["crack/000"].channels((SIDE, SIDE))
    assert [s for _, s in channels] == [Saturation(3, False), Saturation(0.5)]
    assert np.array_equal(channels[1][0], blob(0)) and channels[0][0].sum() == 4
    assert [s for _, s in shots["dent/000"].channels((SIDE, SIDE))] == [FULL_SATURATION]
    (layout / "defects_config.json").write_text(json.dumps(entries[1:]))
    with pytest.raises(MaskError, match="mask value 254 is not in the defects config"):
        {s.name: s for s in read_photo_set(layout, "test")}["crack/000"].channels((SIDE, SIDE))


def test_saturation_counts_pixels_as_mvtec_does() -> None:
    assert Saturation(0.5).pixels(7) == 3 and Saturation(0.1).pixels(3) == 1
    assert Saturation(20, False).pixels(7) == 7 and Saturation(5, False).pixels(7) == 5
    for bad in (0.0, -1.0, 1.5, float("nan")):
        with pytest.raises(InputError, match="share above 0"):
            Saturation(bad)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "expected JSON"),
        ("{}", "expected a list"),
        ("[]", "expected a list"),
        ('[{"defect_name": "a"}]', "no 'pixel_value'"),
        ('[{"defect_name":"a","pixel_value":0,"saturation_threshold":1,"relative_saturation":true}]', "1..255"),
        ('[{"defect_name":"a","pixel_value":9,"saturation_threshold":2,"relative_saturation":true}]', "share above 0"),
        ('[{"defect_name":"a","pixel_value":9,"saturation_threshold":1,"relative_saturation":1}]', "true or false"),
    ],
)
def test_a_wrong_defects_config_is_told(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "defects_config.json").write_text(text)
    with pytest.raises(InputError, match=told):
        read_defects_config(tmp_path / "defects_config.json")


def test_what_is_missing_is_told(layout: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such folder"):
        read_photo_set(tmp_path / "nowhere", "test")
    (tmp_path / "bare").mkdir()
    with pytest.raises(InputError, match="expected a Flawsmith project, a dataset"):
        read_photo_set(tmp_path / "bare", "test")

    (layout / "ground_truth/crack/001_mask.png").unlink()
    with pytest.raises(MaskError, match=r"1 of 3 anomalies have no mask \(first: crack/001\)"):
        read_photo_set(layout, "test")
    assert labels(read_photo_set(layout, "test", masks=False)) == {"good": 2, "crack": 2, "dent": 1}

    (layout / "ground_truth/dent").rename(layout / "ground_truth/dint")
    with pytest.raises(InputError, match="labels don't match: ground_truth/dint has no photos"):
        read_photo_set(layout, "test")

    shutil.rmtree(layout / "ground_truth")
    shutil.rmtree(layout / "test/good")
    with pytest.raises(InputError, match="no good photos to test on"):
        read_photo_set(layout, "test")
    assert labels(read_photo_set(layout, "test", masks=False, normals=False)) == {"crack": 2, "dent": 1}
    for label in ("crack", "dent"):
        shutil.rmtree(layout / "test" / label)
    with pytest.raises(InputError, match="no anomalies"):
        read_photo_set(layout, "all")


def test_a_mask_of_another_size_or_without_a_pixel(layout: Path) -> None:
    shot = read_photo_set(layout, "test")[2]
    with pytest.raises(MaskError, match="30x30"):
        shot.mask((30, 30))
    write(layout / "ground_truth/crack/000_mask.png", np.zeros((SIDE, SIDE), np.uint8))
    assert shot.channels_or_none((SIDE, SIDE)) == []
    with pytest.raises(MaskError, match="its masks are empty"):
        shot.channels((SIDE, SIDE))


@pytest.mark.skipif("FLAWSMITH_DATA" not in os.environ, reason="FLAWSMITH_DATA names the folder of real photos")
def test_real_sets_are_apart() -> None:
    data = Path(os.environ["FLAWSMITH_DATA"])
    for product in ("magnetic_tile", "deep_pcb"):
        train, test = read_photo_set(data / product, "train"), read_photo_set(data / f"{product}_dev", "test")
        assert set(labels(train)) == set(labels(test))
        check_disjoint(train, test)


def test_loco_has_the_labels_that_its_import_gave_the_project(tmp_path: Path) -> None:
    """By mask value and defects_config.json, not by the two folders; a label renamed in the project is found too."""
    base, values = tmp_path / "box", {"Missing Nut": 255, "Scratched-Lid": 254}
    for n in range(2):
        write(base / f"train/good/{n:03d}.png", photo("train", n))
        write(base / f"test/good/{n:03d}.png", photo("test", n))
    for (label, value), kind in zip(values.items(), ("logical", "structural"), strict=True):
        write(base / f"test/{kind}_anomalies/000.png", photo(label))
        write(base / f"ground_truth/{kind}_anomalies/000/000.png", blob(1).astype(np.uint8) * np.uint8(value))
    config = [{"defect_name": k, "pixel_value": v, "saturation_threshold": 1.0, "relative_saturation": True}
              for k, v in values.items()]  # fmt: skip
    (base / "defects_config.json").write_text(json.dumps(config))
    with Project.create(tmp_path / "project") as project:
        import_images(project, base)
        assert {(e.label, e.kind) for e in project.examples()} == {
            ("missing_nut", "logical"),
            ("scratched_lid", "structural"),
        }
        project.rename_label("missing_nut", "no_nut")
        ours = {e.label for e in project.examples()}
        theirs = labelled_as_imported(read_photo_set(base, "test"), project.renamed_labels())
    assert {s.label for s in theirs if not s.good} == ours == {"no_nut", "scratched_lid"}
    assert {s.name for s in theirs if not s.good} == {"logical_anomalies/000", "structural_anomalies/000"}


def test_loco_means_are_of_its_two_folders_whatever_the_labels() -> None:
    rng = np.random.default_rng(0)
    mask = np.zeros((32, 32), np.bool_)
    mask[8:16, 8:20] = True
    shots = [Shot(f"good/{i}", rng.integers(90, 110, (32, 32, 3), np.uint8), "good") for i in range(3)]
    for i, (folder, label) in enumerate(
        [("logical_anomalies", "missing"), ("logical_anomalies", "extra"), ("structural_anomalies", "dent")]
    ):
        image = rng.integers(90, 110, (32, 32, 3), np.uint8)
        image[mask] += np.uint8(10 * (i + 1))
        shots.append(Shot(f"{folder}/{i}", image, label, (mask,)))

    def found(some: Sequence[Shot]) -> tuple[TestSet, Any]:
        photos = TestSet(some, None)
        return photos, photos.evaluate(lambda images: [i[..., 0].astype(np.float32) for i in images], np.max)

    photos, verdict = found(shots)
    assert set(verdict.metrics.per_label) == {"missing", "extra", "dent"}
    parts = [found([s for s in shots if s.good or s.name.startswith(kind)])[1] for kind in ("logical", "structural")]
    for key in ("spro", "image_auroc"):
        mean = np.mean([part.metrics.overall[key] for part in parts])
        assert photos.loco_means(verdict)[f"{key}_mean"] == pytest.approx(mean)
    assert 0 < photos.loco_means(verdict)["spro_mean"] < 1
    plain, verdict = found([s for s in shots if not s.name.startswith("structural")])
    assert plain.loco_means(verdict) == {}


def test_photos_of_more_than_8_bits_share_one_scale(tmp_path: Path) -> None:
    """Each at its own range would make a darker part as bright as the others."""
    values = np.tile(np.arange(64, dtype=np.uint16) * 40, (64, 1))
    for name, factor in (("train/good/0", 1.0), ("train/good/1", 1.5), ("test/dent/2", 0.4)):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(deep_png_bytes((values * factor).astype(np.uint16)))
    (tmp_path / "ground_truth/dent").mkdir(parents=True)
    (tmp_path / "ground_truth/dent/2_mask.png").write_bytes(mask_png_bytes(np.eye(64, dtype=np.bool_)))
    means = {shot.name: float(shot.read().mean()) for shot in read_photo_set(tmp_path, "all")}
    assert means["good/1"] / means["good/0"] == pytest.approx(1.5, rel=0.02)
    assert means["dent/2"] / means["good/0"] == pytest.approx(0.4, rel=0.02)
    (shot,) = (s for s in read_photo_set(tmp_path, "test", normals=False) if s.label == "dent")
    assert float(shot.read().mean()) == means["dent/2"], "the scale is the whole dataset's"
    told = {"uint16": DepthScale(0, 8190, "as a person said")}
    dark = read_photo_set(tmp_path, "test", normals=False, scales=told)[0]
    assert float(dark.read().mean()) == pytest.approx(values.mean() * 0.4 * 255 / 8190, abs=1)
