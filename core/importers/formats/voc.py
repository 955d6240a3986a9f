"""Pascal VOC segmentation and CVAT's "Segmentation mask 1.1": masks by class and object, labels in labelmap.txt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from core.errors import InputError
from core.images import isolated
from core.images.class_map import VOID_COLOUR
from core.importers.importer import Importer
from core.importers.plan import DrawnMask, ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, text_of
from core.types import Mask

_CLASSES, _OBJECTS = "segmentationclass", "segmentationobject"
_VOID = 255


class VocImporter(Importer):
    """``JPEGImages``, ``SegmentationClass``, ``SegmentationObject``, ``labelmap.txt``."""

    name = "voc"
    title = "Pascal VOC segmentation, CVAT Segmentation mask 1.1"
    reads = "masks by class and by object, as palettes or colours of `labelmap.txt`; the XML's boxes are not needed"

    def detect(self, tree: SourceTree) -> float:
        known = tree.get("labelmap.txt") or tree.has("imagesets") or tree.has("jpegimages")
        return 0.95 if tree.has(_CLASSES) and known else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        labelmap = tree.get("labelmap.txt")
        codes = _Codes.read(labelmap)
        builder.annotations += [labelmap] if labelmap else []
        builder.annotations += [e for e in tree.entries if e.folded and e.folded[0] in ("annotations", "imagesets")]
        by_kind: dict[str, dict[str, SourceEntry]] = {_CLASSES: {}, _OBJECTS: {}}
        photos = []
        for entry in tree.images:
            kind = next((f for f in entry.folded if f in by_kind), None)
            if kind is None:
                photos.append(entry)
            else:
                by_kind[kind][entry.stem.casefold()] = entry
        for photo in photos:
            key = photo.stem.casefold()
            _take(builder, photo, by_kind[_CLASSES].pop(key, None), by_kind[_OBJECTS].pop(key, None), codes)
        for masks in by_kind.values():
            builder.leave_out(masks.values(), "a mask without a photo; export with the images from CVAT")
        return builder.plan(tree)


@dataclass(frozen=True)
class _Codes:
    """Labels by line of the labelmap, and by colour as one number."""

    by_index: Mapping[int, str]
    by_colour: Mapping[int, str]

    @classmethod
    def read(cls, labelmap: SourceEntry | None) -> _Codes:
        by_index: dict[int, str] = {}
        by_colour: dict[int, str] = {}
        lines = text_of(labelmap).splitlines() if labelmap else []
        for line in (x for x in lines if x.strip() and not x.startswith("#")):
            name, _, rest = line.partition(":")
            by_index[len(by_index)] = name
            parts = rest.partition(":")[0].split(",")
            if len(parts) == 3 and all(p.strip().isdigit() for p in parts):
                r, g, b = (int(p) for p in parts)
                by_colour[r << 16 | g << 8 | b] = name
        return cls(by_index, by_colour)


def _take(
    builder: PlanBuilder, photo: SourceEntry, classes: SourceEntry | None, objects: SourceEntry | None, codes: _Codes
) -> None:
    if classes is None:
        builder.good(photo)
        builder.good_masks += [objects] if objects else []
        return
    label = _label(classes, codes)
    files = tuple(e for e in (classes, objects) if e is not None)
    if label is None:
        builder.good(photo)
        builder.good_masks += files
        return
    masks = DrawnMask(classes.name, partial(_draw, classes, objects, codes), files)
    builder.anomaly(photo, label, [masks])


def _label(classes: SourceEntry, codes: _Codes) -> str | None:
    """The label that covers most of the photo; None where nothing is drawn."""
    try:
        values, coloured = isolated.class_codes(classes.load(), classes.name)
    except InputError:
        return "defect"  # the photo is refused with its mask's error when it is read
    known, counts = np.unique(values, return_counts=True)
    names = codes.by_colour if coloured else codes.by_index
    area = Counter[str]()
    for code, count in zip(known.tolist(), counts.tolist(), strict=True):
        name = names.get(code, "background" if code == 0 else f"class_{code}")
        if name != "background" and not _is_void(code, coloured):
            area[name] += count
    return area.most_common(1)[0][0] if area else None


def _is_void(code: int, coloured: bool) -> bool:
    return code == (VOID_COLOUR if coloured else _VOID)


def _draw(classes: SourceEntry, objects: SourceEntry | None, codes: _Codes, shape: tuple[int, int]) -> list[Mask]:
    """One mask per object, or one for all where the objects are not told apart."""
    values, coloured = isolated.class_codes(classes.load(), classes.name)
    names = codes.by_colour if coloured else codes.by_index
    background = {code for code, name in names.items() if name == "background"} | {0}
    void = VOID_COLOUR if coloured else _VOID
    drawn = ~np.isin(values, [*background, void])
    if objects is None:
        return [np.asarray(drawn, np.bool_)]
    numbers, coloured = isolated.class_codes(objects.load(), objects.name)
    void = VOID_COLOUR if coloured else _VOID
    if numbers.shape != values.shape:
        raise InputError(f"{objects.name}: it is not of the size of {classes.name}; export both again")
    return [np.asarray((numbers == k) & drawn, np.bool_) for k in np.unique(numbers[drawn]) if k not in (0, void)]
