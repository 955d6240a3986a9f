"""What import reads and what Evaluate reads of one dataset is the same: COCO, YOLO and VOC have one reader each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.exporters import read_dataset
from core.images import read_mask
from core.jobs.import_images import import_images
from core.masks.yolo_lines import read_yolo
from tests.importers.drawn import SIZE, bad, coded, good, write

HEIGHT, WIDTH = SIZE
TRIANGLE = [(10.4, 12.3), (40.7, 15.1), (22.2, 44.8)]
PHOTOS = {"images/train/a.png": bad(1), "images/train/b.png": good(2)}


def coco() -> dict[str, bytes | str]:
    shapes = [[[v for point in TRIANGLE for v in point]], {"size": [HEIGHT, WIDTH], "counts": [130, 25, 4645]}]
    annotations = [{"id": n, "image_id": 1, "category_id": 7, "segmentation": shape} for n, shape in enumerate(shapes)]
    images = [{"id": n, "file_name": f"{name}.png"} for n, name in enumerate("ab", 1)]
    table = {"images": images, "annotations": annotations, "categories": [{"id": 7, "name": "scratch"}]}
    return PHOTOS | {"annotations/instances_train.json": json.dumps(table)}


def yolo() -> dict[str, bytes | str]:
    line = "0 " + " ".join(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in TRIANGLE)
    return PHOTOS | {"labels/train/a.txt": line, "labels/train/b.txt": "", "data.yaml": "names: [scratch]\n"}


def voc() -> dict[str, bytes | str]:
    """Colours of the labelmap and of two objects, with a rim of void."""
    classes, objects = (np.zeros((*SIZE, 3), np.uint8) for _ in range(2))
    classes[10:30, 10:40], objects[10:30, 10:20], objects[10:30, 20:40] = (250, 50, 83), (128, 0, 0), (0, 128, 0)
    classes[10], objects[10] = (224, 224, 192), (224, 224, 192)
    nothing = coded(np.zeros((*SIZE, 3), np.uint8))
    files = {"JPEGImages/a.png": bad(1), "JPEGImages/b.png": good(2), "ImageSets/Segmentation/train.txt": "a\nb\n"}
    files |= {f"Segmentation{kind}/b.png": nothing for kind in ("Class", "Object")}
    files |= {"SegmentationClass/a.png": coded(classes), "SegmentationObject/a.png": coded(objects)}
    return files | {"labelmap.txt": "# label:color_rgb\nbackground:0,0,0::\nscratch:250,50,83::\n"}


@pytest.mark.parametrize("made", [coco, yolo, voc])
def test_import_and_evaluation_read_a_dataset_alike(project, tmp_path: Path, made) -> None:
    folder = write(tmp_path / "set", made())
    report = import_images(project, folder)
    items = {item.name: item for item in read_dataset(folder)}
    assert items["b"].good and [name.rpartition("/")[2] for name in report.normals] == ["b.png"]
    (taken,) = project.examples()
    assert taken.label == items["a"].label == "scratch"
    masks = [read_mask(path) for path in taken.mask_paths]
    assert len(masks) == len(items["a"].masks) and all(mask.any() for mask in masks)
    for mine, theirs in zip(masks, items["a"].masks, strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize(("inside", "area"), [(0.25, 6 * 11), (0.0, 5 * 10)])
def test_yolo_outlines_of_pixels_hold_them_and_clicked_corners_hold_what_is_between(inside: float, area: int) -> None:
    corners = [(4, 3), (14, 3), (14, 8), (4, 8)]
    line = "0 " + " ".join(f"{(x + inside) / WIDTH:.7f} {(y + inside) / HEIGHT:.7f}" for x, y in corners)
    (defect,) = read_yolo(line, {}, "x.txt")
    assert defect.label == "class_0" and defect.mask(SIZE).sum() == area
