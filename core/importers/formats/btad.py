"""BTAD: MVTec AD's layout with ok and ko, photos and masks in different formats."""

from __future__ import annotations

from core.importers.importer import Importer
from core.importers.plan import ImportPlan
from core.importers.source_tree import SourceTree
from core.importers.split_layout import SplitRules, label_folders, read_split


class BtadImporter(Importer):
    """``train/ok``, ``test/{ok,ko}``, ``ground_truth/ko``."""

    name = "btad"
    title = "BTAD"
    reads = "`train/ok`, `test/ko`, `ground_truth/ko`"

    def detect(self, tree: SourceTree) -> float:
        return 0.9 if tree.has("train/ok") and "ko" in label_folders(tree, "test", "ground_truth") else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        return read_split(tree, SplitRules(self.name)).plan(tree)
