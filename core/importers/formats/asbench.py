"""ASBench: pairs to train on as they came, and a product in MVTec AD's layout to test on."""

from __future__ import annotations

from core.importers.importer import Importer
from core.importers.mask_pairing import pair_masks, split_masks
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree
from core.importers.split_layout import label_folder
from core.importers.words import role_of

_TRIPLE = ("aug", "mask", "origin")
_PAIRS = "pairs_"


class AsBenchImporter(Importer):
    """``pairs_train/{images,masks}/<label>`` and ``<category>/{train,test}``, beside ``aug``, ``mask``, ``origin``."""

    name = "asbench"
    title = "ASBench"
    reads = "pairs of `pairs_train` and `pairs_val`, good photos and anomalies of the product; `aug` repeats the pairs"

    def detect(self, tree: SourceTree) -> float:
        return 0.97 if tree.has(f"{_PAIRS}train") and all(map(tree.has, _TRIPLE)) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        repeated = [e for e in tree.images if e.folded and e.folded[0] in _TRIPLE]
        builder.leave_out(repeated, "a pair in small for ASBench's loaders, which is read as it came")
        spoken = {e.name for e in repeated}
        photos, masks = split_masks([e for e in tree.images if e.name not in spoken])
        pairing = pair_masks([p for p in photos if not _is_good(p)], masks)
        for photo in photos:
            if _is_good(photo):
                builder.good(photo)
            else:
                builder.anomaly(photo, _label(photo), pairing.masks.get(photo.name, []))
        for mask, reason in pairing.orphans:
            builder.leave_out([mask], reason)
        return builder.plan(tree)


def _is_good(photo: SourceEntry) -> bool:
    return not photo.folded[0].startswith(_PAIRS) and any(role_of(f) == "good" for f in photo.folders[1:])


def _label(photo: SourceEntry) -> str:
    """The folder of the defect: below ``images`` of the pairs, below ``test`` of the product."""
    return label_folder(photo.below(photo.folders[0]))
