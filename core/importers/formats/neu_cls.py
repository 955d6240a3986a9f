"""NEU-CLS: photos of steel whose file names begin with the code of their defect (``Cr_1.bmp``); none is good."""

from __future__ import annotations

import re

from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree

_LABELS = {
    "cr": "crazing",
    "in": "inclusion",
    "pa": "patches",
    "ps": "pitted_surface",
    "rs": "rolled_in_scale",
    "sc": "scratches",
}
_CODED = re.compile(r"([a-z]{2})_\d+")
_ENOUGH = 3
"""So many of the six codes tell the set; one alone may be the beginning of anybody's names."""


class NeuClsImporter(Importer):
    """``Cr_1.bmp``, ``PS_3.bmp``, in one folder or in several."""

    name = "neu-cls"
    title = "NEU-CLS"
    reads = "labels from the code that each file name begins with (`Cr_1.bmp`); there are no masks and no good photos"

    def detect(self, tree: SourceTree) -> float:
        codes = {_code(entry) for entry in tree.images}
        return 0.8 if None not in codes and len(codes) >= _ENOUGH else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        for photo in tree.images:
            builder.anomaly(photo, _LABELS[_code(photo) or ""], [])
        return builder.plan(tree)


def _code(entry: SourceEntry) -> str | None:
    match = _CODED.fullmatch(entry.stem.casefold())
    return match[1] if match and match[1] in _LABELS else None
