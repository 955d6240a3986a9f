"""COCO instance segmentation: polygons and run lengths of both kinds; a photo without annotations is good."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import Any

from core.errors import InputError
from core.importers.annotated import AnnotatedDefect, add_annotated
from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, json_of
from core.masks.annotation_shapes import coco_mask


class CocoImporter(Importer):
    """One or more JSON files with ``images``, ``annotations`` and ``categories``."""

    name = "coco"
    title = "COCO instances"
    reads = "polygons, run lengths compressed or not; boxes alone are no masks; photos without annotations are good"

    def detect(self, tree: SourceTree) -> float:
        return 0.92 if any(_is_table(e) for e in tree.named(".json") if len(e.folders) < 2) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        tables = [e for e in tree.named(".json") if _is_table(e)]
        builder.annotations += tables
        found: dict[str, tuple[SourceEntry, list[AnnotatedDefect], str]] = {}
        for table in tables:
            for photo, defects in _read(tree, table):
                if photo.name not in found:
                    found[photo.name] = photo, [], table.name
                found[photo.name][1].extend(defects)
        for photo, defects, source in found.values():
            add_annotated(builder, photo, defects, source)
        return builder.plan(tree)


def _is_table(entry: SourceEntry) -> bool:
    """By the first and, in a file too large for a glance, all of its keys."""
    try:
        head = entry.head().decode("utf-8", "ignore").lstrip()
        if not head.startswith("{") or '"' not in head:
            return False
        if '"file_name"' in head or '"segmentation"' in head or '"supercategory"' in head or '"licenses"' in head:
            data = json_of(entry)
            return isinstance(data, dict) and {"images", "annotations"} <= set(data)
    except InputError:
        return False
    return False


def _read(tree: SourceTree, table: SourceEntry) -> list[tuple[SourceEntry, list[AnnotatedDefect]]]:
    data: Any = json_of(table)
    try:
        names = {c["id"]: str(c["name"]) for c in data.get("categories", ())}
        parts: dict[Any, list[AnnotatedDefect]] = defaultdict(list)
        for a in data["annotations"]:
            shape = a.get("segmentation")
            label = names.get(a.get("category_id"), f"class_{a.get('category_id')}")
            parts[a["image_id"]].append(
                AnnotatedDefect(label, partial(coco_mask, shape) if shape else None, float(a.get("area") or 1))
            )
        split = table.stem.removeprefix("instances_")
        near = [f"images/{split}", split, "images", *table.folders]
        rows = [(tree.find(str(row["file_name"]), near), row["id"]) for row in data["images"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{table.name}: expected COCO instances, got {type(error).__name__} {error}") from error
    return [(photo, parts[id]) for photo, id in rows if photo is not None]
