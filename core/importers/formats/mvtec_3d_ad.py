"""MVTec 3D-AD: the colour photos and their masks; the depth maps are left out."""

from __future__ import annotations

from core.importers.importer import Importer
from core.importers.plan import ImportPlan
from core.importers.source_tree import SourceTree
from core.importers.split_layout import SplitRules, label_folders, read_split

_DEPTH = "a depth map (xyz); Flawsmith works on the colour photos"


class Mvtec3dAdImporter(Importer):
    """``<split>/<label>/{rgb,gt,xyz}``."""

    name = "mvtec-3d-ad"
    title = "MVTec 3D-AD"
    reads = "`rgb` and `gt`; the depth maps in `xyz` or `depth` are left out"

    def detect(self, tree: SourceTree) -> float:
        deep = any(len(e.folded) > 2 and e.folded[2] in ("rgb", "xyz") for e in tree.entries)
        return 0.95 if deep and label_folders(tree, "train", "test") else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = read_split(tree, SplitRules(self.name, left_out=dict.fromkeys(("xyz", "pc", "depth", "z"), _DEPTH)))
        return builder.plan(tree)
