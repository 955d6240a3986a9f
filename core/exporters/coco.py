"""COCO instance segmentation with exact masks: one run-length annotation per defect instance.

Polygons would lose holes and thin parts. ``iscrowd`` stays 0, since evaluation ignores crowds; the reference
tools take run lengths for either.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle

from core.errors import ExportError, InputError
from core.exporters.api import (
    SPLITS,
    DatasetFormat,
    DatasetItem,
    ExportPlan,
    ItemContent,
    PlacedItem,
    Split,
    WrittenItem,
    not_a_dataset,
    path_inside,
    write_file,
)
from core.exporters.png_files import image_size
from core.exporters.sidecar import apply_sidecar
from core.given_files import given_json
from core.masks.coco_table import CocoPhoto, coco_folders, read_coco
from core.types import GOOD, Mask


class CocoExporter(DatasetFormat):
    """``images/<split>/NNNNNN.png`` and ``annotations/instances_<split>.json``."""

    name = "coco"
    listed, asked = 4, 2
    title = "COCO instances"
    summary = "Exact masks as run lengths, one annotation per defect; normals are images without annotations."
    library = "pycocotools"
    trains_on_anomalies = True
    has_val = True

    def write(self, plan: ExportPlan, placed: PlacedItem, content: ItemContent) -> WrittenItem:
        image = write_file(plan.folder, f"images/{placed.split}/{placed.stem}.png", content.png)
        masks = () if placed.item.good else content.masks
        return WrittenItem(placed, image, facts=(content.shape, [_annotation(mask) for mask in masks]))

    def finish(self, plan: ExportPlan, written: Sequence[WrittenItem]) -> list[str]:
        for split in SPLITS:
            rows = [w for w in written if w.placed.split == split]
            if rows:
                text = json.dumps(_instances(plan, rows), indent=None, separators=(",", ":"))
                write_file(plan.folder, f"annotations/instances_{split}.json", text + "\n")
        return []

    def layout(self, plan: ExportPlan) -> str:
        return (
            "- `images/<split>/NNNNNN.png`: images\n"
            "- `annotations/instances_<split>.json`: COCO instances; masks are exact run lengths\n"
        )

    def loader_script(self, plan: ExportPlan) -> str:
        return """from pathlib import Path

from pycocotools.coco import COCO

root = Path(__file__).parent
for path in sorted((root / "annotations").glob("instances_*.json")):
    coco = COCO(str(path))
    masks = [coco.annToMask(a) for a in coco.loadAnns(coco.getAnnIds())]
    print(path.stem, len(coco.imgs), "images", len(masks), "masks")
"""

    def matches(self, path: Path) -> bool:
        return any((path / "annotations").glob("*.json"))

    def read(self, path: Path) -> list[DatasetItem]:
        if not self.matches(path):
            raise not_a_dataset(path, self.name, "annotations/*.json")
        tables = sorted((path / "annotations").glob("*.json"))
        items = [found for table in tables for found in _read_table(path, table)]
        return apply_sidecar(path, sorted(items, key=lambda found: found[0]))


def _annotation(mask: Mask) -> dict[str, Any]:
    """The exact mask as COCO run lengths (column by column), its box (x, y, w, h) and area in pixels."""
    code = rle.encode(np.asfortranarray(mask.view(np.uint8)))
    return {
        "segmentation": {"size": [int(v) for v in code["size"]], "counts": code["counts"].decode("ascii")},
        "bbox": [float(v) for v in rle.toBbox(code)],
        "area": int(rle.area(code)),
        "iscrowd": 0,
    }


def _instances(plan: ExportPlan, rows: Sequence[WrittenItem]) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, w in enumerate(rows, 1):
        (height, width), parts = w.facts
        images.append({"id": image_id, "file_name": Path(w.image).name, "width": width, "height": height})
        for part in parts:
            category = plan.labels.index(w.placed.item.label) + 1
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, "category_id": category, **part})
    categories = [
        {"id": k, "name": label, "supercategory": plan.kinds.get(label) or "anomaly"}
        for k, label in enumerate(plan.labels, 1)
    ]
    info = {"description": plan.options.category, "version": "1.0"}
    return {
        "info": info,
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def _read_table(root: Path, table: Path) -> list[tuple[str, DatasetItem]]:
    """(relative path, item) of each image in one annotation file."""
    try:
        photos = read_coco(given_json(table), str(table))
        return [_item(root, table, photo) for photo in sorted(photos, key=lambda photo: photo.file)]
    except InputError as error:
        raise ExportError(
            str(error) if str(table) in str(error) else f"{table}: expected COCO instances, got {error}"
        ) from error


def _item(root: Path, table: Path, photo: CocoPhoto) -> tuple[str, DatasetItem]:
    image = _find_image(root, table, photo.file)
    shape = image_size(image) if photo.defects else (0, 0)
    masks = tuple(defect.mask(shape) for defect in photo.defects)
    area = Counter[str]()
    for defect, mask in zip(photo.defects, masks, strict=True):
        area[defect.label] += int(mask.sum())
    label = area.most_common(1)[0][0] if area else GOOD
    return image.relative_to(root).as_posix(), DatasetItem(image.stem, image, label, None, masks, _split_of(table))


def _split_of(table: Path) -> Split:
    words = table.stem.lower()
    return "val" if "val" in words else "test" if "test" in words else "train"


def _find_image(root: Path, table: Path, name: str) -> Path:
    for folder in (*coco_folders(table.stem), ""):
        if (image := path_inside(root / folder, name)).is_file():
            return image
    where = coco_folders(table.stem)[0]
    raise ExportError(f"{table}: image {name!r} is not in {where}; put the images beside the annotations")
