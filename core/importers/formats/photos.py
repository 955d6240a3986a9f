"""What no other importer knows: photos in folders whose names tell good from bad, and masks by name."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from core.importers.flaw_words import flaw_in, innermost, told_by, told_by_stem
from core.importers.importer import SURE, Importer
from core.importers.mask_pairing import Where, pair_masks, split_masks
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree
from core.importers.unread_tables import photos_told_of
from core.importers.words import is_counted, is_filling, photo_label, role_of

_UNMASKED = "there are masks here and none of them is known to be this photo's: is it a good part?"
_BESIDE = "beside it is a folder of good parts, and nothing says that this is one"
_BESIDE_FLAWS = "beside it are folders of defects, and nothing says that its parts are good"
_DRAWN_ON = "its folder's name says that it is a photo with something drawn on it"
_CHANNEL = "it lies beside colour photos and is another channel of them"
_NUMBERED = "its folder is a number, 0 or 1, which does not say whether its parts are good"
_UNREAD = "{table} tells of it in a form that is not read: is it a good part?"


class PhotosImporter(Importer):
    """Any folder: ``ok``/``ng``, ``images``/``masks``, ``x_mask.png`` beside ``x.png``, or just photos."""

    name = "photos"
    title = "Folders of photos, with masks by name"
    reads = "`OK`/`NG`, `good`/`scratch` and the like; `images` + `masks`; masks beside the photos; plain photos"

    def detect(self, tree: SourceTree) -> float:
        return SURE / 2

    def plan(self, tree: SourceTree) -> ImportPlan:
        inside = _below_masks(tree)
        photos, masks = split_masks(inside.images)
        pairing = pair_masks(photos, masks)
        builder = PlanBuilder(self.name)
        neutral = [p for p in photos if _said(p) is None]
        many = 2 * sum(bool(pairing.masks.get(p.name)) for p in neutral) > len(neutral)
        around = _Around(
            _homes_of_good(photos),
            photos_told_of(inside, photos),
            many or 2 * len(pairing.orphans) > len(neutral),
            _other_channels(photos),
            _channel_files(photos),
            _homes_of_flaws(photos),
            _numbered_classes(photos),
        )
        for photo in photos:
            _take(builder, photo, pairing.masks.get(photo.name, []), around)
        for mask, reason in pairing.orphans:
            builder.leave_out([mask], reason)
        builder.notes += pairing.notes
        labels = Counter(a.label for a in builder.anomalies)
        if labels["defect"]:
            builder.notes.append(
                f"{labels['defect']} photos with a mask are taken for defects of the label 'defect'; rename it at will"
            )
        return builder.plan(tree)


@dataclass(frozen=True)
class _Around:
    """What lies around the photos: folders with a folder of good parts in them, the table that tells of a photo and is
    not read, whether there are masks for most photos, folders and files of other channels than colour, folders with a
    folder of flaws in them, and folders of numbers.
    """

    homes_of_good: frozenset[Where]
    unread: dict[str, str]
    many_have_masks: bool
    channels: frozenset[Where]
    channel_files: frozenset[str]
    homes_of_flaws: frozenset[Where]
    numbered: frozenset[Where]


def _below_masks(tree: SourceTree) -> SourceTree:
    """The tree without outer folders that all files share and that only sound like masks ("task 3 mask 1.1")."""
    while tree.entries and (first := tree.entries[0].folders[:1]):
        if role_of(first[0]) != "mask" or any(e.folders[:1] != first for e in tree.entries):
            break
        tree = tree.below(first[0])
    return tree


def _said(photo: SourceEntry) -> str | None:
    """What the innermost folder that tells says, "good" or "bad"; else what the file's own name says."""
    told = innermost(photo.folders)
    return told[1] if told else told_by_stem(photo.stem)


def _homes_of_good(photos: Sequence[SourceEntry]) -> frozenset[Where]:
    """The folders in which a folder says that its photos are good: what lies beside it is not."""
    found = set()
    for photo in photos:
        at = [i for i, f in enumerate(photo.folders) if told_by(f) == "good"]
        if at:
            found.add(photo.folded[: at[-1]])
    return frozenset(found)


def _homes_of_flaws(photos: Sequence[SourceEntry]) -> frozenset[Where]:
    """The folders in which a folder is called like a flaw."""
    return frozenset(
        photo.folded[:i] for photo in photos for i, f in enumerate(photo.folders) if role_of(f) is None and flaw_in(f)
    )


def _beside_flaws(photo: SourceEntry, homes: frozenset[Where]) -> bool:
    """Whether its folder lies beside a flaw's and has a name of its own, which may be another flaw's."""
    return any(
        photo.folded[:depth] in homes and role_of(name) is None and not is_counted(name) and not is_filling(name)
        for depth, name in enumerate(photo.folders)
    )


