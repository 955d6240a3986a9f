"""A table of image, label and mask, as VisA's raw release has one (``image_anno.csv``)."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from core.errors import InputError
from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, text_of
from core.importers.words import role_of

_COLUMNS = {
    "image": ("image", "image_path", "file", "file_name", "filename", "path", "img"),
    "label": ("label", "class", "category", "defect", "anomaly_class"),
    "mask": ("mask", "mask_path", "mask_file_name", "mask_file", "ground_truth", "gt"),
    "split": ("split", "subset", "set"),
}


class MaskTableImporter(Importer):
    """A ``.csv`` with columns image, label and perhaps mask and split."""

    name = "mask-table"
    title = "Table of image, label, mask (.csv), VisA as released"
    reads = "columns `image`, `label`, `mask`, `split`; labels good, ok, normal and 0 are good parts"

    def detect(self, tree: SourceTree) -> float:
        return 0.9 if any(_columns(e) for e in tree.named(".csv")[:8] if len(e.folders) < 2) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        seen: set[str] = set()
        for table in tree.named(".csv"):
            if columns := _columns(table):
                builder.annotations.append(table)
                for row in csv.DictReader(io.StringIO(text_of(table))):
                    _take(builder, tree, {k: (row.get(c) or "").strip() for k, c in columns.items()}, seen)
        return builder.plan(tree)


def _columns(table: SourceEntry) -> Mapping[str, str] | None:
    """The table's own names of the columns; None if it has no images, or neither labels nor masks."""
    try:
        header = next(csv.reader([table.head().decode("utf-8-sig", "replace").splitlines()[0]]))
    except (InputError, IndexError, StopIteration, csv.Error):
        return None
    own = {name.strip().casefold(): name for name in header}
    found = {k: own[w] for k, words in _COLUMNS.items() for w in reversed(words) if w in own}
    return found if "image" in found and ("label" in found or "mask" in found) else None


def _take(builder: PlanBuilder, tree: SourceTree, row: Mapping[str, str], seen: set[str]) -> None:
    photo = tree.find(row["image"]) if row["image"] else None
    if photo is None or photo.name in seen:
        return
    seen.add(photo.name)
    mask = tree.find(row["mask"]) if row.get("mask") else None
    label = row.get("label", "")
    good = role_of(label) == "good" or label == "0" or (not label and not mask)
    if good and role_of(row.get("split", "")) == "test":
        builder.leave_out([photo], "a good photo of the test, kept to judge detectors on")
    elif good:
        builder.good(photo)
        builder.good_masks += [mask] if mask else []
    else:
        builder.anomaly(photo, label if label not in ("", "1") else "defect", [mask] if mask else [])
