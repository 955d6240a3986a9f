"""Which regions an edit is about: names, families of instances, what stands in the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.engines.layout.work_area import count, work_area_of
from core.errors import InputError
from core.types import Mask, Region, base_name

NESTED = 0.7
"""Share of one region inside another from which the one lies on (or belongs to) the other."""
MAX_SHARE = 0.6
"""Largest share of the photo that a region may cover and still be lifted off a surface."""


def named_regions(regions: Sequence[Region], names: str, instance: int, photo: str) -> list[int]:
    """Indices of the regions that ``names`` means: "washer" or "washer, nut"; empty means all.

    A name stands for all its instances ("washer", "washer_2", repeated names); "washer_2" for itself alone.
    instance: 0 for all, 1 for the first of each name, and so on. InputError names the regions there are.
    """
    if not regions:
        raise InputError(f"layout: photo {photo!r} has no regions; segment and name a component first")
    if not (wanted := [name.strip() for name in names.split(",") if name.strip()]):
        wanted = list(dict.fromkeys(base_name(r.name) for r in regions)) if instance else []
        if not wanted:
            return list(range(len(regions)))
    chosen: list[int] = []
    for name in wanted:
        family = _family(regions, name, photo)
        if instance > len(family):
            if len(wanted) > 1:
                continue
            raise InputError(f"layout: instance {instance} of {name!r} asked, photo {photo!r} has {len(family)}")
        chosen += family if instance == 0 else [family[instance - 1]]
    if not chosen:
        raise InputError(f"layout: no region of photo {photo!r} has an instance {instance}; ask for a lower one")
    return list(dict.fromkeys(chosen))


def _family(regions: Sequence[Region], name: str, photo: str) -> list[int]:
    exact = [i for i, r in enumerate(regions) if r.name == name]
    if exact and base_name(name) != name:
        return exact
    family = [i for i, r in enumerate(regions) if r.name == name or base_name(r.name) == name]
    if not family:
        have = ", ".join(sorted({r.name for r in regions}))
        raise InputError(f"layout: region {name!r} is not on photo {photo!r} (it has: {have}); segment it first")
    return family


def obstacles(regions: Sequence[Region], chosen: Sequence[int], shape: tuple[int, int]) -> Mask:
    """Pixels of the regions that stand in the way of ``chosen``: bool of ``shape``.

    A region that holds a chosen one is the surface it lies on, and one inside a chosen one goes with it;
    neither is in the way.
    """
    out = np.zeros(shape, np.bool_)
    views = [(regions[c].mask, work_area_of(regions[c].mask).slices) for c in chosen]
    for i, region in enumerate(regions):
        if i in chosen or any(_nested(region.mask, mask, view) for mask, view in views):
            continue
        out |= region.mask
    return out


def _nested(a: Mask, b: Mask, view: tuple[slice, slice]) -> bool:
    """Does one lie on the other? ``view`` is the box of ``b``."""
    both = count(a[view] & b[view])
    return both > 0 and both > NESTED * min(count(a), count(b[view]))


def check_liftable(region: Region) -> None:
    """InputError for a region so large that no surface is left to fill its place with."""
    share = count(region.mask) / region.mask.size
    if share > MAX_SHARE:
        raise InputError(
            f"layout: region {region.name!r} covers {share:.0%} of the photo, at most {MAX_SHARE:.0%} can be lifted "
            "off its surface; choose a smaller region, or op=recolour"
        )


def at_border(mask: Mask) -> bool:
    """Is the region cut by the frame?"""
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
