"""KolektorSDD2: train and test folders, NUMBER.png with NUMBER_GT.png, black where the part is good."""

from __future__ import annotations

from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_tree import SourceTree


class KolektorSdd2Importer(Importer):
    """``{train,test}/10000.png`` with ``10000_GT.png``."""

    name = "kolektor-sdd2"
    title = "KolektorSDD2"
    reads = "`N.png` with `N_GT.png`; a black mask is a good part; good parts of the test are taken too"

    def detect(self, tree: SourceTree) -> float:
        places = {(e.folded, e.stem.casefold()) for e in tree.entries}
        here = [e for e in tree.entries if e.folded in ((), ("train",), ("test",)) and e.stem.lower().endswith("_gt")]
        paired = sum((e.folded, e.stem[:-3].casefold()) in places and e.stem[:-3].isdigit() for e in here)
        return 0.9 if here and paired == len(here) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        masks = {(e.folded, e.stem[:-3].casefold()): e for e in tree.images if e.stem.lower().endswith("_gt")}
        for entry in tree.images:
            if not entry.stem.lower().endswith("_gt"):
                mask = masks.get((entry.folded, entry.stem.casefold()))
                builder.anomaly(entry, "defect", [mask] if mask else [], good_if_empty=True)
        return builder.plan(tree)
