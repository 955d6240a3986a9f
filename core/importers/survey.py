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
from core.importers.plan import Anomaly, DrawnMask, GoodPhoto, ImportPlan
from core.importers.source_entry import Problem

FLAT = "it has but a few flat values, as a mask has; say --as {name}=good if it is a photo of a good part"
UNLIKE = "it is unlike all other good photos; say --as {name}=good if it is a photo of a good part"


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
    black = [a for a in plan.anomalies if (s := seen.get(a.entry.name)) is not None and s.black_masks]
    names = {a.entry.name for a in black}
    normals = [*plan.normals, *(GoodPhoto(a.entry) for a in black)]
    asked = [g.entry.name for g in normals if not g.confirmed]
    looks = {name: s.look for name in asked if (s := seen.get(name)) is not None and s.look is not None}
    odd = {name: FLAT.format(name=name) for name, look in looks.items() if look.flat}
    rest = [name for name in looks if name not in odd]
    unlike = unlike_the_others(np.array([looks[name].print for name in rest], np.float32))
    odd |= {name: UNLIKE.format(name=name) for name, far in zip(rest, unlike, strict=True) if far}
    return replace(
        plan,
        normals=tuple(g for g in normals if g.entry.name not in odd),
        anomalies=tuple(a for a in plan.anomalies if a.entry.name not in names),
        good_masks=plan.good_masks + tuple(m for a in black for m in a.mask_files),
        odd=plan.odd + tuple(Problem(name, reason) for name, reason in odd.items()),
    )


def depth_scales(seen: Mapping[str, Seen]) -> dict[str, DepthScale]:
    """One scale for each number type that photos with more than 8 bits come in."""
    ranges: dict[str, list[DepthRange]] = defaultdict(list)
    for one in seen.values():
        if one.look is not None and one.look.depth is not None:
            ranges[one.look.depth[0]].append(one.look.depth[1])
    return {dtype: scale_of_set(found, np.dtype(dtype)) for dtype, found in ranges.items()}
