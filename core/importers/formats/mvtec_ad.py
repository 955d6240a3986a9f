"""MVTec AD, in any capitals, and the datasets that are made like it (MPDD, BTAD, VisA once prepared)."""

from __future__ import annotations

from core.importers.importer import Importer
from core.importers.plan import ImportPlan
from core.importers.source_tree import SourceTree
from core.importers.split_layout import SplitRules, looks_split, read_split


class MvtecAdImporter(Importer):
    """``train/good``, ``test/<label>``, ``ground_truth/<label>/x_mask.png``."""

    name = "mvtec-ad"
    title = "MVTec AD and look-alikes (MPDD, BTAD, prepared VisA)"
    reads = "`train/good`, `test/<label>`, `ground_truth/<label>`; also `ok`/`ko`, `OK`/`NG`, `normal`/`anomaly`"

    def detect(self, tree: SourceTree) -> float:
        return 0.8 if looks_split(tree) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        return read_split(tree, SplitRules(self.name)).plan(tree)

    def plan_export(self, tree: SourceTree) -> ImportPlan:
        """The same with the good photos of the test, which an export took from the project."""
        return read_split(tree, SplitRules(self.name, keep_test_good=True)).plan(tree)
