"""Edits with a partner: two parts in each other's place, or a copy of one in the place of another."""

from __future__ import annotations

from collections.abc import Callable

from core.engines.layout.free_place import NoFreePlace
from core.engines.layout.part_place import fits, placed_at
from core.engines.layout.region_choice import named_regions
from core.engines.layout.relight import turned_in_light
from core.engines.layout.scene import LayoutEdit, LayoutScene
from core.errors import InputError
from core.types import base_name


def swap(scene: LayoutScene) -> LayoutEdit:
    """Two parts in each other's place, each as it was turned."""
    return _first_that_fits(scene, _swap_with)


def replace_part(scene: LayoutScene) -> LayoutEdit:
    """The wrong part: a copy of another one in this one's place."""
    return _first_that_fits(scene, _replace_with)


def _first_that_fits(scene: LayoutScene, edit: Callable[[LayoutScene, int], LayoutEdit]) -> LayoutEdit:
    """``edit`` with the first partner, in random order, for which there is room."""
    error: NoFreePlace | None = None
    for partner in _partners(scene):
        try:
            return edit(scene, partner)
        except NoFreePlace as failure:
            error = failure
    raise error or AssertionError("there is always a partner")


def _partners(scene: LayoutScene) -> list[int]:
    """Indices of possible partners in random order: those asked for, else regions of another name."""
    params, mine = scene.params, scene.region
    if params.partner.strip() or params.partner_instance:
        found = named_regions(scene.regions, params.partner, params.partner_instance, scene.name)
        found = [i for i in found if i != scene.target]
    else:
        found = [i for i, r in enumerate(scene.regions) if base_name(r.name) != base_name(mine.name)]
        found = found or [i for i in range(len(scene.regions)) if i != scene.target]
    # A region on the other one is no partner: neither has a place of its own.
    found = [i for i in found if not (scene.regions[i].mask & mine.mask).any()]
    if not found:
        have = ", ".join(sorted({r.name for r in scene.regions}))
        raise InputError(
            f"layout: op={params.op} needs a region apart from {mine.name!r} (photo {scene.name!r} has: {have}); "
            "segment one or name it as partner"
        )
    return [found[i] for i in scene.rng.permutation(len(found))]


def _swap_with(scene: LayoutScene, partner: int) -> LayoutEdit:
    others = scene.others(scene.target, partner)
    mine, theirs = scene.region.mask, scene.regions[partner].mask
    here, there = scene.cut_out_region(scene.target, others | theirs), scene.cut_out_region(partner, others | mine)
    there_new, here_new = placed_at(there, here.centre, scene.shape), placed_at(here, there.centre, scene.shape)
    for part, region in ((there_new, scene.regions[partner]), (here_new, scene.region)):
        if not scene.params.overlap and not fits(part, others):
            raise NoFreePlace(
                f"layout: region {region.name!r} does not fit into the place of the other; "
                "choose another pair or allow overlap"
            )
    first = scene.bare(scene.target, others | theirs)
    second = scene.bare(partner, others, first.image)
    here_new = scene.with_thrown(here_new, scene.target, others | theirs, second.image, here.window)
    there_new = scene.with_thrown(there_new, partner, others | mine, second.image, there.window)
    image, at_first = scene.paste(second.image, there_new)
    image, at_second = scene.paste(image, here_new)
    return LayoutEdit(image, (first.place | at_first, second.place | at_second))


def _replace_with(scene: LayoutScene, partner: int) -> LayoutEdit:
    others, near_partner = scene.others(), scene.others(partner)
    here, there = scene.cut_out_region(scene.target, others), scene.cut_out_region(partner, near_partner)
    there = scene.with_thrown(there, partner, near_partner, scene.bare(partner, near_partner).image)
    new = placed_at(turned_in_light(there, scene.params.angle or 0.0, scene.params.scale), here.centre, scene.shape)
    if not scene.params.overlap and not fits(new, others):
        raise NoFreePlace(
            f"layout: region {scene.regions[partner].name!r} does not fit into the place of {scene.region.name!r}; "
            "choose another or allow overlap"
        )
    bared = scene.bare(scene.target, others)
    image, place = scene.paste(bared.image, new)
    return LayoutEdit(image, (bared.place | place,))
