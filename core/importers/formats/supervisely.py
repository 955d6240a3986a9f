"""Supervisely: photos in ``img``, a JSON of each in ``ann``, in a folder for each dataset of a project."""

from __future__ import annotations

import base64
import binascii
import zlib
from functools import partial
from typing import Any

import numpy as np

from core.errors import InputError, MaskError
from core.images import isolated
from core.importers.annotated import AnnotatedDefect, add_annotated, ask_about_the_rest, pasted_mask, polygon_area
from core.importers.flaw_words import told_by
from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, json_of, mentions
from core.masks.annotation_shapes import Shape, polygon_mask
from core.types import Mask

_MADE_OF_IT = ("masks_human", "masks_machine", "masks_instances", "seg")
_MOST_BITMAP = 64 << 20
"""Bytes that a bitmap may unpack to, before it is decoded."""
Corners = list[list[float]]


class SuperviselyImporter(Importer):
    """``meta.json``, ``ds/img/x.png``, ``ds/ann/x.png.json``."""

    name = "supervisely"
    title = "Supervisely"
    reads = "bitmaps, polygons with holes; rectangles, lines and points are no masks; photos without objects are good"

    def detect(self, tree: SourceTree) -> float:
        return 0.94 if any(map(_is_annotation, [e for e in tree.named(".json") if _in_ann(e)][:8])) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        taken: set[str] = set()
        builder.annotations += [e for e in tree.named(".json") if not _in_ann(e)]
        for table in filter(_in_ann, tree.named(".json")):
            builder.annotations.append(table)
            photo = _photo_of(tree, table)
            if photo is not None and photo.name not in taken:
                taken.add(photo.name)
                add_annotated(builder, photo, _read(table), table.name)
        made = [e for e in tree.images if any(f in _MADE_OF_IT for f in e.folded)]
        builder.leave_out(made, "Supervisely drew it of annotations that are read themselves")
        ask_about_the_rest(builder, tree, taken | {e.name for e in made}, "Supervisely")
        return builder.plan(tree)


def _in_ann(entry: SourceEntry) -> bool:
    return entry.folded[-1:] == ("ann",)


def _is_annotation(entry: SourceEntry) -> bool:
    return mentions(entry, "objects", "size")


def _photo_of(tree: SourceTree, table: SourceEntry) -> SourceEntry | None:
    """``img/x.png`` of ``ann/x.png.json``; of ``ann/x.json`` in old projects."""
    folder = "/".join((*table.folders[:-1], "img"))
    exact = tree.get(f"{folder}/{table.stem}")
    if exact is not None:
        return exact
    stem = f"{folder}/{table.stem}.".casefold()
    return next((e for e in tree.images if e.path.casefold().rpartition(".")[0] + "." == stem), None)


def _read(table: SourceEntry) -> list[AnnotatedDefect]:
    data: Any = json_of(table)
    try:
        found = [_object(one) for one in data["objects"]]
        if not found:  # a tag of the photo may tell
            tags = [str(tag["name"]) for tag in data.get("tags", ())]
            found = [AnnotatedDefect(tag, None) for tag in tags if told_by(tag) == "bad"]
        return found
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(
            f"{table.name}: expected Supervisely's objects, got {type(error).__name__} {error}"
        ) from error


def _object(one: Any) -> AnnotatedDefect:
    label = str(one.get("classTitle", "defect"))
    if one.get("bitmap"):
        left, top = (round(v) for v in one["bitmap"]["origin"])
        return AnnotatedDefect(label, partial(_bitmap, str(one["bitmap"]["data"]), (left, top)))
    if one.get("geometryType", one.get("type", "polygon")) == "polygon":
        outer, *holes = [_corners(ring) for ring in (one["points"]["exterior"], *one["points"]["interior"])]
        return AnnotatedDefect(label, partial(_holed, outer, holes), polygon_area(outer))
    return AnnotatedDefect(label, None)


def _corners(ring: Any) -> Corners:
    return [[float(x), float(y)] for x, y in ring]


def _holed(outer: Corners, holes: list[Corners], shape: Shape) -> Mask:
    """A polygon less its holes; corners are pixels that belong to it."""
    mask = polygon_mask(outer, shape)
    for hole in holes:
        mask &= ~polygon_mask(hole, shape)
    return mask


def _bitmap(code: str, at: tuple[int, int], shape: Shape) -> Mask:
    """A packed PNG in base64 whose top left corner lies at (x, y)."""
    try:
        unpacker = zlib.decompressobj()
        png = unpacker.decompress(base64.b64decode(code), _MOST_BITMAP)
    except (binascii.Error, zlib.error) as error:
        raise MaskError("mask: expected a packed PNG in base64; export from Supervisely again") from error
    if unpacker.unconsumed_tail:
        raise MaskError(f"mask: the bitmap unpacks to more than {_MOST_BITMAP >> 20} MB; export it again")
    return pasted_mask(np.asarray(isolated.read_mask(png, name="Supervisely bitmap")), at, shape)
