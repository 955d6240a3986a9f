"""Pascal VOC detection: an XML with boxes for each photo. Boxes are no masks, but they tell good from bad."""

from __future__ import annotations

import xml.etree.ElementTree as Xml
from collections import defaultdict

from core.errors import InputError
from core.importers.annotated import AnnotatedDefect, add_annotated
from core.importers.importer import Importer
from core.importers.mask_pairing import pair_masks, split_masks
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, text_of
from core.importers.words import role_of

_PROBED = 8


class VocBoxesImporter(Importer):
    """``Annotations/x.xml`` or ``x.xml`` beside ``x.jpg``, with ``<object>`` entries."""

    name = "voc-boxes"
    title = "Pascal VOC detection (XML boxes)"
    reads = (
        "labels of boxes, which are no masks: those photos are defects without one; photos without objects are good"
    )

    def detect(self, tree: SourceTree) -> float:
        return 0.7 if tree.images and any(map(_is_voc, tree.named(".xml")[:_PROBED])) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        photos, masks = split_masks(tree.images)
        pairing = pair_masks(photos, masks)
        told: set[str] = set()
        by_stem: dict[str, list[SourceEntry]] = defaultdict(list)
        for photo in photos:
            by_stem[photo.stem.casefold()].append(photo)
        for table in filter(_is_voc, tree.named(".xml")):
            builder.annotations.append(table)
            file, labels = _read(table)
            twins = by_stem.get(table.stem.casefold(), [])
            found = twins[0] if len(twins) == 1 else tree.find(file) if file else None
            if found is None or found.name in told:
                continue
            told.add(found.name)
            if labels and (mine := pairing.masks.get(found.name)):
                builder.anomaly(found, labels[0], mine)
            else:
                add_annotated(builder, found, [AnnotatedDefect(label, None) for label in labels], table.name)
        for photo in (p for p in photos if p.name not in told):
            if any(role_of(f) == "good" for f in photo.folders):
                builder.good(photo)
            else:
                builder.look(photo, "no XML belongs to it: is it a good part, or not annotated yet?")
        return builder.plan(tree)


def _is_voc(entry: SourceEntry) -> bool:
    try:
        head = entry.head()
    except InputError:
        return False
    return b"<annotation" in head and b"<annotations" not in head and (b"<filename" in head or b"<object" in head)


def _read(table: SourceEntry) -> tuple[str, list[str]]:
    """What an XML calls its photo's file, and the labels of its boxes."""
    text = text_of(table)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(f"{table.name}: an XML with entities is not read; export it again")
    try:
        root = Xml.fromstring(text)
    except Xml.ParseError as error:
        raise InputError(f"{table.name}: expected Pascal VOC's annotation ({error}); export it again") from error
    labels = [(item.findtext("name") or "defect").strip() or "defect" for item in root.iter("object")]
    return (root.findtext("filename") or "").strip(), labels
