"""The second step of an import: what the photos of a plan look like, and what follows from it for the whole set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.errors import InputError
from core.images import isolated
from core.images.depth import DepthRange, DepthScale, scale_of_set
from core.images.looks import Look, ToneSplit, unlike_the_others
from core.importers.flaw_words import innermost, told_by_stem
from core.importers.mask_pairing import pair_masks
from core.importers.plan import Anomaly, DrawnMask, GoodPhoto, ImportPlan
from core.importers.source_entry import Problem, SourceEntry
from core.importers.words import photo_label, role_of, safe_label

FLAT = "it has but a few flat values, as a mask has; say --as FILE=good if it is a photo of a good part"
FLAT_MASKS = "{count} flat pictures with the names and sizes of photos are taken for their masks"
UNLIKE = "it is unlike all other good photos; say --as FILE=good if it is a photo of a good part"
MASKS_UNCLAIMED = (
    "pictures like masks lie in the source and no name says whose they are; say --as FOLDER=good if it is a good part"
)
TWO_TONED = "{count} photos have but a few flat values, as printed boards have; their folder says that they are good"
_FLAT_SET = 3
"""Real anomalies whose photos are flat too, from which on flat photos are how this set looks (printed boards)."""
_PROBED = 8
"""So many of the pictures that look like masks are compared with the sizes of photos."""
_BOARDS = 8
"""As many flat pictures in folders of good parts may be photos of boards, where they are like them:"""
_BOARD = ToneSplit(edges=4.0, rarer=0.1)
"""in the median at least this (shipped boards have 5.6 and 0.35, masks 0.7 at most, silhouettes 3.7),"""
_ONE_BOARD = ToneSplit(edges=0.75, rarer=0.05)
"""and each at least this (the plainest of 200 boards has 0.8 and 0.06)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the survey saw of one photo: how it looks, and whether its masks are all black."""

    look: Look | None
    black_masks: bool = False


def see(item: GoodPhoto | Anomaly) -> Seen:
    """Look at a photo, and at its masks where they tell good from bad. What cannot be read shows up on import."""
    try:
        look = isolated.look_at(item.entry.load(), item.entry.name)
        black = has_black_masks(item)
    except InputError:
        return Seen(None)
    return Seen(look, black)


def has_black_masks(item: GoodPhoto | Anomaly) -> bool:
    """Whether the masks, where they tell good from bad, are all black. InputError for one that cannot be read."""
    if not isinstance(item, Anomaly) or not item.good_if_empty:
        return False
    files = [m for m in item.masks if not isinstance(m, DrawnMask)]
    return bool(files) and not any(isolated.read_mask(m.load(), name=m.name).any() for m in files)


def settled(plan: ImportPlan, seen: Mapping[str, Seen]) -> ImportPlan:
    """``plan`` after the survey: photos with black masks are good; flat ones and those unlike the rest are odd."""
    plan = _with_flat_masks(plan, seen)
    black = [a for a in plan.anomalies if (s := seen.get(a.entry.name)) is not None and s.black_masks]
    names = {a.entry.name for a in black}
    normals = [*plan.normals, *(GoodPhoto(a.entry) for a in black)]
    asked = [g.entry.name for g in normals if not g.confirmed]
    looks = {name: s.look for name in asked if (s := seen.get(name)) is not None and s.look is not None}
    may_be_flat = _photos_are_flat(plan, seen)
    boards = _boards([g for g in normals if g.entry.name in looks], looks)
    odd = {
        name: FLAT
        for name, look in looks.items()
        if look.flat and name not in boards and not (may_be_flat and not look.black)
    }
    odd |= dict.fromkeys(_maybe_of_masks(normals, looks, odd) if plan.layout == "photos" else (), MASKS_UNCLAIMED)
    rest = [name for name in looks if name not in odd]
    unlike = unlike_the_others([looks[name].print for name in rest])
    odd |= {name: UNLIKE for name, far in zip(rest, unlike, strict=True) if far}
    return replace(
        plan,
        normals=tuple(g for g in normals if g.entry.name not in odd),
        anomalies=tuple(a for a in plan.anomalies if a.entry.name not in names),
        good_masks=plan.good_masks + tuple(m for a in black for m in a.mask_files),
        odd=plan.odd + tuple(Problem(name, reason) for name, reason in odd.items()),
        notes=plan.notes + ((TWO_TONED.format(count=len(boards)),) if boards else ()),
    )


def _maybe_of_masks(photos: Sequence[GoodPhoto], looks: Mapping[str, Look], flat: Mapping[str, str]) -> Sequence[str]:
    """Photos that nothing calls good, where half as many pictures look like masks of their size that no name gives to
    a photo: they may show the defects.
    """
    masks = [looks[name] for name in flat if not looks[name].black]
    told = [p.entry for p in photos if p.entry.name in looks and p.entry.name not in flat]
    open_question = [e.name for e in told if not _says_good(e)]
    maybe = [name for name in open_question if any(_same_size(looks[name], mask) for mask in masks[:_PROBED])]
    return maybe if 2 * len(masks) >= len(maybe) else ()


def _says_good(entry: SourceEntry) -> bool:
    said = innermost(entry.name.split("/")[:-1])
    return _called_good(entry) or "good" in (said[1] if said else None, told_by_stem(entry.stem))


def _boards(photos: Sequence[GoodPhoto], looks: Mapping[str, Look]) -> frozenset[str]:
    """Flat pictures that are photos all the same: all of a folder of good parts are flat and full of edges."""
    said = [looks[photo.entry.name] for photo in photos if _called_good(photo.entry)]
    flat = [look.tones for look in said if look.flat and not look.black]
    if len(flat) < _BOARDS or 10 * len(flat) < 9 * len(said):
        return frozenset()
    edges, rarer = (float(np.median(values)) for values in zip(*((t.edges, t.rarer) for t in flat), strict=True))
    if edges < _BOARD.edges or rarer < _BOARD.rarer:
        return frozenset()
    return frozenset(
        photo.entry.name
        for photo in photos
        if (look := looks[photo.entry.name]).flat
        and _called_good(photo.entry)
        and look.tones.edges >= _ONE_BOARD.edges
        and look.tones.rarer >= _ONE_BOARD.rarer
    )


def _called_good(entry: SourceEntry) -> bool:
    """Whether a folder says that it is a good part: one of its source, or the source itself."""
    folders = entry.name.split("/")[:-1] or ([Path(entry.on_disk).parent.name] if entry.on_disk else [])
    return any(role_of(folder) == "good" for folder in folders)


def _photos_are_flat(plan: ImportPlan, seen: Mapping[str, Seen]) -> bool:
    """Whether the photos of real anomalies, which have masks of their own, are nearly all flat: two-valued photos."""
    found = [a.entry for a in plan.anomalies if set(a.mask_files) != {a.entry}]
    looks = [s.look for e in found if (s := seen.get(e.name)) is not None and s.look is not None]
    return len(looks) >= _FLAT_SET and 10 * sum(look.flat for look in looks) >= 9 * len(looks)


def _with_flat_masks(plan: ImportPlan, seen: Mapping[str, Seen]) -> ImportPlan:
    """Flat pictures that have the name and size of a photo are its masks, and the photo is no good part.

    Where the mask is black, or a folder says that the photo is good, it stays one.
    """
    looks = {
        g.entry.name: s.look
        for g in plan.normals
        if not g.confirmed and (s := seen.get(g.entry.name)) is not None and s.look is not None
    }
    flat = [g.entry for g in plan.normals if g.entry.name in looks and looks[g.entry.name].flat]
    if not flat:
        return plan
    photos = {g.entry.name: g.entry for g in plan.normals if g.entry.name in looks and not looks[g.entry.name].flat}
    found = {
        name: fitting
        for name, masks in pair_masks(list(photos.values()), flat, anywhere=True).masks.items()
        if (fitting := [m for m in masks if _same_size(looks[name], looks[m.name])])
    }
    used = {m.name for masks in found.values() for m in masks}
    bad = {
        name: masks
        for name, masks in found.items()
        if not all(looks[m.name].black for m in masks) and not any(role_of(f) == "good" for f in photos[name].folders)
    }
    made = [
        Anomaly(
            photos[name], safe_label(photo_label(photos[name].folders, masks[0].folders)), "structural", tuple(masks)
        )
        for name, masks in bad.items()
    ]
    notes = (FLAT_MASKS.format(count=len(used)),) if used else ()
    return replace(
        plan,
        normals=tuple(g for g in plan.normals if g.entry.name not in bad and g.entry.name not in used),
        anomalies=(*plan.anomalies, *made),
        good_masks=(*plan.good_masks, *(m for name, masks in found.items() if name not in bad for m in masks)),
        notes=plan.notes + notes,
    )


def _same_size(photo: Look, mask: Look) -> bool:
    """Whether a mask fits a photo, which EXIF may have turned; large JPEGs are known to eight pixels."""
    sizes = photo.size, photo.size[::-1]
    return any(all(abs(a - b) < 8 for a, b in zip(size, mask.size, strict=True)) for size in sizes)


def depth_scales(plan: ImportPlan, seen: Mapping[str, Seen]) -> dict[str, DepthScale]:
    """One scale for each number type that photos with more than 8 bits come in: the source's own where it has one."""
    ranges: dict[str, list[DepthRange]] = defaultdict(list)
    for one in seen.values():
        if one.look is not None and one.look.depth is not None:
            ranges[one.look.depth[0]].append(one.look.depth[1])
    return {dtype: plan.scales.get(dtype) or scale_of_set(found, np.dtype(dtype)) for dtype, found in ranges.items()}
