"""The edits themselves: each takes a scene and returns the new image and the places that changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from core.engines.finalize import NoVisibleChange
from core.engines.ground.aligned import OtherPhoto
from core.engines.ground.reveal import BaredPhoto, without_part
from core.engines.ground.thrown import model_of, thrown_by
from core.engines.layout.cutout import CutPart, cut_out_part
from core.engines.layout.edge_width import band_width
from core.engines.layout.free_place import NoFreePlace, free_shift
from core.engines.layout.paste_part import SURFACE_REACH, as_before, centred_at, paste_part, transformed
from core.engines.layout.recolour import random_shift, recoloured
from core.engines.layout.region_choice import base_name, check_liftable, named_regions, obstacles
from core.engines.layout.settings import LayoutParams
from core.engines.layout.work_area import WorkArea, count, distance_to, sampled_pixels, work_area_of
from core.errors import InputError
from core.types import Image, Mask, Region

SHADOW_MARGIN = 0.35
"""How far around a part its shadow is read, in its sides."""
TRIES = 8
"""Random angles tried before a place is called too tight."""
LONG = 1.25
"""Length over width from which a turn is worth trying."""
TURNS = (12.0, -12.0, 25.0, -25.0, 45.0, -45.0, 90.0)
"""Degrees by which a part that comes is turned, one after the other, where it finds no place as it lay."""


@dataclass(frozen=True)
class LayoutScene:
    """One photo with its regions, the region to edit by its index, and the settings."""

    photo: Image
    name: str
    grey: bool
    regions: tuple[Region, ...]
    target: int
    params: LayoutParams
    object_mask: Mask | None
    rng: np.random.Generator
    goods: tuple[OtherPhoto, ...] = ()

    @property
    def region(self) -> Region:
        return self.regions[self.target]

    @property
    def shape(self) -> tuple[int, int]:
        return (self.photo.shape[0], self.photo.shape[1])

    def others(self, *chosen: int) -> Mask:
        """Pixels of all regions in the way of ``chosen``, or of the target if none is given."""
        return obstacles(self.regions, chosen or (self.target,), self.shape)

    def cut_out_region(self, index: int, others: Mask) -> CutPart:
        """The region lifted off its surface, its shadow as a model."""
        check_liftable(self.regions[index])
        return cut_out_part(self.photo, self.regions[index].mask, others, self.params.shadow)

    def bare(self, index: int, others: Mask, image: Image | None = None) -> BaredPhoto:
        """The photo, or an ``image`` of it with another part gone already, without the region."""
        check_liftable(self.regions[index])
        mask, under = self.regions[index].mask, self.photo if image is None else image
        band = band_width(self.photo, mask, others)
        return without_part(under, mask, others & ~mask, band, self.goods, self.rng, self.params.shadow)

    def with_thrown(
        self, part: CutPart, index: int, others: Mask, bare: Image, window: WorkArea | None = None
    ) -> CutPart:
        """The part with its shadow as the photo has it, told from the ``bare`` image without the part.

        ``window`` is where the part lay on the photo if it has been moved since.
        """
        if not self.params.shadow:
            return part
        margin = int(np.ceil(SHADOW_MARGIN * part.size)) + 2
        wide = (window or part.window).grown(margin)
        own = self.regions[index].mask
        here, there = (
            wide.padded(mask.view(np.uint8), cv2.BORDER_CONSTANT).view(np.bool_) for mask in (own, others & ~own)
        )
        seen = wide.padded(self.photo), wide.padded(bare), here, there, part.band, margin
        shadow, turned = model_of(*seen)
        around = distance_to(here) < max(4.0, SURFACE_REACH * part.size)
        surface = np.asarray(np.median(sampled_pixels(seen[1], around, 2000), axis=0), np.float32)
        return replace(part, thrown=thrown_by(*seen), shadow=shadow, turned=turned, surface=surface)


@dataclass(frozen=True)
class LayoutEdit:
    """The edited image, and one bool (H, W) mask per place that changed: bounds, not yet what is visible."""

    image: Image
    changed_places: tuple[Mask, ...]


def remove(scene: LayoutScene) -> LayoutEdit:
    """A missing part: its place is filled, its shadow goes."""
    bared = scene.bare(scene.target, scene.others())
    return LayoutEdit(bared.image, (bared.place,))


def duplicate(scene: LayoutScene) -> LayoutEdit:
    """One part too many: a copy elsewhere."""
    others = scene.others()
    part = scene.cut_out_region(scene.target, others)
    part = scene.with_thrown(part, scene.target, others, scene.bare(scene.target, others).image)
    blocked = others | scene.region.mask
    image, place = _paste_part(scene, scene.photo, _at_free_place(scene, scene.photo, part, blocked))
    return LayoutEdit(image, (place,))


def move(scene: LayoutScene) -> LayoutEdit:
    """A displaced part: its place is filled and it lies elsewhere."""
    others = scene.others()
    bared = scene.bare(scene.target, others)
    part = scene.with_thrown(scene.cut_out_region(scene.target, others), scene.target, others, bared.image)
    image, place = _paste_part(scene, bared.image, _at_free_place(scene, bared.image, part, others))
    return LayoutEdit(image, (bared.place, place))


def rotate(scene: LayoutScene) -> LayoutEdit:
    """A part turned about its middle."""
    params, others = scene.params, scene.others()
    if params.angle is not None and params.angle % 360 == 0 and params.scale == 1:
        raise InputError(f"layout: a turn of {params.angle:g} degrees changes nothing; give another angle")
    bared = scene.bare(scene.target, others)
    part = scene.with_thrown(scene.cut_out_region(scene.target, others), scene.target, others, bared.image)
    if params.angle is not None:
        turned = transformed(part, params.angle, params.scale)
    else:
        angles = scene.rng.uniform(20, 340, TRIES)
        options = (transformed(part, float(a), params.scale) for a in angles)
        found = next((p for p in options if params.overlap or _fits(p, others)), None)
        if found is None:
            raise NoFreePlace(
                f"layout: region {scene.region.name!r} has no room to turn; set Angle, or tick Allow overlap"
            )
        turned = found
    return _put_back(scene, part, turned, bared)


def flip(scene: LayoutScene) -> LayoutEdit:
    """A part the wrong way round."""
    axis = scene.params.axis
    if axis == "random":
        axis = "horizontal" if scene.rng.random() < 0.5 else "vertical"
    others = scene.others()
    bared = scene.bare(scene.target, others)
    part = scene.with_thrown(scene.cut_out_region(scene.target, others), scene.target, others, bared.image)
    return _put_back(scene, part, transformed(part, flip=axis), bared)


def swap(scene: LayoutScene) -> LayoutEdit:
    """Two parts in each other's place, each as it was turned."""
    return _first_that_fits(scene, _swap_with)