def _take(builder: PlanBuilder, photo: SourceEntry, masks: list[SourceEntry], around: _Around) -> None:
    said = _said(photo)
    if any(role_of(f) == "overlay" for f in photo.folders):
        builder.look(photo, _DRAWN_ON)
    elif photo.name in around.channel_files or any(
        photo.folded[:depth] in around.channels for depth in range(1, len(photo.folded) + 1)
    ):
        builder.look(photo, _CHANNEL)
    elif said == "good":
        builder.good(photo)
        builder.good_masks += masks
    elif said == "bad":
        builder.anomaly(photo, _bad_label(photo), masks)
    elif (label := _label_beside_good(photo, around.homes_of_good)) is not None:
        builder.anomaly(photo, label, masks)
    elif masks:
        builder.anomaly(photo, photo_label(_less_own(photo)), masks, good_if_empty=True)
    elif photo.folded in around.numbered:
        builder.look(photo, _NUMBERED)
    elif any(photo.folded[:depth] in around.homes_of_good for depth in range(len(photo.folded) + 1)):
        builder.look(photo, _BESIDE)
    elif _beside_flaws(photo, around.homes_of_flaws):
        builder.look(photo, _BESIDE_FLAWS)
    elif photo.name in around.unread:
        builder.look(photo, _UNREAD.format(table=around.unread[photo.name]))
    elif around.many_have_masks:
        builder.look(photo, _UNMASKED)
    else:
        builder.good(photo)


def _label_beside_good(photo: SourceEntry, homes: frozenset[Where]) -> str | None:
    """The folder that lies beside one of good parts, as in ``good``, ``scratch``, ``dent``; None where none does."""
    for depth in range(len(photo.folded) - 1, -1, -1):
        if photo.folded[:depth] in homes:
            named = [f for f in photo.folders[depth:] if role_of(f) is None and not is_counted(f)]
            return named[0] if named else None
    return None


def _bad_label(photo: SourceEntry) -> str:
    """The folder below the one that says bad, else that one; where only the file's name says it, its flaw."""
    told = innermost(photo.folders)
    if told is None:
        return flaw_in(photo.stem) or photo_label(_less_own(photo))
    place = told[0]
    below = [f for f in photo.folders[place + 1 :] if role_of(f) is None and not is_counted(f)]
    return below[0] if below else photo.folders[place]


def _less_own(photo: SourceEntry) -> list[str]:
    """Its folders but for one that is called like it: a folder for each photo."""
    return [f for f in photo.folders if f.casefold() != photo.stem.casefold()]


_CHANNELS = frozenset("depth disparity thermal ir infrared nir xyz pointcloud normalmap heightmap height".split())
_COLOURS = frozenset("rgb color colour visible".split())


def _other_channels(photos: Sequence[SourceEntry]) -> frozenset[Where]:
    """Folders of depth, heat or infrared that lie beside one of colour photos."""
    lying = {photo.folded[:depth] for photo in photos for depth in range(1, len(photo.folded) + 1)}
    coloured = {where[:-1] for where in lying if where[-1] in _COLOURS}
    return frozenset(where for where in lying if where[-1] in _CHANNELS and where[:-1] in coloured)


_BARE_COLOURS = _COLOURS | frozenset("image img photo picture intensity gray grey amplitude left".split())


def _channel_files(photos: Sequence[SourceEntry]) -> frozenset[str]:
    """``7_depth.png`` beside ``7.png`` or ``7_rgb.png``, ``height.tif`` beside ``intensity.png``."""
    here: set[tuple[Where, str]] = set()
    for photo in photos:
        stem = photo.stem.casefold()
        rest, _, word = stem.rpartition("_")
        here |= {(photo.folded, stem), *([(photo.folded, rest)] if word in _BARE_COLOURS else [])}
    found = set()
    for photo in photos:
        rest, _, word = photo.stem.casefold().rpartition("_")
        if word in _CHANNELS and (photo.folded, rest) in here:
            found.add(photo.name)
    return frozenset(found)


_CLASS = re.compile(r"(?:class|klasse|clase|classe|label|cls|c)?[ _-]?([01])")


def _numbered_classes(photos: Sequence[SourceEntry]) -> frozenset[Where]:
    """Folders 0 and 1 beside each other, with or without a word for class: one of them may hold the defects."""
    digits: dict[Where, dict[str, Where]] = defaultdict(dict)
    for where in {photo.folded for photo in photos if photo.folded}:
        if match := _CLASS.fullmatch(where[-1]):
            digits[where[:-1]][match[1]] = where
    return frozenset(where for found in digits.values() if len(found) == 2 for where in found.values())
