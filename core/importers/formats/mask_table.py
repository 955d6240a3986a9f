"""A table of image, label and mask, as VisA's raw release has one (``image_anno.csv``)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from itertools import islice

from core.errors import InputError
from core.importers.importer import Importer
from core.importers.mask_pairing import pair_masks, split_masks
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, decoded_text, text_of
from core.importers.words import role_of

_COLUMNS = {
    "image": "image image_path image_name image_file imageid image_id file file_name filename filepath path img photo "
    "picture bild datei dateiname foto imagen archivo 图像 图片 文件名 画像",
    "label": "target result verdict judgement judgment is_anomaly is_anomalous anomalous is_defect is_defective "
    "defective ok_ng class_name label class category defect defect_type anomaly_class anomaly klasse kategorie fehler "
    "fehlerart etiqueta clase categoria defecto 标签 类别 缺陷",
    "mask": "mask mask_path mask_file_name mask_filename mask_file mask_name ground_truth gt gt_path segmentation "
    "maske maskendatei mascara máscara 掩码",
    "split": "split subset set phase partition",
}
_DELIMITERS = ",;\t|"
_TABLES = (".csv", ".tsv")


class MaskTableImporter(Importer):
    """A ``.csv`` with columns image, label and perhaps mask and split."""

    name = "mask-table"
    title = "Table of image, label, mask (.csv, .tsv), VisA as released"
    reads = (
        "columns `image`, `label`, `mask`, `split`, also in German, Spanish or Chinese, apart by comma, semicolon or "
        "tab; labels good, ok, normal and 0 are good parts"
    )

    def detect(self, tree: SourceTree) -> float:
        tables = [e for e in tree.named(*_TABLES)[:8] if len(e.folders) < 2]
        return 0.9 if any(_names_a_photo(tree, e) for e in tables) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        seen: set[str] = set()
        told: list[SourceEntry] = []
        for table in tree.named(*_TABLES):
            if columns := _columns(table):
                builder.annotations.append(table)
                rows = csv.DictReader(io.StringIO(text_of(table)), delimiter=_delimiter(table))
                told += [
                    mask
                    for row in _rows(table, rows)
                    if (
                        mask := _take(builder, tree, {k: (row.get(c) or "").strip() for k, c in columns.items()}, seen)
                    )
                ]
        _unnamed(builder, tree, seen | {mask.name for mask in told})
        return builder.plan(tree)


def _rows(table: SourceEntry, rows: csv.DictReader[str]) -> Iterator[dict[str, str]]:
    try:
        yield from rows
    except csv.Error as error:
        raise InputError(f"{table.name}: expected a table of image, label, mask; repair it ({error})") from error


def _delimiter(table: SourceEntry) -> str:
    """What stands most often in the first line between its columns."""
    line = next(iter(_head(table).splitlines()), "")
    return max(_DELIMITERS, key=line.count)


def _head(table: SourceEntry) -> str:
    try:
        return decoded_text(table.head())
    except InputError:
        return ""


def _columns(table: SourceEntry) -> Mapping[str, str] | None:
    """The table's own names of the columns; None if it has no images, or neither labels nor masks."""
    try:
        header = next(csv.reader([_head(table).splitlines()[0]], delimiter=_delimiter(table)))
    except (IndexError, StopIteration, csv.Error):
        return None
    own = {re.sub(r"[\s-]+", "_", name.strip().casefold()): name for name in header}
    found = {k: own[w] for k, words in _COLUMNS.items() for w in reversed(words.split()) if w in own}
    return found if "image" in found and ("label" in found or "mask" in found) else None


def _names_a_photo(tree: SourceTree, table: SourceEntry) -> bool:
    """Whether one of the first rows names a file that is there: some tables have these columns and mean others."""
    columns = _columns(table)
    if columns is None:
        return False
    rows = csv.DictReader(io.StringIO(_head(table)), delimiter=_delimiter(table))
    try:
        return any(tree.find_photo((row.get(columns["image"]) or "").strip()) for row in islice(rows, 20))
    except csv.Error:
        return False


def _unnamed(builder: PlanBuilder, tree: SourceTree, spoken: set[str]) -> None:
    """Photos and masks that no row names: masks find their photo by name, photos are asked about."""
    rest = [e for e in tree.images if e.name not in spoken]
    photos, masks = split_masks(rest)
    bare = [u.entry for u in builder.unmasked]
    pairing = pair_masks(bare + [g.entry for g in builder.normals], masks)
    labels = {u.entry.name: u.label for u in builder.unmasked}
    builder.unmasked = [u for u in builder.unmasked if not pairing.masks.get(u.entry.name)]
    for photo in bare:
        if found := pairing.masks.get(photo.name):
            builder.anomaly(photo, labels[photo.name], found)
    for good in builder.normals:
        builder.good_masks += pairing.masks.get(good.entry.name, [])
    for photo in photos:
        builder.look(photo, "the table does not name it: is it a good part?")
    for mask, reason in pairing.orphans:
        builder.leave_out([mask], reason)


def _take(builder: PlanBuilder, tree: SourceTree, row: Mapping[str, str], seen: set[str]) -> SourceEntry | None:
    """Put the photo of a row where it belongs; its mask, so that it counts as spoken of."""
    photo = tree.find_photo(row["image"])
    if photo is None or photo.name in seen:
        return None
    seen.add(photo.name)
    mask = tree.find(row["mask"], mask=True) if row.get("mask") else None
    label = row.get("label", "")
    good = role_of(label) == "good" or label.casefold() in ("0", "0.0", "false", "no") or (not label and not mask)
    if good and role_of(row.get("split", "")) == "test":
        builder.leave_out([photo], "a good photo of the test, kept to judge detectors on")
    elif good:
        builder.good(photo)
        builder.good_masks += [mask] if mask else []
    else:
        named = label.casefold() not in ("", "1", "1.0", "true", "yes")
        builder.anomaly(photo, label if named else "defect", [mask] if mask else [])
    return mask
