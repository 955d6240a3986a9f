"""DAGM 2007: a photo is a defect where Label/ has a mask for it, and good where it has none."""

from __future__ import annotations

from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree

_ENDING = "_label"


class DagmImporter(Importer):
    """``Class1/{Train,Test}/0001.PNG`` with ``Class1/{Train,Test}/Label/0001_label.PNG``."""

    name = "dagm"
    title = "DAGM 2007"
    reads = "`Train` and `Test` with `Label/NNNN_label.PNG`; masks are rough ellipses; good photos of `Test` left out"

    def detect(self, tree: SourceTree) -> float:
        labelled = any(_is_mask(e) and e.folded[0] in ("train", "test") for e in tree.entries if len(e.folded) == 2)
        return 0.95 if labelled else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        builder.notes.append("DAGM's masks are rough ellipses around each defect; redraw them where edges matter")
        builder.annotations += [e for e in tree.entries if e.folded[-1:] == ("label",) and e.suffix == ".txt"]
        masks = {(e.folded[:-1], e.stem.casefold().removesuffix(_ENDING)): e for e in tree.images if _is_mask(e)}
        trained = any(e.folded == ("train",) for e in tree.images)
        for entry in tree.images:
            if _is_mask(entry) or entry.folded not in (("train",), ("test",)):
                continue
            mask = masks.get((entry.folded, entry.stem.casefold()))
            if mask:
                builder.anomaly(entry, "defect", [mask])
            elif entry.folded == ("test",) and trained:
                builder.leave_out([entry], "a good photo of Test, kept to judge detectors on")
            else:
                builder.good(entry)
        return builder.plan(tree)


def _is_mask(entry: SourceEntry) -> bool:
    return entry.folded[-1:] == ("label",) and entry.stem.casefold().endswith(_ENDING)
