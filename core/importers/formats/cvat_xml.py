"""CVAT for images 1.1: one XML with polygons, masks and ellipses of every photo."""

from __future__ import annotations

import xml.etree.ElementTree as Xml
from functools import partial

from core.errors import InputError
from core.importers.annotated import AnnotatedDefect, add_annotated, polygon_area, whole_photo
from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, text_of
from core.masks.annotation_shapes import box_runs_mask, ellipse_mask, polygon_mask


class CvatXmlImporter(Importer):
    """``annotations.xml`` with ``<image name=...>`` entries, photos beside it or in ``images``."""

    name = "cvat-xml"
    title = "CVAT for images 1.1 (XML)"
    reads = "polygons, masks, ellipses; boxes, lines and points are no masks; photos without shapes are good"

    def detect(self, tree: SourceTree) -> float:
        return 0.93 if any(map(_is_cvat, tree.named(".xml")[:4])) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        taken: set[str] = set()
        for table in filter(_is_cvat, tree.named(".xml")):
            builder.annotations.append(table)
            for photo, defects in _read(tree, table):
                if photo.name not in taken:
                    taken.add(photo.name)
                    add_annotated(builder, photo, defects, table.name)
        return builder.plan(tree)


def _is_cvat(entry: SourceEntry) -> bool:
    try:
        head = entry.head()
        return b"<annotations" in head and (b"<meta" in head or b"<image " in head)
    except InputError:
        return False


def _read(tree: SourceTree, table: SourceEntry) -> list[tuple[SourceEntry, list[AnnotatedDefect]]]:
    text = text_of(table)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(f"{table.name}: an XML with entities is not read; export it from CVAT again")
    found = []
    try:
        for image in Xml.fromstring(text).iter("image"):
            photo = tree.find(image.get("name", ""), ["images"])
            if photo is not None:
                found.append((photo, [d for shape in image if (d := _shape(shape)) is not None]))
    except (Xml.ParseError, ValueError, TypeError) as error:
        raise InputError(f"{table.name}: expected CVAT's annotations ({error}); export it again") from error
    return found


def _shape(shape: Xml.Element) -> AnnotatedDefect | None:
    label = shape.get("label", "defect")
    if shape.tag == "polygon":
        points = [[float(v) for v in pair.split(",")] for pair in shape.get("points", "").split(";")]
        return AnnotatedDefect(label, partial(polygon_mask, points), polygon_area(points))
    if shape.tag == "mask":
        runs = [int(v) for v in shape.get("rle", "").split(",")]
        left, top, width, height = (int(float(shape.get(k, "0"))) for k in ("left", "top", "width", "height"))
        return AnnotatedDefect(label, partial(box_runs_mask, runs, (left, top, width, height)), float(sum(runs[1::2])))
    if shape.tag == "ellipse":
        x, y, rx, ry, turn = (float(shape.get(k, "0")) for k in ("cx", "cy", "rx", "ry", "rotation"))
        return AnnotatedDefect(label, partial(ellipse_mask, (x, y), (rx, ry), turn), 3.14 * rx * ry)
    if shape.tag == "tag":
        return whole_photo(label)
    return AnnotatedDefect(label, None) if shape.tag in ("box", "polyline", "points", "cuboid") else None
