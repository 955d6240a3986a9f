"""Pairs of a photo before and after an anomaly was drawn into it, by any editor: the mask is what changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from core.images import isolated
from core.importers.importer import Importer
from core.importers.plan import DrawnMask, ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree
from core.masks.change_mask import ChangeMask, change_mask

_BEFORE, _AFTER = "before", "after"
_SIDES = {_BEFORE: _BEFORE, _AFTER: _AFTER, "temp": _BEFORE, "template": _BEFORE, "test": _AFTER}
"""What a name ends with; a template and a test are what inspection of printed boards compares."""
_NAMED = re.compile(rf"(?P<stem>.+?)[ _.-](?P<side>{'|'.join(_SIDES)})")
_DEFECT = "defect"


class BeforeAfterImporter(Importer):
    """``before/x.png`` with ``after/x.png`` or ``after/<label>/x.png``; or ``x_before.png`` beside ``x_after.png``."""

    name = "before-after"
    title = "Pairs before and after an edit"
    reads = (
        "`before` and `after`, with a folder per label in `after`, `x_before` by `x_after`, or `x_temp` by `x_test`; "
        "masks are computed"
    )

    def detect(self, tree: SourceTree) -> float:
        paired = {entry.name for pair in _pairs(tree) for entry in pair}
        return 0.85 if paired and 2 * len(paired) > len(tree.images) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        good: set[str] = set()
        for before, after in _pairs(tree):
            if before.name not in good:
                builder.good(before)
                good.add(before.name)
            mask = DrawnMask(f"{before.name} -> {after.name}", partial(_draw, before, after))
            builder.anomaly(after, _label(after), [mask])
        builder.notes.append("masks are what changed from before to after; look whether they fit")
        return builder.plan(tree)


def _pairs(tree: SourceTree) -> Iterator[tuple[SourceEntry, SourceEntry]]:
    """Each picture after an edit, with the one before it."""
    sided = [(side, key, entry) for entry in tree.images for side, key in _side(entry)]
    before = {key: entry for side, key, entry in sided if side == _BEFORE}
    yield from ((before[key], entry) for side, key, entry in sided if side == _AFTER and key in before)


def _side(entry: SourceEntry) -> Iterator[tuple[str, tuple[str, str]]]:
    """Which side of a pair a picture is by its folder or name, and what its pair has in common: place and stem."""
    for side in (_BEFORE, _AFTER):
        if side in entry.folded:
            yield side, ("/".join(entry.folded[: entry.folded.index(side)]), entry.stem.casefold())
            return
    if match := _NAMED.fullmatch(entry.stem.casefold()):
        yield _SIDES[match["side"]], ("/".join(entry.folded), match["stem"])


def _label(after: SourceEntry) -> str:
    """The folder below ``after``; without one nothing names the defect."""
    below = after.folders[after.folded.index(_AFTER) + 1 :] if _AFTER in after.folded else ()
    return below[0] if below else _DEFECT


def _draw(before: SourceEntry, after: SourceEntry, shape: tuple[int, int]) -> ChangeMask:
    """What changed, with how sure that is; MaskError where nothing did, or the two do not show one part."""
    first, second = (isolated.read_photo(entry.load(), entry.name).pixels for entry in (before, after))
    return change_mask(first, second)
