"""Real-IAD: OK and NG folders with a mask of the same stem beside each NG photo, or its JSON."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from core.errors import InputError
from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, json_of


class RealIadImporter(Importer):
    """``OK/S0000/x.jpg``, ``NG/<kind>/S0000/x.jpg`` with ``x.png``; or ``{"train": [...], "test": [...]}``."""

    name = "real-iad"
    title = "Real-IAD"
    reads = "folders `OK` and `NG/<kind>`, or the JSON of a product; photos of the test that are good are left out"

    def detect(self, tree: SourceTree) -> float:
        samples = [e for e in tree.entries if e.folded and e.folded[0] in ("ok", "ng")]
        numbered = any(f[:1] == "s" and f[1:].isdigit() for e in samples[:2000] for f in e.folded[1:])
        return 0.95 if numbered else 0.9 if any(map(_is_table, tree.named(".json")[:4])) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        tables = [e for e in tree.named(".json") if _is_table(e)]
        builder.annotations += tables
        if tables:
            for table in tables:
                _read_table(builder, tree, table)
        else:
            _read_folders(builder, tree)
        return builder.plan(tree)


def _read_folders(builder: PlanBuilder, tree: SourceTree) -> None:
    masks = {str(PurePosixPath(e.path).with_suffix("")): e for e in tree.images if e.suffix == ".png"}
    photos = {str(PurePosixPath(e.path).with_suffix("")) for e in tree.images if e.suffix != ".png"}
    for entry in tree.images:
        key = str(PurePosixPath(entry.path).with_suffix(""))
        if entry.suffix == ".png" and key in photos or not entry.folded:
            continue
        mask = masks.get(key)
        if entry.folded[0] == "ok":
            builder.good(entry)
            builder.good_masks += [mask] if mask and mask is not entry else []
        elif entry.folded[0] == "ng":
            label = entry.folders[1] if len(entry.folders) > 1 else "ng"
            builder.anomaly(entry, label, [mask] if mask and mask is not entry else [])


def _is_table(entry: SourceEntry) -> bool:
    try:
        head = entry.head().decode("utf-8", "ignore")
    except InputError:
        return False
    return '"anomaly_class"' in head and '"image_path"' in head


def _read_table(builder: PlanBuilder, tree: SourceTree, table: SourceEntry) -> None:
    data: Any = json_of(table)
    try:
        rows = [(split, row) for split in ("train", "test") for row in data.get(split, ())]
        prefix = str(data.get("meta", {}).get("prefix", "")).strip("/")
        for split, row in rows:
            photo = tree.find(str(row["image_path"]), [prefix])
            if photo is None:
                continue
            label, mask = str(row["anomaly_class"]), row.get("mask_path")
            if label.upper() != "OK":
                found = tree.find(str(mask), [prefix]) if mask else None
                builder.anomaly(photo, label, [found] if found else [])
            elif split == "train":
                builder.good(photo)
            else:
                builder.leave_out([photo], "a good photo of the test, kept to judge detectors on")
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{table.name}: expected Real-IAD's train and test lists; repair it ({error})") from error
