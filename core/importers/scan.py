"""From a source to a plan, by names: the first of the two steps of an import (``core.importers.survey`` is next)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.importers.importer import plan_tree, recognise
from core.importers.mask_pairing import pair_masks, split_masks
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import Problem, SourceEntry
from core.importers.source_listing import list_source
from core.importers.source_tree import SourceTree
from core.importers.words import role_of
from core.types import GOOD, Kind, check_label

LOGICAL = "logical_anomalies"


def scan(source: Path | Sequence[Path], *, label: str | None = None) -> ImportPlan:
    """Look at a folder, an archive, a file or several of them, in any layout that an importer knows.

    With ``label`` every photo is a real anomaly of it, with its masks beside. InputError if the source is missing,
    empty, or holds several products.
    """
    if label is not None:
        return scan_anomalies(source, label=label)
    listing = list_source(source)
    try:
        plan = plan_tree(SourceTree(listing.entries, _called(source)))
    except BaseException:
        listing.close()
        raise
    return replace(plan, problems=listing.problems + plan.problems, listings=(listing,))


def scan_anomalies(source: Path | Sequence[Path], *, label: str | None = None) -> ImportPlan:
    """Real anomalies only: a sub-folder per label, or any layout or annotation format, less its good photos.

    ``label`` is that of all photos; without it photos that lie in no sub-folder take the source's name.
    """
    clean = None if label is None else check_label(label)
    listing = list_source(source)
    tree = SourceTree(listing.entries, _called(source))
    try:
        importer, _ = recognise(tree)
        if importer.name != "photos" and clean is None:
            plan = _less_good(plan_tree(tree))
        else:
            fallback = source.name.partition(".")[0] if isinstance(source, Path) else "defect"
            plan = _labelled(tree, clean, fallback)
    except BaseException:
        listing.close()
        raise
    return replace(plan, problems=listing.problems + plan.problems, listings=(listing,))


def _called(source: Path | Sequence[Path]) -> str:
    return str(source) if isinstance(source, Path) else "these files"


def _less_good(plan: ImportPlan) -> ImportPlan:
    left = tuple(Problem(g.entry.name, "a photo of a good part, left out among real anomalies") for g in plan.normals)
    return replace(plan, normals=(), problems=plan.problems + left)


def _labelled(tree: SourceTree, label: str | None, fallback: str) -> ImportPlan:
    builder = PlanBuilder("anomalies")
    photos, masks = split_masks(tree.images)
    pairing = pair_masks(photos, masks)
    for photo in photos:
        raw, kind = _label_of(photo, fallback)
        if role_of(raw) == GOOD and label is None:
            builder.leave_out([photo], f"it is in a folder {raw!r}; import it as a photo of a good part")
            builder.good_masks += pairing.masks.get(photo.name, [])
        else:
            builder.anomaly(photo, label or raw, pairing.masks.get(photo.name, []), kind)
    builder.notes += pairing.notes
    for mask, reason in pairing.orphans:
        builder.leave_out([mask], reason)
    return builder.plan(tree)


def _label_of(photo: SourceEntry, fallback: str) -> tuple[str, Kind]:
    """The outermost folder that is not part of a layout; one that only says "bad" where there is no other."""
    named = [f for f in photo.folders if role_of(f) in (None, "good")]
    bad = [f for f in photo.folders if role_of(f) == "bad"]
    raw = named[0] if named else bad[-1] if bad else fallback
    return raw, "logical" if raw.casefold() == LOGICAL else "structural"
