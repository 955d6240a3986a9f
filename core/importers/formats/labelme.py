"""labelme: a JSON beside each photo, with polygons, circles and masks."""

from __future__ import annotations

import base64
import binascii
import math
from functools import partial
from typing import Any

from core.errors import InputError, MaskError
from core.images import isolated
from core.importers.annotated import (
    AnnotatedDefect,
    add_annotated,
    ask_about_the_rest,
    pasted_mask,
    polygon_area,
    whole_photo,
)
from core.importers.formats.labelme_dataset import dataset_folders
from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, json_of, mentions
from core.masks.annotation_shapes import ellipse_mask, polygon_mask
from core.types import Mask


class LabelmeImporter(Importer):
    """``x.json`` beside ``x.jpg``."""

    name = "labelme"
    title = "labelme"
    reads = (
        "polygons, circles, rectangles and masks; lines and points have no area; without shapes a photo is what its "
        "flags say, else good"
    )

    def detect(self, tree: SourceTree) -> float:
        return 0.9 if any(map(_is_labelme, tree.named(".json")[:8])) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        taken: set[str] = set()
        for table in tree.named(".json"):
            if not _is_labelme(table):
                continue
            photo, defects = _read(tree, table)
            builder.annotations.append(table)
            if photo is not None and photo.name not in taken:
                taken.add(photo.name)
                add_annotated(builder, photo, defects, table.name)
        made = {folder.casefold() for folder in dataset_folders(tree)}
        builder.leave_out(
            (e for e in tree.images if "/".join(e.folded) in made), "labelme made it of a photo that is read itself"
        )
        taken |= {e.name for e in tree.images if "/".join(e.folded) in made}
        ask_about_the_rest(builder, tree, taken, "no JSON of labelme")
        return builder.plan(tree)


def _is_labelme(entry: SourceEntry) -> bool:
    return mentions(entry, "shapes") and any(mentions(entry, key) for key in ("imagePath", "shape_type", "version"))


def _read(tree: SourceTree, table: SourceEntry) -> tuple[SourceEntry | None, list[AnnotatedDefect]]:
    data: Any = json_of(table)
    try:
        file = str(data.get("imagePath") or "").replace("\\", "/").rpartition("/")[2]
        here = "/".join(table.folders)
        photo = tree.get(f"{here}/{file}" if here else file) or _twin(tree, table) or tree.find(file)
        flags = data.get("flags") or {}
        told = [d for name, is_set in flags.items() if is_set and (d := whole_photo(str(name))) is not None]
        return photo, [_shape(shape) for shape in data["shapes"]] or told
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(f"{table.name}: expected labelme's shapes, got {type(error).__name__} {error}") from error


def _twin(tree: SourceTree, table: SourceEntry) -> SourceEntry | None:
    return next((e for e in tree.images if e.folded == table.folded and e.stem == table.stem), None)


def _shape(shape: Any) -> AnnotatedDefect:
    label, kind = str(shape["label"]), str(shape.get("shape_type") or "polygon")
    points = [[float(x), float(y)] for x, y in shape["points"]]
    if kind == "polygon":
        return AnnotatedDefect(label, partial(polygon_mask, points), polygon_area(points))
    if kind == "rectangle":
        (x0, y0), (x1, y1) = points[0], points[-1]
        corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
        return AnnotatedDefect(label, partial(polygon_mask, corners), polygon_area(corners))
    if kind == "circle":
        (x, y), edge = points[0], points[1]
        radius = math.dist((x, y), edge)
        return AnnotatedDefect(label, partial(ellipse_mask, (x, y), (radius, radius), 0.0), math.pi * radius**2)
    if kind == "mask":
        return AnnotatedDefect(label, partial(_pasted, str(shape["mask"]), (round(points[0][0]), round(points[0][1]))))
    return AnnotatedDefect(label, None)


def _pasted(code: str, at: tuple[int, int], shape: tuple[int, int]) -> Mask:
    """A mask PNG in base64 whose top left corner lies at (x, y)."""
    try:
        part = isolated.read_mask(base64.b64decode(code), name="labelme mask")
    except binascii.Error as error:
        raise MaskError("mask: expected a PNG in base64; save the labelme file again") from error
    return pasted_mask(part, at, shape)
