"""COCO instance segmentation: polygons and run lengths of both kinds; a photo without annotations is good."""

from __future__ import annotations

from collections.abc import Set

from core.errors import InputError
from core.importers.annotated import AnnotatedDefect, add_annotated
from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, json_of, mentions
from core.masks.coco_table import coco_folders, read_coco

_MOST_OPENED = 64


class CocoImporter(Importer):
    """One or more JSON files with ``images``, ``annotations`` and ``categories``."""

    name = "coco"
    title = "COCO instances"
    reads = "polygons, run lengths compressed or not; boxes alone are no masks; photos without annotations are good"

    def detect(self, tree: SourceTree) -> float:
        with_pictures = {e.folders[:1] for e in tree.images}
        tables = [e for e in tree.named(".json") if _is_at_the_top(e, with_pictures)]
        return 0.92 if tree.images and any(map(_is_table, tables[:_MOST_OPENED])) else 0.0

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


def _is_at_the_top(entry: SourceEntry, with_pictures: Set[tuple[str, ...]]) -> bool:
    """Whether a table is its tree's: at most one folder deep, or in a folder that holds no pictures of its own."""
    return len(entry.folders) < 2 or entry.folders[:1] not in with_pictures


def _is_table(entry: SourceEntry) -> bool:
    if not mentions(entry, "images", "annotations"):
        return False
    try:
        data = json_of(entry)
    except InputError:
        return False
    return (
        isinstance(data, dict) and isinstance(data.get("images"), list) and isinstance(data.get("annotations"), list)
    )


def _read(tree: SourceTree, table: SourceEntry) -> list[tuple[SourceEntry, list[AnnotatedDefect]]]:
    near = [*coco_folders(table.stem), "/".join(table.folders), *table.folders]
    found = []
    for row in read_coco(json_of(table), table.name):
        photo = tree.find(row.file, near)
        if photo is not None:
            found.append(
                (photo, [AnnotatedDefect(d.label, d.mask if d.segmentation else None, d.area) for d in row.defects])
            )
    return found
