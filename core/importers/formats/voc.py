"""Pascal VOC segmentation and CVAT's "Segmentation mask 1.1": masks by class and object, labels in labelmap.txt."""

from __future__ import annotations

from functools import partial

from core.importers.class_masks import MaskAreas, coded_mask
from core.importers.importer import Importer
from core.importers.plan import DrawnMask, ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, text_of
from core.masks.voc_codes import VocCodes
from core.types import Mask

_CLASSES, _OBJECTS = "segmentationclass", "segmentationobject"


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
        codes = VocCodes.read(text_of(labelmap) if labelmap else "")
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
        drawn = MaskAreas(by_kind[_CLASSES].values())
        for photo in photos:
            key = photo.stem.casefold()
            classes, objects = by_kind[_CLASSES].pop(key, None), by_kind[_OBJECTS].pop(key, None)
            files = tuple(e for e in (classes, objects) if e is not None)
            if classes is None or (label := drawn.label(classes, codes)) is None:
                builder.good(photo)
                builder.good_masks += files
            else:
                mask = DrawnMask(classes.name, partial(_draw, classes, objects, codes), files)
                builder.anomaly(photo, label, [mask])
        for masks in by_kind.values():
            builder.leave_out(masks.values(), "a mask without a photo; export with the images from CVAT")
        return builder.plan(tree)


def _draw(classes: SourceEntry, objects: SourceEntry | None, codes: VocCodes, shape: tuple[int, int]) -> list[Mask]:
    return codes.masks(coded_mask(classes), None if objects is None else coded_mask(objects))
