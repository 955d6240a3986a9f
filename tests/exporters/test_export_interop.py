"""The libraries that our folders are made for, where they are installed, load them and see the same masks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core.exporters import DatasetItem, ExportReport, export, read_dataset

pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]
OPTIONS = {"category": "gear"}


@pytest.fixture
def made(kit, tmp_path: Path):
    """(items, their export) of one format, anomalies at odd places, at least 11 of one label."""

    def make(name: str, **options: object) -> tuple[list[DatasetItem], Path, ExportReport]:
        items = kit.items(20, 33)
        return items, tmp_path / "set", export(items, tmp_path / "set", name, OPTIONS | options)

    return make


def wanted(kit: SimpleNamespace, items: list[DatasetItem], out: Path) -> dict[str, np.ndarray]:
    """Union mask of each exported image file, from the items that went in."""
    by_pixels = {kit.pixels(i).tobytes(): i for i in items}
    return {str(i.image): kit.union(by_pixels[kit.pixels(i).tobytes()]) for i in read_dataset(out)}


def check_anomalib(kit, items: list[DatasetItem], out: Path, *datasets) -> int:
    """Every image, label and mask that anomalib hands out is ours; returns how many."""
    masks, seen = wanted(kit, items, out), 0
    for dataset in datasets:
        for k in range(len(dataset)):
            sample = dataset[k]
            want = masks[str(Path(sample.image_path).resolve())]
            assert bool(sample.gt_label) == want.any()
            if sample.gt_mask is not None:
                assert np.array_equal(np.asarray(sample.gt_mask).astype(bool).reshape(want.shape), want)
            assert np.allclose(
                np.asarray(sample.image).transpose(1, 2, 0), kit.pixels(DatasetItem("", Path(sample.image_path))) / 255
            )
            seen += 1
    return seen


def test_anomalib_mvtec_ad(kit, made) -> None:
    data = pytest.importorskip("anomalib.data", exc_type=ImportError)
    items, out, report = made("mvtec-ad")
    module = data.MVTecAD(root=out, category="gear", num_workers=0)
    module.prepare_data()
    module.setup()
    assert len(module.train_data) == report.images["train_good"]
    assert check_anomalib(kit, items, out, module.train_data, module.test_data) == 53
    batch = next(iter(module.test_dataloader()))
    assert batch.gt_mask.shape[0] == batch.image.shape[0] > 0


@pytest.mark.parametrize("codes", [False, True])
def test_anomalib_mvtec_loco(codes: bool, kit, made) -> None:
    pandas = pytest.importorskip("pandas")
    if int(pandas.__version__.split(".")[0]) >= 3:
        pytest.skip("the LOCO reader of anomalib needs pandas below 3")
    data = pytest.importorskip("anomalib.data", exc_type=ImportError)
    items, out, report = made("mvtec-loco", pixel_codes=codes)
    module = data.MVTecLOCO(root=out, category="gear", num_workers=0)
    module.prepare_data()
    module.setup()
    assert len(module.val_data) == report.images["val_good"] > 0
    assert check_anomalib(kit, items, out, module.train_data, module.val_data, module.test_data) == 53


def test_anomalib_visa(kit, made) -> None:
    data = pytest.importorskip("anomalib.data", exc_type=ImportError)
    items, out, _ = made("visa")
    module = data.Visa(root=out, category="gear", num_workers=0)
    module.prepare_data()
    module.setup()
    assert check_anomalib(kit, items, out, module.train_data, module.test_data) == 53


def test_anomalib_folder_on_an_mvtec_ad_export(kit, made) -> None:
    data = pytest.importorskip("anomalib.data", exc_type=ImportError)
    items, out, _ = made("mvtec-ad")
    labels = sorted({i.label for i in items} - {"good"})
    module = data.Folder(
        name="gear",
        root=out / "gear",
        normal_dir="train/good",
        normal_test_dir="test/good",
        abnormal_dir=[f"test/{label}" for label in labels],
        mask_dir=[f"ground_truth/{label}" for label in labels],
        num_workers=0,
        val_split_mode="same_as_test",
    )
    module.setup()
    assert check_anomalib(kit, items, out, module.train_data, module.test_data) == 53


@pytest.mark.parametrize("name", ["mvtec-ad", "visa"])
def test_anomalib_tabular_on_samples_csv(name: str, kit, made) -> None:
    data = pytest.importorskip("anomalib.data", exc_type=ImportError)
    pandas = pytest.importorskip("pandas")
    items, out, _ = made(name)
    table = pandas.read_csv(out / "flawsmith" / "samples.csv", keep_default_na=False)
    module = data.Tabular(name="gear", samples=table, root=out, num_workers=0, val_split_mode="same_as_test")
    module.setup()
    assert check_anomalib(kit, items, out, module.train_data, module.test_data) == 53


def test_supervision_coco(kit, made) -> None:
    sv = pytest.importorskip("supervision", exc_type=ImportError)
    items, out, _ = made("coco")
    masks, seen = wanted(kit, items, out), 0
    for images in (out / "images").iterdir():
        data = sv.DetectionDataset.from_coco(
            images_directory_path=str(images),
            annotations_path=str(out / "annotations" / f"instances_{images.name}.json"),
            force_masks=True,
        )
        for path, _, found in data:
            want = masks[str(Path(path).resolve())]
            got = found.mask.any(axis=0) if len(found) else np.zeros(want.shape, bool)
            assert np.array_equal(got, want)
            seen += 1
    assert seen == 53


def test_supervision_yolo_sees_the_masks_with_holes_filled(kit, made) -> None:
    from scipy.ndimage import binary_fill_holes

    sv = pytest.importorskip("supervision", exc_type=ImportError)
    items, out, _ = made("yolo-seg")
    masks, seen = wanted(kit, items, out), 0
    for images in (out / "images").iterdir():
        data = sv.DetectionDataset.from_yolo(
            images_directory_path=str(images),
            annotations_directory_path=str(out / "labels" / images.name),
            data_yaml_path=str(out / "data.yaml"),
            force_masks=True,
        )
        assert data.classes == ["crack", "missing_nut", "no"]
        for path, _, found in data:
            want = binary_fill_holes(masks[str(Path(path).resolve())])
            got = found.mask.any(axis=0) if len(found) else np.zeros(want.shape, bool)
            assert np.array_equal(got, want)
            seen += 1
    assert seen == 53


def test_hugging_face_imagefolder(kit, made, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", exc_type=ImportError)
    items, out, _ = made("imagefolder")
    data = datasets.load_dataset("imagefolder", data_dir=str(out), cache_dir=str(tmp_path / "cache"))
    names = {"train": "train", "validation": "val", "test": "test"}
    by_pixels = {kit.pixels(i).tobytes(): i for i in items}
    on_disk = {kit.pixels(i).tobytes(): i.split for i in read_dataset(out)}
    assert set(data) == set(names) and sum(map(len, data.values())) == 53
    for split, rows in data.items():
        for row in rows:
            image = np.asarray(row["image"].convert("RGB"))
            item = by_pixels[image.tobytes()]
            assert row["label"] == item.label and on_disk[image.tobytes()] == names[split]
            assert np.array_equal(np.asarray(row["mask"]) > 0, kit.union(item))


def test_torchvision_imagefolder(made) -> None:
    vision = pytest.importorskip("torchvision.datasets", exc_type=ImportError)
    items, out, _ = made("imagefolder")
    found = [vision.ImageFolder(out / split / "images") for split in ("train", "val", "test")]
    assert sum(map(len, found)) == 53 and found[0].classes == sorted({i.label for i in items})


@pytest.mark.parametrize(("name", "theirs"), [("voc", "voc_segmentation"), ("coco", "coco_instances")])
def test_datumaro(name: str, theirs: str, kit, made) -> None:
    """Its YOLO reader knows boxes only, so supervision stands in for that format."""
    dm = pytest.importorskip("datumaro", exc_type=ImportError)
    items, out, _ = made(name)
    data = dm.Dataset.import_from(str(out), theirs)
    masks = {Path(path).stem: mask for path, mask in wanted(kit, items, out).items()}
    assert len(data) == 53
    for item in data:
        want = masks[Path(item.id).name]
        drawn = [a.image.astype(bool) for a in item.annotations if a.type == dm.AnnotationType.mask]
        assert np.array_equal(np.logical_or.reduce([*drawn, np.zeros(want.shape, bool)]), want)


SNIPPETS = {
    "mvtec-ad": "anomalib",
    "mvtec-loco": "anomalib",
    "visa": "anomalib",
    "yolo-seg": "supervision",
    "imagefolder": "datasets",
}


@pytest.mark.parametrize("name", SNIPPETS)
def test_the_loader_snippet_runs_as_it_is(name: str, made, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip(SNIPPETS[name], exc_type=ImportError)
    if name == "mvtec-loco" and int(pytest.importorskip("pandas").__version__.split(".")[0]) >= 3:
        pytest.skip("the LOCO reader of anomalib needs pandas below 3")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    _, out, report = made(name)
    run = subprocess.run(
        [sys.executable, str(out / "load_me.py")], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert run.returncode == 0, run.stderr
    counted = re.findall(r"^(?:\w+ )?(?:train|val|test|validation)\b.*$", run.stdout, re.M)
    numbers = [int(n) for line in counted for n in re.findall(r"(?<=\s)\d+", line)]
    assert sum(numbers) == sum(report.images.values()), run.stdout
