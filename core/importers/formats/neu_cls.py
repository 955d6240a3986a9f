"""NEU-CLS: photos of steel whose file names begin with the code of their defect (``Cr_1.bmp``)."""

from __future__ import annotations

import re

from core.importers.annotated import ask_about_the_rest
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
    reads = (
        "labels from the code that each file name begins with (`Cr_1.bmp`); there are no masks; other photos are "
        "good where a folder says so"
    )

    def detect(self, tree: SourceTree) -> float:
        codes = {_code(entry) for entry in tree.images}
        return 0.8 if len(codes - {None}) >= _ENOUGH else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        coded = {photo.name: code for photo in tree.images if (code := _code(photo)) is not None}
        for photo in tree.images:
            if photo.name in coded:
                builder.anomaly(photo, _LABELS[coded[photo.name]], [])
        ask_about_the_rest(builder, tree, coded, "no code of NEU-CLS")
        return builder.plan(tree)


def _code(entry: SourceEntry) -> str | None:
    match = _CODED.fullmatch(entry.stem.casefold())
    return match[1] if match and match[1] in _LABELS else None
