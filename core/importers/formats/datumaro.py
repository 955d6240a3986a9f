"""Datumaro: ``annotations/<subset>.json`` with polygons and run lengths, photos in ``images``."""

from __future__ import annotations

from functools import partial
from typing import Any

from core.errors import InputError
from core.importers.annotated import AnnotatedDefect, add_annotated, polygon_area, whole_photo
from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, json_of
from core.masks.annotation_shapes import coco_mask, ellipse_mask, polygon_mask


class DatumaroImporter(Importer):
    """``annotations/train.json`` with ``items`` and ``categories``."""

    name = "datumaro"
    title = "Datumaro"
    reads = (
        "polygons, masks, ellipses; boxes and labels of whole photos are no masks; items without annotations are good"
    )

    def detect(self, tree: SourceTree) -> float:
        return 0.94 if any(map(_is_table, tree.named(".json")[:8])) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        for table in filter(_is_table, tree.named(".json")):
            builder.annotations.append(table)
            for photo, defects in _read(tree, table):
                add_annotated(builder, photo, defects, table.name)
        return builder.plan(tree)


def _is_table(entry: SourceEntry) -> bool:
    if entry.folded[-1:] != ("annotations",):
        return False
    try:
        head = entry.head().decode("utf-8", "ignore")
        if '"dm_format_version"' in head or ('"categories"' in head and '"label"' in head and '"labels"' in head):
            data = json_of(entry)
            return isinstance(data, dict) and isinstance(data.get("items"), list)
    except InputError:
        return False
    return False


def _read(tree: SourceTree, table: SourceEntry) -> list[tuple[SourceEntry, list[AnnotatedDefect]]]:
    data: Any = json_of(table)
    found = []
    try:
        names = [str(x["name"]) for x in data["categories"]["label"]["labels"]]
        for item in data["items"]:
            path = item.get("image", item.get("media", {})).get("path") or f"{item['id']}"
            near = [f"images/{table.stem}", "images"]
            photo = tree.find(str(path), near) or tree.find_photo(str(item["id"]))
            if photo is not None:
                shapes = [d for a in item.get("annotations", ()) if (d := _shape(a, names)) is not None]
                found.append((photo, shapes))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(f"{table.name}: expected Datumaro's items, got {type(error).__name__} {error}") from error
    return found


def _shape(shape: Any, names: list[str]) -> AnnotatedDefect | None:
    kind = shape.get("type")
    label = names[int(shape["label_id"])] if shape.get("label_id") is not None else "defect"
    if kind == "polygon":
        flat = [float(v) for v in shape["points"]]
        points = [[x, y] for x, y in zip(flat[::2], flat[1::2], strict=True)]
        return AnnotatedDefect(label, partial(polygon_mask, points), polygon_area(points))
    if kind == "mask":
        return AnnotatedDefect(label, partial(coco_mask, shape["rle"]), float(shape.get("area") or 1))
    if kind == "ellipse":
        x0, y0, x1, y1 = (float(v) for v in shape["points"])
        centre, radii = ((x0 + x1) / 2, (y0 + y1) / 2), (abs(x1 - x0) / 2, abs(y1 - y0) / 2)
        return AnnotatedDefect(label, partial(ellipse_mask, centre, radii, 0.0))
    if kind == "label":
        return whole_photo(label)
    return AnnotatedDefect(label, None) if kind in ("bbox", "polyline", "points") else None
