"""What no other importer knows: photos in folders whose names tell good from bad, and masks by name."""

from __future__ import annotations

from collections import Counter

from core.importers.importer import SURE, Importer
from core.importers.mask_pairing import pair_masks, split_masks
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree
from core.importers.words import role_of

_UNMASKED = "other photos here have a mask and this one has none: is it a good part?"


class PhotosImporter(Importer):
    """Any folder: ``ok``/``ng``, ``images``/``masks``, ``x_mask.png`` beside ``x.png``, or just photos."""

    name = "photos"
    title = "Folders of photos, with masks by name"
    reads = "`OK`/`NG`, `normal`/`anomaly` and the like; `images` + `masks`; masks beside the photos; plain photos"

    def detect(self, tree: SourceTree) -> float:
        return SURE / 2

    def plan(self, tree: SourceTree) -> ImportPlan:
        photos, masks = split_masks(tree.images)
        pairing = pair_masks(photos, masks)
        builder = PlanBuilder(self.name)
        neutral = [p for p in photos if _said(p) is None]
        many = 2 * sum(bool(pairing.masks.get(p.name)) for p in neutral) > len(neutral)
        for photo in photos:
            _take(builder, photo, pairing.masks.get(photo.name, []), many)
        for mask, reason in pairing.orphans:
            builder.leave_out([mask], reason)
        labels = Counter(a.label for a in builder.anomalies)
        if labels["defect"]:
            builder.notes.append(
                f"{labels['defect']} photos with a mask are taken for defects of the label 'defect'; rename it at will"
            )
        return builder.plan(tree)


def _said(photo: SourceEntry) -> str | None:
    """What the innermost folder that tells says: "good" or "bad"."""
    return next((r for f in reversed(photo.folders) if (r := role_of(f)) in ("good", "bad")), None)


def _take(builder: PlanBuilder, photo: SourceEntry, masks: list[SourceEntry], many_have_masks: bool) -> None:
    said = _said(photo)
    if said == "good":
        builder.good(photo)
        builder.good_masks += masks
    elif said == "bad":
        builder.anomaly(photo, _bad_label(photo), masks)
    elif masks:
        builder.anomaly(photo, _own_label(photo), masks, good_if_empty=True)
    elif many_have_masks:
        builder.look(photo, _UNMASKED)
    else:
        builder.good(photo)


def _bad_label(photo: SourceEntry) -> str:
    """The folder below the one that says bad, else that one."""
    at = max(i for i, f in enumerate(photo.folders) if role_of(f) == "bad")
    below = [f for f in photo.folders[at + 1 :] if role_of(f) is None]
    return below[0] if below else photo.folders[at]


def _own_label(photo: SourceEntry) -> str:
    named = [f for f in photo.folders if role_of(f) is None]
    return named[-1] if named else "defect"