def replace_part(scene: LayoutScene) -> LayoutEdit:
    """The wrong part: a copy of another one in this one's place."""
    return _first_that_fits(scene, _replace_with)


def recolour(scene: LayoutScene) -> LayoutEdit:
    """A part of the wrong colour, texture and edge kept."""
    params = scene.params
    part = cut_out_part(scene.photo, scene.region.mask, scene.others(), with_shadow=False)
    hue, saturation, lightness = params.hue, params.saturation, params.lightness
    given = (lightness,) if scene.grey else (hue, saturation, lightness)
    if all(value is None for value in given):
        hue, saturation, lightness = random_shift(part.colour, part.alpha, scene.grey, scene.rng)
    colour = recoloured(part.colour, part.alpha, hue or 0.0, saturation or 0.0, lightness or 0.0, scene.grey)
    view = part.window.slices
    old = scene.photo[view].astype(np.float32)
    # Only the part's own share of a mixed edge pixel takes the new colour.
    new = old + part.alpha[..., None] * (colour - part.colour)
    image = scene.photo.copy()
    image[view] = np.clip(np.rint(new), 0, 255).astype(np.uint8)
    return LayoutEdit(image, (part.window.full_mask(part.alpha > 0, scene.shape),))


OPS: dict[str, Callable[[LayoutScene], LayoutEdit]] = {
    "remove": remove,
    "duplicate": duplicate,
    "move": move,
    "rotate": rotate,
    "flip": flip,
    "swap": swap,
    "replace": replace_part,
    "recolour": recolour,
}


def _at_free_place(scene: LayoutScene, surface: Image, part: CutPart, blocked: Mask) -> CutPart:
    """The part at the place asked for or at a free one; where none is free, turned, unless an angle was given."""
    angle, failure = scene.params.angle, None
    turns = (0.0, *TURNS) if _long(part) else (0.0,)
    for turn in turns if angle is None else (angle,):
        try:
            return _relocated(scene, surface, transformed(part, turn, scene.params.scale), blocked)
        except NoFreePlace as error:
            failure = failure or error
    assert failure is not None
    raise failure


def _long(part: CutPart) -> bool:
    """Does a turn change where the part fits?"""
    rows, columns = np.nonzero(part.alpha > 0.5)
    _, sides, _ = cv2.minAreaRect(np.stack([columns, rows], axis=1).astype(np.float32))
    return bool(max(sides) > LONG * min(sides))


def _relocated(scene: LayoutScene, surface: Image, part: CutPart, blocked: Mask) -> CutPart:
    """The part at the place asked for, or at a random free one."""
    params = scene.params
    if params.dx is not None or params.dy is not None:
        dy, dx = params.dy or 0, params.dx or 0
        moved = centred_at(part, (part.centre[0] + dy, part.centre[1] + dx))
        if not moved.window.full_mask(moved.footprint, scene.shape).any():
            raise InputError(
                f"layout: dx={dx}, dy={dy} puts region {scene.region.name!r} outside the "
                f"{scene.shape[1]}x{scene.shape[0]} photo; give a shorter way"
            )
        return moved
    if params.overlap:
        blocked = np.zeros_like(blocked)
    blocked = blocked | ~_surface(scene)
    dy, dx = free_shift(surface, part, blocked, scene.rng, 0.4 * part.size, scene.region.name)
    return centred_at(part, (part.centre[0] + dy, part.centre[1] + dx))


