"""COCO instance segmentation with exact masks: one run-length annotation per defect instance.

Polygons would lose holes and thin parts. ``iscrowd`` stays 0, since evaluation ignores crowds; the reference
tools take run lengths for either.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle

from core.errors import ExportError
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
from core.exporters.sidecar import apply_sidecar
from core.given_files import given_json
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
        data = given_json(table)
        names = {c["id"]: str(c["name"]) for c in data["categories"]}
        parts = defaultdict(list)
        for a in data["annotations"]:
            parts[a["image_id"]].append(a)
        split = _split_of(table)
        found = []
        for row in sorted(data["images"], key=lambda r: str(r["file_name"])):
            image = _find_image(root, table, row["file_name"])
            masks = tuple(_decode(a["segmentation"], row["height"], row["width"]) for a in parts[row["id"]])
            area = Counter[str]()
            for a, mask in zip(parts[row["id"]], masks, strict=True):
                area[names[a["category_id"]]] += int(mask.sum())
            label = area.most_common(1)[0][0] if area else GOOD
            found.append(
                (image.relative_to(root).as_posix(), DatasetItem(image.stem, image, label, None, masks, split))
            )
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{table}: expected COCO instances, got {type(error).__name__} {error}") from error


def _split_of(table: Path) -> Split:
    words = table.stem.lower()
    return "val" if "val" in words else "test" if "test" in words else "train"


def _find_image(root: Path, table: Path, name: str) -> Path:
    folder = table.stem.removeprefix("instances_")
    for place in (root / "images" / folder, root / folder, root / "images", root):
        if (image := path_inside(place, name)).is_file():
            return image
    raise ExportError(f"{table}: image {name!r} is not in images/{folder}; put the images beside the annotations")


def _decode(segmentation: Any, height: int, width: int) -> Mask:
    """bool (H, W) of run lengths, compressed or not, or of polygons."""
    code = segmentation
    if not (isinstance(segmentation, dict) and isinstance(segmentation["counts"], str | bytes)):
        code = rle.frPyObjects(segmentation, height, width)
        if isinstance(code, list):
            code = rle.merge(code)
    mask: Mask = rle.decode(code).astype(np.bool_)
    if mask.shape != (height, width):
        raise ValueError(f"a mask of {mask.shape[1]}x{mask.shape[0]} on an image of {width}x{height}")
    return mask
