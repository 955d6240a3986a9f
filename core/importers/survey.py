"""The second step of an import: what the photos of a plan look like, and what follows from it for the whole set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from core.errors import InputError
from core.images import isolated
from core.images.depth import DepthRange, DepthScale, scale_of_set
from core.images.looks import Look, unlike_the_others
from core.importers.mask_pairing import pair_masks
from core.importers.plan import Anomaly, DrawnMask, GoodPhoto, ImportPlan
from core.importers.source_entry import Problem
from core.importers.words import photo_label, role_of, safe_label

FLAT = "it has but a few flat values, as a mask has; say --as FILE=good if it is a photo of a good part"
FLAT_MASKS = "{count} flat pictures with the names and sizes of photos are taken for their masks"
UNLIKE = "it is unlike all other good photos; say --as FILE=good if it is a photo of a good part"
_FLAT_SET = 3
"""Real anomalies whose photos are flat too, from which on flat photos are how this set looks (printed boards)."""


@dataclass(frozen=True)
class Seen:
    """What the survey saw of one photo: how it looks, and whether its masks are all black."""

    look: Look | None
    black_masks: bool = False


def see(item: GoodPhoto | Anomaly) -> Seen:
    """Look at a photo, and at its masks where they tell good from bad. What cannot be read shows up on import."""
    try:
        look = isolated.look_at(item.entry.load(), item.entry.name)
        black = isinstance(item, Anomaly) and item.good_if_empty and _all_black(item)
    except InputError:
        return Seen(None)
    return Seen(look, black)


def _all_black(item: Anomaly) -> bool:
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
    odd = {name: FLAT for name, look in looks.items() if look.flat and not (may_be_flat and not look.black)}
    rest = [name for name in looks if name not in odd]
    unlike = unlike_the_others(np.array([looks[name].print for name in rest], np.uint8))
    odd |= {name: UNLIKE for name, far in zip(rest, unlike, strict=True) if far}
    return replace(
        plan,
        normals=tuple(g for g in normals if g.entry.name not in odd),
        anomalies=tuple(a for a in plan.anomalies if a.entry.name not in names),
        good_masks=plan.good_masks + tuple(m for a in black for m in a.mask_files),
        odd=plan.odd + tuple(Problem(name, reason) for name, reason in odd.items()),
    )


def _photos_are_flat(plan: ImportPlan, seen: Mapping[str, Seen]) -> bool:
    """Whether the photos of real anomalies, which have masks of their own, are nearly all flat: two-valued photos."""
    found = [a.entry for a in plan.anomalies if any(m != a.entry for m in a.mask_files)]
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
