"""Take a part away: its shadow is divided out and the surface goes on where it lay."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.layout.cutout import Hole
from core.engines.layout.work_area import WorkArea, blur, count, distance_to, sampled_pixels, work_area_of
from core.images import fill_hole
from core.images.geometry import dilated
from core.types import Image, Mask

AVOID_MARGIN = 5
"""Pixels around other parts that no hole is filled from."""
SIDE_WALL = 2
"""Pixels around a part that may still be its own side rather than the surface in its shadow."""
WALL_SIDE = 200
"""The picture in which walls are looked for has about this many pixels a side."""
GRAIN_AREA = 20
LEAST_SOURCE = 0.2
"""Share of the window that must be left to fill from."""


def uncover(photo: Image, hole: Hole, avoid: Mask, rng: np.random.Generator) -> Image:
    """``photo`` with the hole's shadow divided out and its mask filled; ``avoid`` (H, W) is not copied from."""
    photo = _relit(photo, hole)
    lost = hole.window.full_mask(hole.mask, avoid.shape)
    if not lost.any():
        return photo
    near, unusable = _surroundings(lost, avoid)
    view = near.slices
    core = hole.window.full_mask(hole.core, avoid.shape)[view]
    kept, strange = _walls(photo[view], lost[view], unusable, core)
    inside = lost[view] & ~kept
    if count(~(inside | unusable | strange)) > LEAST_SOURCE / 2 * inside.size:
        unusable = unusable | strange
    photo[view] = fill_hole(photo[view], inside, rng, unusable & ~inside)
    return photo


def _relit(photo: Image, hole: Hole) -> Image:
    """A copy of ``photo`` with the shadow divided out."""
    photo = photo.copy()
    shaded = (hole.shade < 0.999) & ~hole.core
    if not shaded.any():
        return photo
    lit = cv2.merge([1 / np.maximum(hole.shade, 0.1)] * 3)
    even = cv2.multiply(np.ascontiguousarray(photo[hole.window.slices]), lit, dtype=cv2.CV_8U)
    photo[hole.window.slices] = np.where(shaded[..., None], even, photo[hole.window.slices])
    return photo


def _surroundings(lost: Mask, avoid: Mask) -> tuple[WorkArea, Mask]:
    """The smallest window around the hole with enough bare surface in it, and what is not bare there."""
    tight = work_area_of(lost)
    margin = max(32, round(0.75 * max(tight.shape)))
    while True:
        near = tight.grown(margin).clipped(lost.shape)
        # Other parts get a margin for their edges and shadows.
        unusable = dilated(avoid[near.slices], AVOID_MARGIN) & ~lost[near.slices]
        enough = count(~(unusable | lost[near.slices])) > LEAST_SOURCE * unusable.size
        if enough or near.shape == lost.shape:
            return near, unusable if enough else avoid[near.slices] & ~lost[near.slices]
        margin *= 2


def _walls(pixels: Image, hole: Mask, unusable: Mask, part: Mask) -> tuple[Mask, Mask]:
    """What in the hole need not be filled, and what about it must not be copied; at about WALL_SIDE pixels a side."""
    shape = hole.shape
    scale = max(1, round(max(shape) / WALL_SIDE))
    if scale > 1:
        size = (-(-shape[1] // scale), -(-shape[0] // scale))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        hole, unusable, part = (_shrunk(mask, size) for mask in (hole, unusable, part))
    strange = _unlike_surface(pixels, hole, unusable)
    kept = _only_shaded(strange, hole, dilated(part, -(-SIDE_WALL // scale)))
    strange = _passing_by(strange, hole & ~kept)
    if scale == 1:
        return kept, strange
    full = [cv2.resize(mask.view(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST) for mask in (kept, strange)]
    return full[0].view(np.bool_), full[1].view(np.bool_)


def _shrunk(mask: Mask, size: tuple[int, int]) -> Mask:
    small = cv2.resize(mask.view(np.uint8) * np.float32(1), size, interpolation=cv2.INTER_AREA)
    return np.asarray(small > 0, np.bool_)


def _unlike_surface(pixels: Image, hole: Mask, unusable: Mask) -> Mask:
    """Walls, lines and things that are not the surface around the hole; in the hole too, shadow divided out."""
    away = distance_to(hole)
    ring = (away > 0) & (away <= max(5.0, 0.12 * float(np.sqrt(count(hole))))) & ~unusable
    if count(ring) < 40:
        return np.zeros_like(hole)
    smooth = blur(pixels.astype(np.float32), 1.0)
    home = np.median(sampled_pixels(smooth, ring, 2000), axis=0)
    off = np.maximum.reduce([np.abs(channel - level) for channel, level in zip(cv2.split(smooth), home, strict=True)])
    return np.asarray(off > max(12.0, 3.5 * 1.4826 * float(np.median(sampled_pixels(off, ring, 2000)))), np.bool_)


def _only_shaded(strange: Mask, hole: Mask, part: Mask) -> Mask:
    """Pixels of the hole that show a wall or line under the shadow's edge: dividing the shadow out is enough.

    They belong to something that lies mostly outside the hole; a remnant of the shadow itself does not.
    """
    number, labels = cv2.connectedComponents((strange & ~part).astype(np.uint8))
    inside = np.bincount(labels[hole], minlength=number)
    outside = np.bincount(labels[~hole], minlength=inside.size)
    walls = (inside > 0) & (outside > 3 * inside)
    walls[0] = False
    return np.asarray(walls[labels] & hole, np.bool_)


def _passing_by(strange: Mask, hole: Mask) -> Mask:
    """What must not be copied into the hole, with a margin. What crosses the hole may be, for it goes on there."""
    away = distance_to(hole)
    _, labels, stats, _ = cv2.connectedComponentsWithStats((strange & (away > 0)).astype(np.uint8))
    # A spot that small is grain.
    things = stats[:, cv2.CC_STAT_AREA] > GRAIN_AREA
    things[0] = False
    strange = np.asarray(things[labels], np.bool_)
    touching = strange & (away <= 3)
    for label in np.unique(labels[touching]):
        if _goes_through(np.argwhere(touching & (labels == label)), hole):
            strange[labels == label] = False
    return dilated(strange, 2)


def _goes_through(contacts: npt.NDArray[np.intp], hole: Mask) -> bool:
    """Does the line between the two ends of what touches the hole run inside the hole? contacts: (N, 2) y, x."""
    one = contacts[np.argmax(((contacts - contacts.mean(0)) ** 2).sum(1))]
    other = contacts[np.argmax(((contacts - one) ** 2).sum(1))]
    if ((one - other) ** 2).sum() < 0.1 * hole.sum():
        return False
    points = np.rint(np.linspace(one, other, 64)).astype(int)
    return bool(hole[points[:, 0], points[:, 1]].mean() > 0.5)
