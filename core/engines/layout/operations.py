"""The edits themselves: each takes a scene and returns the new image and the places that changed."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from core.engines.finalize import NoVisibleChange
from core.engines.ground.reveal import BaredPhoto
from core.engines.layout.cutout import CutPart, cut_out_part
from core.engines.layout.exchange import replace_part, swap
from core.engines.layout.free_place import NoFreePlace
from core.engines.layout.part_place import at_free_place, fits
from core.engines.layout.paste_part import as_before, paste_part, transformed
from core.engines.layout.recolour import random_shift, recoloured
from core.engines.layout.relight import relit, turned_in_light
from core.engines.layout.scene import LayoutEdit, LayoutScene
from core.engines.layout.work_area import count, work_area_of
from core.errors import InputError

TRIES = 8
"""Random angles tried before a place is called too tight."""


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
    image, place = scene.paste(scene.photo, at_free_place(scene, scene.photo, part, blocked))
    return LayoutEdit(image, (place,))


def move(scene: LayoutScene) -> LayoutEdit:
    """A displaced part: its place is filled and it lies elsewhere."""
    others = scene.others()
    bared = scene.bare(scene.target, others)
    part = scene.with_thrown(scene.cut_out_region(scene.target, others), scene.target, others, bared.image)
    image, place = scene.paste(bared.image, at_free_place(scene, bared.image, part, others))
    return LayoutEdit(image, (bared.place, place))


def rotate(scene: LayoutScene) -> LayoutEdit:
    """A part turned about its middle."""
    params, others = scene.params, scene.others()
    if params.angle is not None and params.angle % 360 == 0 and params.scale == 1:
        raise InputError(f"layout: a turn of {params.angle:g} degrees changes nothing; give another angle")
    bared = scene.bare(scene.target, others)
    part = scene.with_thrown(scene.cut_out_region(scene.target, others), scene.target, others, bared.image)
    if params.angle is not None:
        turned = turned_in_light(part, params.angle, params.scale)
    else:
        angles = scene.rng.uniform(20, 340, TRIES)
        options = (turned_in_light(part, float(a), params.scale) for a in angles)
        found = next((p for p in options if params.overlap or fits(p, others)), None)
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
    return _put_back(scene, part, relit(part, transformed(part, flip=axis)), bared)


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


def _put_back(scene: LayoutScene, before: CutPart, part: CutPart, bared: BaredPhoto) -> LayoutEdit:
    """The turned part where it was, its old shadow exchanged for the new one."""
    if _looks_the_same(scene, part):
        raise NoVisibleChange(
            f"layout: region {scene.region.name!r} looks the same when turned like this; "
            "choose another region, another angle or op=flip on another axis"
        )
    image, place = scene.paste(bared.image, part, adapt=False)
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
