"""Where a part that is moved or comes anew is put: the place asked for, or a free one, turned where it must be."""

from __future__ import annotations

import cv2
import numpy as np

from core.engines.ground.other_photos import parts_of_regions, taken_elsewhere
from core.engines.layout.cutout import CutPart
from core.engines.layout.free_place import NoFreePlace, OpenGround, free_shift
from core.engines.layout.paste_part import centred_at
from core.engines.layout.relight import turned_in_light
from core.engines.layout.scene import LayoutScene
from core.engines.layout.work_area import distance_to, work_area_of
from core.errors import InputError
from core.types import Image, Mask

LONG = 1.25
"""Length over width from which a turn is worth trying."""
TURNS = (12.0, -12.0, 25.0, -25.0, 45.0, -45.0, 90.0)
"""Degrees by which a part that comes is turned, one after the other, where it finds no place as it lay."""


def at_free_place(scene: LayoutScene, surface: Image, part: CutPart, blocked: Mask) -> CutPart:
    """The part at the place asked for or at a free one; where none is free, turned, unless an angle was given."""
    angle, failure = scene.params.angle, None
    turns = (0.0, *TURNS) if _long(part) else (0.0,)
    for turn in turns if angle is None else (angle,):
        try:
            return _relocated(scene, surface, turned_in_light(part, turn, scene.params.scale), blocked)
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
    here = parts_of_regions(scene.regions)
    taken = taken_elsewhere(scene.goods, scene.shape)
    ground = OpenGround(surface, blocked, taken if here is None else taken | here, scene.goods)
    dy, dx = free_shift(ground, part, scene.rng, 0.4 * part.size, scene.region.name)
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


def placed_at(part: CutPart, centre: tuple[float, float], shape: tuple[int, int]) -> CutPart:
    """The part at ``centre``, pushed back into the frame where it would hang over and fits."""
    part = centred_at(part, centre)
    rows, cols = (np.flatnonzero(part.footprint.any(axis)) for axis in (1, 0))
    top, bottom = part.window.y0 + rows[0], part.window.y0 + rows[-1] + 1
    left, right = part.window.x0 + cols[0], part.window.x0 + cols[-1] + 1
    dy = max(-top, 0) or min(shape[0] - bottom, 0)
    dx = max(-left, 0) or min(shape[1] - right, 0)
    return centred_at(part, (part.centre[0] + dy, part.centre[1] + dx))


def fits(part: CutPart, others: Mask) -> bool:
    """Is the part within the frame and clear of ``others``?"""
    foot = part.alpha > 0.5
    seen = part.window.clipped(others.shape)
    inner = foot[seen.slices_in(part.window)]
    return bool(inner.sum() >= foot.sum() and not (inner & others[seen.slices]).any())
