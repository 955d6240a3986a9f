"""Roboflow's semantic masks: ``x.jpg`` with ``x_mask.png``, whose values ``_classes.csv`` names."""

from __future__ import annotations

import csv
import io
from functools import partial

from core.errors import InputError
from core.importers.class_masks import MaskAreas, coded_mask
from core.importers.importer import Importer
from core.importers.plan import DrawnMask, ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, text_of
from core.masks.voc_codes import VocCodes
from core.types import Mask

_CLASSES, _MASK = "_classes.csv", "_mask"


class RoboflowMasksImporter(Importer):
    """``train``, ``valid`` and ``test``, each with its ``_classes.csv``, or one folder."""

    name = "roboflow-masks"
    title = "Roboflow semantic masks"
    reads = "`x_mask.png` by the classes of `_classes.csv`; photos whose mask is empty are good"

    def detect(self, tree: SourceTree) -> float:
        masked = any(e.stem.casefold().endswith(_MASK) for e in tree.images)
        return 0.92 if masked and any(map(_is_classes, tree.named(".csv")[:8])) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        tables = [e for e in tree.named(".csv") if _is_classes(e)]
        builder.annotations += tables
        codes = {table.folded: _codes(table) for table in tables}
        masks = {(e.folded, e.stem.casefold()): e for e in tree.images if e.stem.casefold().endswith(_MASK)}
        drawn = MaskAreas(masks.values())
        for photo in (e for e in tree.images if not e.stem.casefold().endswith(_MASK)):
            mask = masks.get((photo.folded, f"{photo.stem.casefold()}{_MASK}"))
            if mask is None:
                builder.look(photo, "it has no mask, which the others have: is it a good part?")
            else:
                named = codes.get(photo.folded) or next(iter(codes.values()))
                _take(builder, photo, mask, named, drawn.label(mask, named))
        return builder.plan(tree)


def _is_classes(entry: SourceEntry) -> bool:
    try:
        return entry.file.casefold() == _CLASSES and b"pixel value" in entry.head().lower()
    except InputError:
        return False


def _codes(table: SourceEntry) -> VocCodes:
    """Names by value; its column of names is called Class, with or without a blank before it."""
    rows = list(csv.reader(io.StringIO(text_of(table)), skipinitialspace=True))[1:]
    return VocCodes({int(row[0]): row[1].strip() for row in rows if len(row) > 1 and row[0].strip().isdigit()}, {})


def _take(builder: PlanBuilder, photo: SourceEntry, mask: SourceEntry, codes: VocCodes, label: str | None) -> None:
    if label is None:
        builder.good(photo)
        builder.good_masks.append(mask)
    else:
        builder.anomaly(photo, label, [DrawnMask(mask.name, partial(_draw, mask, codes), (mask,))])


def _draw(mask: SourceEntry, codes: VocCodes, shape: tuple[int, int]) -> list[Mask]:
    return codes.masks(coded_mask(mask), None)
