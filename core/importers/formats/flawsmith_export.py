"""What Flawsmith exports: every format, with names, labels and kinds from the tables beside the data."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from core.errors import InputError
from core.exporters.atomic_folder import FILES_LIST, MARKER_FILE
from core.exporters.sidecar import RECIPES_FILE, SAMPLES_FILE, export_scale
from core.importers.formats.mvtec_ad import MvtecAdImporter
from core.importers.formats.mvtec_loco import MvtecLocoImporter
from core.importers.importer import Importer, importers
from core.importers.plan import Anomaly, ImportPlan, with_the_rest
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, json_of, text_of
from core.importers.words import safe_label
from core.types import GOOD, KINDS

_SPLIT = {
    "visa": MvtecAdImporter.name,
    MvtecAdImporter.name: MvtecAdImporter.name,
    MvtecLocoImporter.name: MvtecLocoImporter.name,
}
_BESIDE = ("README.md", "load_me.py", "split_csv/1cls.csv")


class FlawsmithExportImporter(Importer):
    """A folder with ``flawsmith/export.json``; all good photos come back, those of the test too."""

    name = "flawsmith"
    title = "What Flawsmith exports (eight formats)"
    reads = "good photos of all parts, also the test's; anomalies with their labels, kinds and masks"

    def detect(self, tree: SourceTree) -> float:
        return 1.0 if tree.get(MARKER_FILE) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        mark = tree.get(MARKER_FILE)
        told = json_of(mark) if mark else None
        made_as = str(told.get("format")) if isinstance(told, dict) else ""
        inner = next((i for i in importers() if i.name == _SPLIT.get(made_as, made_as)), None)
        if inner is None:
            raise InputError(
                f"{tree.where}: an export in a format ({made_as}) that this version does not know; update"
            )
        data = _top(tree) if made_as in _SPLIT else tree
        plan = inner.plan_export(data) if isinstance(inner, MvtecAdImporter | MvtecLocoImporter) else inner.plan(data)
        tables = [
            e
            for name in (MARKER_FILE, FILES_LIST, SAMPLES_FILE, RECIPES_FILE, *_BESIDE)
            if (e := tree.get(name)) is not None
        ]
        spoken = {e.name for e in tables}
        plan = replace(
            plan,
            layout=f"{self.name} ({made_as})",
            entries=tree.entries,
            annotations=(*(a for a in plan.annotations if a.name not in spoken), *tables),
            problems=tuple(p for p in plan.problems if p.path not in spoken),
            scales=export_scale(told),
        )
        return with_the_rest(_told(plan, tree), tree.entries)


def _top(tree: SourceTree) -> SourceTree:
    """The folder with train and test: that of the category, which VisA has one deeper."""
    folders = sorted(
        {f.rpartition("/")[0] for f in tree.folders if f.rpartition("/")[2] in ("train", "test")}, key=len
    )
    if not folders or not folders[0]:
        return tree
    first = next(e for e in tree.entries if e.path.casefold().startswith(f"{folders[0]}/"))
    return tree.below("/".join(first.folders[: folders[0].count("/") + 1]))


def _told(plan: ImportPlan, tree: SourceTree) -> ImportPlan:
    """Names, labels and kinds as samples.csv has them: formats with fewer labels keep them there."""
    table = tree.get(SAMPLES_FILE)
    if table is None:
        return plan
    rows = {row["image_path"]: row for row in csv.DictReader(io.StringIO(text_of(table))) if row.get("image_path")}
    paths = {e.name: e.path for e in tree.entries}

    def row_of(entry: SourceEntry) -> dict[str, str]:
        return rows.get(paths.get(entry.name, ""), {})

    def named(entry: SourceEntry) -> SourceEntry:
        return replace(entry, path=row_of(entry).get("name") or entry.path)

    def told(item: Anomaly) -> Anomaly:
        row = row_of(item.entry)
        label = row.get("label", "")
        kind = next((k for k in KINDS if k == row.get("kind")), item.kind)
        return replace(
            item,
            entry=named(item.entry),
            label=safe_label(label) if label not in ("", GOOD) else item.label,
            kind=kind,
        )

    normals = tuple(replace(g, entry=named(g.entry), split=None) for g in plan.normals)
    return replace(plan, normals=normals, anomalies=tuple(map(told, plan.anomalies)))
