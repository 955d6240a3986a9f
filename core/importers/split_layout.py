"""MVTec AD and its many kin: train, validation and test folders with a folder per label, masks in another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from core.importers.mask_pairing import pair_masks, split_masks
from core.importers.plan import PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree
from core.importers.words import role_of
from core.types import Kind

LabelOf = Callable[[SourceEntry, tuple[SourceEntry, ...]], tuple[str, Kind]]


@dataclass(frozen=True)
class SplitRules:
    """How one member of the family differs: ``left_out`` gives the reason for folders of a name."""

    layout: str
    left_out: Mapping[str, str] = field(default_factory=dict)
    keep_test_good: bool = False
    label_of: LabelOf | None = None


def label_folders(tree: SourceTree, *splits: str) -> set[str]:
    """Names of the folders right below the folders called one of ``splits``, in small letters."""
    found = set()
    for entry in tree.entries:
        if len(entry.folded) > 1 and entry.folded[0] in splits:
            found.add(entry.folded[1])
    return found


def looks_split(tree: SourceTree) -> bool:
    """Whether there are train and test folders with folders of good photos, or of test photos and their masks."""
    trained = any(role_of(f) == "good" for f in label_folders(tree, "train", "training"))
    tested = label_folders(tree, "test", "test_public", "testing")
    truth = label_folders(tree, "ground_truth", "groundtruth", "gt", "masks")
    return trained and (bool(tested) or tree.has("train/good")) or bool(tested & truth)


def read_split(tree: SourceTree, rules: SplitRules) -> PlanBuilder:
    """Good photos of train and validation, anomalies of the test with their masks.

    Good photos of the test are left out, so that a detector can be judged on photos that nothing was made from;
    they are taken where there are no others, or with ``keep_test_good``.
    """
    builder = PlanBuilder(rules.layout)
    inside: list[SourceEntry] = []
    for entry in tree.images:
        reason = next((rules.left_out[f] for f in entry.folded if f in rules.left_out), None)
        if reason is not None:
            builder.leave_out([entry], reason)
        elif entry.folders and (_split_of(entry.folders[0]) or role_of(entry.folders[0]) == "mask"):
            inside.append(entry)
    photos, masks = split_masks(inside)
    _good_photos(builder, photos, rules)
    _anomalies(builder, [p for p in photos if not _is_good(p)], masks, rules)
    return builder


def _split_of(folder: str) -> str | None:
    role = role_of(folder)
    return role if role in ("train", "validation", "test") else None


def _is_good(entry: SourceEntry) -> bool:
    return any(role_of(f) == "good" for f in entry.folded)


def _good_photos(builder: PlanBuilder, photos: list[SourceEntry], rules: SplitRules) -> None:
    parts: dict[str, list[SourceEntry]] = {"train": [], "validation": [], "test": []}
    for photo in photos:
        if _is_good(photo):
            parts[next(s for f in photo.folded if (s := _split_of(f)))].append(photo)
    for part, split in (("train", None), ("validation", "validation")):
        for photo in parts[part]:
            builder.good(_shortened(photo) if split is None else photo, split)
    if rules.keep_test_good or not builder.normals:
        for photo in parts["test"]:
            builder.good(photo, "test")
    elif parts["test"]:
        folder = "/".join(parts["test"][0].folders)
        builder.leave_out(parts["test"], f"a good photo of {folder}, kept to judge detectors on")
        builder.notes.append(
            f"{len(parts['test'])} photos of {folder} left out, to judge detectors on; "
            "import that folder by itself to use them"
        )


def _shortened(entry: SourceEntry) -> SourceEntry:
    """A photo of train/good is called by what follows."""
    return replace(entry, path="/".join((*entry.folders[2:], entry.file)))


def _anomalies(builder: PlanBuilder, photos: list[SourceEntry], masks: list[SourceEntry], rules: SplitRules) -> None:
    good_masks = [m for m in masks if _is_good(m)]
    pairing = pair_masks(photos, [m for m in masks if not _is_good(m)])
    builder.good_masks += good_masks
    for photo in photos:
        mine = tuple(pairing.masks.get(photo.name, ()))
        label, kind = (rules.label_of or _by_folder)(photo, mine)
        builder.anomaly(photo, label, mine, kind)
    for mask, reason in pairing.orphans:
        builder.leave_out([mask], reason)


def _by_folder(photo: SourceEntry, masks: tuple[SourceEntry, ...]) -> tuple[str, Kind]:
    return label_folder(photo), "structural"


def label_folder(photo: SourceEntry) -> str:
    """The folder that names the defect: the first that is not part of the layout; else one that says "bad"."""
    named = [f for f in photo.folders if role_of(f) is None]
    bad = [f for f in photo.folders if role_of(f) == "bad"]
    return named[0] if named else bad[-1] if bad else "defect"
