"""SDNET2018: concrete of bridge decks, pavements and walls, cracked (``CD``, ``CP``, ``CW``) or not (``UD`` ...)."""

from __future__ import annotations

from core.importers.annotated import ask_about_the_rest
from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree

_PARTS = "dpw"
_CRACKED, _WHOLE = (frozenset(f"{state}{part}" for part in _PARTS) for state in "cu")


class Sdnet2018Importer(Importer):
    """``D/CD``, ``D/UD``, ``P/CP``, ``P/UP``, ``W/CW``, ``W/UW``, or one of these pairs."""

    name = "sdnet2018"
    title = "SDNET2018"
    reads = "folders `CD`, `CP`, `CW` hold cracks, without masks, and `UD`, `UP`, `UW` good photos"

    def detect(self, tree: SourceTree) -> float:
        codes = {_code(entry) for entry in tree.images}
        paired = any({f"c{part}", f"u{part}"} <= codes for part in _PARTS)
        return 0.8 if paired else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        for photo in tree.images:
            if _code(photo) in _WHOLE:
                builder.good(photo)
            elif _code(photo) in _CRACKED:
                builder.anomaly(photo, "crack", [])
        known = {photo.name for photo in tree.images if _code(photo) in _CRACKED | _WHOLE}
        ask_about_the_rest(builder, tree, known, "no folder of SDNET2018")
        return builder.plan(tree)


def _code(entry: SourceEntry) -> str:
    """The folder that a photo lies in, in small letters; "" for the top."""
    return entry.folded[-1] if entry.folded else ""
