"""The edits themselves: each takes a scene and returns the new image and the places that changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from core.engines.finalize import NoVisibleChange
from core.engines.layout.cutout import CutPart, Hole, cut_out_part
from core.engines.layout.free_place import NoFreePlace, free_shift
from core.engines.layout.paste_part import centred_at, paste_part, transformed
from core.engines.layout.recolour import random_shift, recoloured
from core.engines.layout.region_choice import base_name, check_liftable, named_regions, obstacles
from core.engines.layout.settings import LayoutParams
from core.engines.layout.uncover import uncover
from core.engines.layout.work_area import count, distance_to, work_area_of
from core.errors import InputError
from core.types import Image, Mask, Region

TRIES = 8
"""Random angles tried before a place is called too tight."""


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

    @property
    def region(self) -> Region:
        return self.regions[self.target]

    @property
    def shape(self) -> tuple[int, int]:
        return (self.photo.shape[0], self.photo.shape[1])

    def others(self, *chosen: int) -> Mask:
        """Pixels of all regions in the way of ``chosen``, or of the target if none is given."""
        return obstacles(self.regions, chosen or (self.target,), self.shape)

    def cut_out_region(self, index: int, others: Mask) -> tuple[CutPart, Hole]:
        check_liftable(self.regions[index])
        return cut_out_part(self.photo, self.regions[index].mask, others, self.params.shadow)


@dataclass(frozen=True)
class LayoutEdit:
    """The edited image, and one bool (H, W) mask per place that changed: bounds, not yet what is visible."""

    image: Image
    changed_places: tuple[Mask, ...]


def remove(scene: LayoutScene) -> LayoutEdit:
    """A missing part: its place is filled, its shadow goes."""
    others = scene.others()
    _, hole = scene.cut_out_region(scene.target, others)
    return LayoutEdit(uncover(scene.photo, hole, others, scene.rng), (_bounds(scene, hole),))


def duplicate(scene: LayoutScene) -> LayoutEdit:
    """One part too many: a copy elsewhere."""
    part, _ = scene.cut_out_region(scene.target, scene.others())
    part = transformed(part, scene.params.angle or 0.0, scene.params.scale)
    blocked = scene.others() | scene.region.mask
    image, place = _paste_part(scene, scene.photo, _relocated(scene, scene.photo, part, blocked))
    return LayoutEdit(image, (place,))


def move(scene: LayoutScene) -> LayoutEdit:
    """A displaced part: its place is filled and it lies elsewhere."""
    others = scene.others()
    part, hole = scene.cut_out_region(scene.target, others)
    part = transformed(part, scene.params.angle or 0.0, scene.params.scale)
    bare = uncover(scene.photo, hole, others, scene.rng)
    image, place = _paste_part(scene, bare, _relocated(scene, bare, part, others))
    return LayoutEdit(image, (_bounds(scene, hole), place))


def rotate(scene: LayoutScene) -> LayoutEdit:
    """A part turned about its middle."""
    params, others = scene.params, scene.others()
    part, hole = scene.cut_out_region(scene.target, others)
    if params.angle is not None and params.angle % 360 == 0 and params.scale == 1:
        raise InputError(f"layout: a turn of {params.angle:g} degrees changes nothing; give another angle")
    if params.angle is not None:
        turned = transformed(part, params.angle, params.scale)
    else:
        angles = scene.rng.uniform(20, 340, TRIES)
        options = (transformed(part, float(a), params.scale) for a in angles)
        found = next((p for p in options if params.overlap or _fits(p, others)), None)
        if found is None:
            raise NoFreePlace(
                f"layout: region {scene.region.name!r} has no room to turn; give an angle or allow overlap"
            )
        turned = found
    return _put_back(scene, turned, hole, others)


def flip(scene: LayoutScene) -> LayoutEdit:
    """A part the wrong way round."""
    axis = scene.params.axis
    if axis == "random":
        axis = "horizontal" if scene.rng.random() < 0.5 else "vertical"
    others = scene.others()
    part, hole = scene.cut_out_region(scene.target, others)
    return _put_back(scene, transformed(part, flip=axis), hole, others)


def swap(scene: LayoutScene) -> LayoutEdit:
    """Two parts in each other's place, each as it was turned."""
    return _first_that_fits(scene, _swap_with)


def replace_part(scene: LayoutScene) -> LayoutEdit:
    """The wrong part: a copy of another one in this one's place."""
    return _first_that_fits(scene, _replace_with)


def recolour(scene: LayoutScene) -> LayoutEdit:
    """A part of the wrong colour, texture and edge kept."""
    params = scene.params
    part, _ = cut_out_part(scene.photo, scene.region.mask, scene.others(), with_shadow=False)
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


def _put_back(scene: LayoutScene, part: CutPart, hole: Hole, others: Mask) -> LayoutEdit:
    """The turned part where it was. The surface about it stays, its old shadow exchanged for the new one."""
    if _looks_the_same(scene, part):
        raise NoVisibleChange(
            f"layout: region {scene.region.name!r} looks the same when turned like this; "
            "choose another region, another angle or op=flip on another axis"
        )
    bare = uncover(scene.photo, replace(hole, mask=hole.core), others, scene.rng)
    image, place = _paste_part(scene, bare, part, adapt=False)
    place |= _bounds(scene, hole)
    return LayoutEdit(image, (place,))


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
    here, hole = scene.cut_out_region(scene.target, others | scene.regions[partner].mask)
    there, other_hole = scene.cut_out_region(partner, others | scene.region.mask)
    there_new, here_new = _at(there, here.centre, scene.shape), _at(here, there.centre, scene.shape)
    for part, region in ((there_new, scene.regions[partner]), (here_new, scene.region)):
        if not scene.params.overlap and not _fits(part, others):
            raise NoFreePlace(
                f"layout: region {region.name!r} does not fit into the place of the other; "
                "choose another pair or allow overlap"
            )
    bare = uncover(scene.photo, hole, others | scene.regions[partner].mask, scene.rng)
    bare = uncover(bare, other_hole, others | scene.region.mask, scene.rng)
    image, first = _paste_part(scene, bare, there_new)
    image, second = _paste_part(scene, image, here_new)
    return LayoutEdit(image, (_bounds(scene, hole) | first, _bounds(scene, other_hole) | second))


def _replace_with(scene: LayoutScene, partner: int) -> LayoutEdit:
    others = scene.others()
    here, hole = scene.cut_out_region(scene.target, others)
    there, _ = scene.cut_out_region(partner, scene.others(partner))
    new = _at(transformed(there, scene.params.angle or 0.0, scene.params.scale), here.centre, scene.shape)
    if not scene.params.overlap and not _fits(new, others):
        raise NoFreePlace(
            f"layout: region {scene.regions[partner].name!r} does not fit into the place of {scene.region.name!r}; "
            "choose another or allow overlap"
        )
    bare = uncover(scene.photo, hole, others, scene.rng)
    image, place = _paste_part(scene, bare, new)
    return LayoutEdit(image, (_bounds(scene, hole) | place,))


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


def _bounds(scene: LayoutScene, hole: Hole) -> Mask:
    return hole.window.full_mask(hole.mask | (hole.shade < 0.999), scene.shape)


def with_target(scene: LayoutScene, target: int, rng: np.random.Generator) -> LayoutScene:
    """The same scene about another region."""
    return replace(scene, target=target, rng=rng)
