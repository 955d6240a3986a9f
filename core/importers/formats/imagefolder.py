"""Hugging Face imagefolder: metadata.jsonl or metadata.csv with file names, labels and masks."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from core.errors import InputError
from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, text_of
from core.importers.words import photo_label, role_of
from core.types import GOOD, KINDS, Kind

_MASKS = ("mask_file_name", "mask", "mask_path", "label_file_name", "annotation_file_name")


class ImageFolderImporter(Importer):
    """``<split>/metadata.jsonl`` with ``file_name`` and perhaps ``mask_file_name``, ``label``, ``kind``."""

    name = "imagefolder"
    title = "Hugging Face imagefolder with metadata"
    reads = "`file_name`, `mask_file_name`, `label`, `kind` of `metadata.jsonl` or `.csv`; a good label is a good part"

    def detect(self, tree: SourceTree) -> float:
        return 0.95 if any(_is_table(e) for e in tree.entries if len(e.folders) < 3) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        for table in filter(_is_table, tree.entries):
            builder.annotations.append(table)
            for row in _rows(table):
                _take(builder, tree, table, row)
        return builder.plan(tree)


def _is_table(entry: SourceEntry) -> bool:
    return entry.file.casefold() in ("metadata.jsonl", "metadata.csv") and b"file_name" in entry.head()


def _rows(table: SourceEntry) -> list[dict[str, Any]]:
    text = text_of(table)
    try:
        if table.suffix == ".csv":
            return [dict(row) for row in csv.DictReader(io.StringIO(text))]
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, csv.Error) as error:
        raise InputError(f"{table.name}: expected one JSON object a line with a file_name ({error})") from error
    if not all(isinstance(row, dict) and isinstance(row.get("file_name"), str) for row in rows):
        raise InputError(f"{table.name}: expected one JSON object a line with a file_name; repair it")
    return rows


def _take(builder: PlanBuilder, tree: SourceTree, table: SourceEntry, row: dict[str, Any]) -> None:
    here = ["/".join(table.folders)]
    photo = tree.find(str(row["file_name"]), here)
    if photo is None:
        return
    mask = _mask(tree, row, here)
    label = _label(photo, row, mask is not None, "label" in row or any("mask" in str(c).casefold() for c in row))
    if role_of(label) == "good":
        builder.good(photo)
        builder.good_masks += [mask] if mask else []
    else:
        kind: Kind = next((k for k in KINDS if k == row.get("kind")), "structural")
        builder.anomaly(photo, label, [mask] if mask else [], kind)


def _mask(tree: SourceTree, row: dict[str, Any], here: list[str]) -> SourceEntry | None:
    """The mask that a row names, in one of the known columns or in any other that speaks of masks."""
    columns = [*_MASKS, *(c for c in row if "mask" in str(c).casefold())]
    named = (row[c] for c in columns if isinstance(row.get(c), str) and row[c])
    return next((found for name in named if (found := tree.find(name, here)) is not None), None)


def _label(photo: SourceEntry, row: dict[str, Any], masked: bool, judged: bool) -> str:
    """The row's label; 0 is a good part and 1 a defect where labels are numbers; without one the folder tells.

    A table that is not ``judged``, which has columns for neither labels nor masks, says nothing of defects.
    """
    given = row.get("label")
    if given in (0, "0", False) and not masked:
        return GOOD
    if given not in (None, "", 0, "0", 1, "1", True, False):
        return str(given)
    if given in (None, "") and not masked and any(role_of(f) == "good" for f in photo.folders):
        return GOOD
    bad = photo_label(photo.folders) != "defect" or any(role_of(f) == "bad" for f in photo.folders)
    return GOOD if not judged and not bad and not _boxes(row) else photo_label(photo.folders)


def _boxes(row: dict[str, Any]) -> bool:
    """Whether a table for detection marks something on the photo: ``objects`` of Hugging Face's."""
    objects = row.get("objects")
    return any(objects.values()) if isinstance(objects, dict) else bool(objects)
