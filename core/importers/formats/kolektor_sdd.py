"""KolektorSDD: each photo with NAME_label.bmp beside it, black where the part is good."""

from __future__ import annotations

import re

from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_tree import SourceTree

_LABEL = re.compile(r"(part\d+)_label", re.IGNORECASE)


class KolektorSddImporter(Importer):
    """``kos01/Part0.jpg`` with ``kos01/Part0_label.bmp``."""

    name = "kolektor-sdd"
    title = "KolektorSDD"
    reads = "`PartN.jpg` with `PartN_label.bmp`; a black label is a good part"

    def detect(self, tree: SourceTree) -> float:
        kos = [e for e in tree.entries if e.folded and re.fullmatch(r"kos\d+", e.folded[-1])]
        return 0.95 if any(_LABEL.fullmatch(e.stem) for e in kos) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        masks = {(e.folded, m[1].casefold()): e for e in tree.images if (m := _LABEL.fullmatch(e.stem))}
        for entry in tree.images:
            if _LABEL.fullmatch(entry.stem):
                continue
            mask = masks.get((entry.folded, entry.stem.casefold()))
            builder.anomaly(entry, "defect", [mask] if mask else [], good_if_empty=True)
        return builder.plan(tree)
