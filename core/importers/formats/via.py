"""VGG Image Annotator: a project, its annotations as JSON, or as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from core.errors import InputError
from core.importers.annotated import AnnotatedDefect, add_annotated, ask_about_the_rest, polygon_area
from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, decoded_text, json_of, mentions, text_of
from core.masks.annotation_shapes import ellipse_mask, polygon_mask

_LABEL_NAMES = ("label", "class", "type", "defect", "category", "name", "anomaly")
"""What a region's label is mostly called; else it is its first value."""
_CSV_START = "filename,file_size,file_attributes,region_count"
Options = Mapping[str, Mapping[str, str]]
"""The options of each attribute: what is stored, and what it is called."""
Found = dict[str, tuple[SourceEntry, list[AnnotatedDefect], str]]
"""By the name of a photo: the photo, its defects, and the table that tells of it."""


class ViaImporter(Importer):
    """``via_project.json``, ``via_export_json.json`` or ``via_export_csv.csv`` beside the photos."""

    name = "via"
    title = "VGG Image Annotator (VIA 1 and 2)"
    reads = (
        "project, JSON or CSV: polygons, circles, ellipses; rectangles are boxes, no masks; photos without regions "
        "are good"
    )

    def detect(self, tree: SourceTree) -> float:
        return 0.93 if any(map(_is_via, tree.named(".json", ".csv")[:16])) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        found: Found = {}
        for table in filter(_is_via, tree.named(".json", ".csv")):
            builder.annotations.append(table)
            told: Found = {}
            try:
                for photo, regions in _rows(tree, table):
                    told.setdefault(photo.name, (photo, [], table.name))[1].extend(regions)
            except (KeyError, TypeError, ValueError, AttributeError, IndexError, csv.Error) as error:
                raise InputError(
                    f"{table.name}: expected regions of VIA, got {type(error).__name__} {error}"
                ) from error
            found = told | found  # one photo in two exports is told of by the first
        for photo, defects, source in found.values():
            add_annotated(builder, photo, defects, source)
        ask_about_the_rest(builder, tree, found.keys(), "the export of VIA")
        return builder.plan(tree)


def _is_via(entry: SourceEntry) -> bool:
    if entry.suffix == ".csv":
        try:
            return decoded_text(entry.head()).lstrip("#").startswith(_CSV_START)
        except InputError:
            return False
    return mentions(entry, "filename", "regions")


def _rows(tree: SourceTree, table: SourceEntry) -> Iterator[tuple[SourceEntry, list[AnnotatedDefect]]]:
    """The photos that are there, each with its regions or, in a CSV, one of them."""
    rows = _csv_rows(table) if table.suffix == ".csv" else _json_rows(table)
    near = ["/".join(table.folders), "images"]
    for file, regions in rows:
        if (photo := tree.find(file, near)) is not None:
            yield photo, regions


def _json_rows(table: SourceEntry) -> Iterator[tuple[str, list[AnnotatedDefect]]]:
    data: Any = json_of(table)
    options = {
        str(name): {str(k): str(v) for k, v in attribute.get("options", {}).items()}
        for name, attribute in data.get("_via_attributes", {}).get("region", {}).items()
    }
    for image in data.get("_via_img_metadata", data).values():
        if isinstance(image, dict) and "filename" in image:
            regions = image["regions"]
            listed = regions.values() if isinstance(regions, dict) else regions  # VIA 1 numbers them
            yield (
                str(image["filename"]),
                [_region(r["shape_attributes"], r.get("region_attributes", {}), options) for r in listed],
            )


def _csv_rows(table: SourceEntry) -> Iterator[tuple[str, list[AnnotatedDefect]]]:
    for row in csv.DictReader(io.StringIO(text_of(table).lstrip("#"))):
        shape = json.loads(row["region_shape_attributes"] or "{}")
        told = json.loads(row["region_attributes"] or "{}")
        yield row["filename"], [_region(shape, told, {})] if shape else []


def _region(shape: Any, told: Mapping[str, Any], options: Options) -> AnnotatedDefect:
    label, kind = _label(told, options), shape["name"]
    if kind == "polygon":
        points = [[float(x), float(y)] for x, y in zip(shape["all_points_x"], shape["all_points_y"], strict=True)]
        return AnnotatedDefect(label, partial(polygon_mask, points), polygon_area(points))
    if kind in ("circle", "ellipse"):
        centre = float(shape["cx"]), float(shape["cy"])
        radii = (float(shape["r"]),) * 2 if kind == "circle" else (float(shape["rx"]), float(shape["ry"]))
        turn = math.degrees(float(shape.get("theta", 0.0)))
        return AnnotatedDefect(label, partial(ellipse_mask, centre, radii, turn), math.pi * radii[0] * radii[1])
    return AnnotatedDefect(label, None)


def _label(told: Mapping[str, Any], options: Options) -> str:
    """The label of a region: a text, one of several options, or those that are ticked."""
    folded = {name.casefold(): name for name in told}
    for name in [*(folded[n] for n in _LABEL_NAMES if n in folded), *told]:
        value = told[name]
        ticked = [str(k) for k, on in value.items() if on] if isinstance(value, dict) else [str(value).strip()]
        if ticked and ticked[0]:
            return options.get(name, {}).get(ticked[0]) or ticked[0]
    return "defect"
