"""Eyecandies: drawn sweets under six lights, ``train/data/NN_image_K.png``, with masks in the public test."""

from __future__ import annotations

import re

from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree

_PHOTO = re.compile(r"(?P<number>\d+)_image_\d")
_CHANNEL = "depth, normals or a single defect's mask of an item, which are not read"
_PRIVATE = "a private test photo: whether it is good is not published"


class EyecandiesImporter(Importer):
    """``train/data``, ``val/data``, ``test_public/data``, ``test_private/data``."""

    name = "eyecandies"
    title = "Eyecandies"
    reads = "all six lights; `NN_mask.png` of the public test; depth and normals, and the private test, are left out"

    def detect(self, tree: SourceTree) -> float:
        return 0.96 if any(_part(e) == "train" and _PHOTO.fullmatch(e.stem) for e in tree.images) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        for entry in tree.images:
            part, match = _part(entry), _PHOTO.fullmatch(entry.stem)
            mask = None if match is None else tree.get(f"{part}/data/{match['number']}_mask.png")
            if part == "test_private":
                builder.leave_out([entry], _PRIVATE)
            elif match is not None and part in ("train", "val"):
                builder.good(entry, None if part == "train" else "validation")
            elif match is not None and mask is not None:
                builder.anomaly(entry, "defect", [mask], good_if_empty=True)
            elif not entry.stem.endswith("_mask") or part in ("train", "val"):
                builder.leave_out([entry], _CHANNEL)
        return builder.plan(tree)


def _part(entry: SourceEntry) -> str:
    """The part of the dataset that a file is of, "" for files of none."""
    return entry.folded[0] if entry.folded[1:] == ("data",) else ""