def _surface(scene: LayoutScene) -> Mask:
    """Where parts may lie: the object if this one lies on it, else (parts on a tray) the whole frame."""
    if scene.object_mask is None:
        return np.ones(scene.shape, np.bool_)
    reach = 2 + max(3, round(0.15 * float(np.sqrt(scene.region.mask.sum()))))
    view = work_area_of(scene.region.mask).grown(reach).clipped(scene.shape).slices
    away = distance_to(scene.region.mask[view])
    ring = scene.object_mask[view][(away > 2) & (away < reach)]
    on_object = ring.size > 0 and ring.mean() > 0.5
    return (scene.object_mask | scene.region.mask) if on_object else np.ones(scene.shape, np.bool_)


def _put_back(scene: LayoutScene, before: CutPart, part: CutPart, bared: BaredPhoto) -> LayoutEdit:
    """The turned part where it was, its old shadow exchanged for the new one."""
    if _looks_the_same(scene, part):
        raise NoVisibleChange(
            f"layout: region {scene.region.name!r} looks the same when turned like this; "
            "choose another region, another angle or op=flip on another axis"
        )
    image, place = _paste_part(scene, bared.image, part, adapt=False)
    if scene.params.shadow:
        image = np.where(as_before(before, part, scene.shape)[..., None], scene.photo, image)
    return LayoutEdit(image, (place | bared.place,))


def _looks_the_same(scene: LayoutScene, part: CutPart) -> bool:
    """Would the turned part be told from what lies there now?"""
    mask = scene.region.mask
    view = work_area_of(mask).slices
    foot = part.window.full_mask(part.alpha > 0.5, scene.shape)
    if count(foot ^ mask) >= 0.03 * count(mask[view]):
        return False
    image, _ = paste_part(scene.photo, part, adapt=False, with_shadow=False)
    inside = cv2.erode(mask[view].astype(np.uint8), np.ones((5, 5), np.uint8))
    return max(cv2.mean(cv2.absdiff(image[view], scene.photo[view]), inside)[:3]) < 2


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
    there_new, here_new = _at(there, here.centre, scene.shape), _at(here, there.centre, scene.shape)
    for part, region in ((there_new, scene.regions[partner]), (here_new, scene.region)):
        if not scene.params.overlap and not _fits(part, others):
            raise NoFreePlace(
                f"layout: region {region.name!r} does not fit into the place of the other; "
                "choose another pair or allow overlap"
            )
    first = scene.bare(scene.target, others | theirs)
    second = scene.bare(partner, others, first.image)
    here_new = scene.with_thrown(here_new, scene.target, others | theirs, second.image, here.window)
    there_new = scene.with_thrown(there_new, partner, others | mine, second.image, there.window)
    image, at_first = _paste_part(scene, second.image, there_new)
    image, at_second = _paste_part(scene, image, here_new)
    return LayoutEdit(image, (first.place | at_first, second.place | at_second))


def _replace_with(scene: LayoutScene, partner: int) -> LayoutEdit:
    others, near_partner = scene.others(), scene.others(partner)
    here, there = scene.cut_out_region(scene.target, others), scene.cut_out_region(partner, near_partner)
    there = scene.with_thrown(there, partner, near_partner, scene.bare(partner, near_partner).image)
    new = _at(transformed(there, scene.params.angle or 0.0, scene.params.scale), here.centre, scene.shape)
    if not scene.params.overlap and not _fits(new, others):
        raise NoFreePlace(
            f"layout: region {scene.regions[partner].name!r} does not fit into the place of {scene.region.name!r}; "
            "choose another or allow overlap"
        )
    bared = scene.bare(scene.target, others)
    image, place = _paste_part(scene, bared.image, new)
    return LayoutEdit(image, (bared.place | place,))


def _at(part: CutPart, centre: tuple[float, float], shape: tuple[int, int]) -> CutPart:
    """The part at ``centre``, pushed back into the frame where it would hang over and fits."""
    part = centred_at(part, centre)
    rows, cols = (np.flatnonzero(part.footprint.any(axis)) for axis in (1, 0))
    top, bottom = part.window.y0 + rows[0], part.window.y0 + rows[-1] + 1
    left, right = part.window.x0 + cols[0], part.window.x0 + cols[-1] + 1
    dy = max(-top, 0) or min(shape[0] - bottom, 0)
    dx = max(-left, 0) or min(shape[1] - right, 0)
    return centred_at(part, (part.centre[0] + dy, part.centre[1] + dx))


def _fits(part: CutPart, others: Mask) -> bool:
    """Is the part within the frame and clear of ``others``?"""
    foot = part.alpha > 0.5
    seen = part.window.clipped(others.shape)
    inner = foot[seen.slices_in(part.window)]
    return bool(inner.sum() >= foot.sum() and not (inner & others[seen.slices]).any())


def _paste_part(scene: LayoutScene, image: Image, part: CutPart, adapt: bool = True) -> tuple[Image, Mask]:
    return paste_part(image, part, adapt, scene.params.shadow)


def with_target(scene: LayoutScene, target: int, rng: np.random.Generator) -> LayoutScene:
    """The same scene about another region."""
    return replace(scene, target=target, rng=rng)
