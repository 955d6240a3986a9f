"""Take a part away: its shadow is divided out and the surface goes on where it lay."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.layout.cut import Hole
from core.engines.layout.window import Window, blur, distance_to, window_of
from core.images import fill_hole
from core.types import Image, Mask

AVOID_MARGIN = 5
"""Pixels around other parts that no hole is filled from."""
SIDE_WALL = 2
"""Pixels around a part that may still be its own side rather than the surface in its shadow."""
LEAST_SOURCE = 0.2
"""Share of the window that must be left to fill from."""


def uncover(photo: Image, hole: Hole, avoid: Mask, rng: np.random.Generator) -> Image:
    """``photo`` with the hole's shadow divided out and its mask filled; ``avoid`` (H, W) is not copied from."""
    core = hole.window.frame(hole.core, avoid.shape)
    photo = _relit(photo, hole)
    lost = hole.window.frame(hole.mask, avoid.shape)
    if not lost.any():
        return photo
    near, unusable = _surroundings(lost, avoid)
    view = near.slices
    inside = lost[view]
    strange = _unlike_surface(photo[view], inside, unusable)
    inside = inside & ~_only_shaded(strange, inside, distance_to(core[view]) <= SIDE_WALL)
    strange = _passing_by(strange, inside)
    if (~(inside | unusable | strange)).mean() > LEAST_SOURCE / 2:
        unusable = unusable | strange
    photo[view] = fill_hole(photo[view], inside, rng, unusable & ~inside)
    return photo


def _relit(photo: Image, hole: Hole) -> Image:
    """A copy of ``photo`` with the shadow divided out."""
    photo = photo.copy()
    view = hole.window.slices
    shaded = (hole.shade < 0.999) & ~hole.core
    even = np.clip(np.rint(photo[view] / np.maximum(hole.shade, 0.1)[..., None]), 0, 255).astype(np.uint8)
    photo[view] = np.where(shaded[..., None], even, photo[view])
    return photo


def _surroundings(lost: Mask, avoid: Mask) -> tuple[Window, Mask]:
    """The smallest window around the hole with enough bare surface in it, and what is not bare there."""
    tight = window_of(lost)
    margin = max(32, round(0.75 * max(tight.shape)))
    while True:
        near = tight.grown(margin).clipped(lost.shape)
        # Other parts get a margin for their edges and shadows.
        unusable = (distance_to(avoid[near.slices]) <= AVOID_MARGIN) & ~lost[near.slices]
        enough = (~(unusable | lost[near.slices])).mean() > LEAST_SOURCE
        if enough or near.shape == lost.shape:
            return near, unusable if enough else avoid[near.slices] & ~lost[near.slices]
        margin *= 2


def _unlike_surface(pixels: Image, hole: Mask, unusable: Mask) -> Mask:
    """Walls, lines and things that are not the surface around the hole; in the hole too, shadow divided out."""
    away = distance_to(hole)
    ring = (away > 0) & (away <= max(5.0, 0.12 * float(np.sqrt(hole.sum())))) & ~unusable
    if ring.sum() < 40:
        return np.zeros_like(hole)
    smooth = blur(pixels.astype(np.float32), 1.0)
    home = np.median(smooth[ring], axis=0)
    off = np.abs(smooth - home).max(axis=2)
    return np.asarray(off > max(12.0, 3.5 * 1.4826 * float(np.median(off[ring]))), np.bool_)


def _only_shaded(strange: Mask, hole: Mask, part: Mask) -> Mask:
    """Pixels of the hole that show a wall or line under the shadow's edge: dividing the shadow out is enough.

    They belong to something that lies mostly outside the hole; a remnant of the shadow itself does not.
    """
    _, labels = cv2.connectedComponents((strange & ~part).astype(np.uint8))
    inside = np.bincount(labels[hole], minlength=int(labels.max()) + 1)
    outside = np.bincount(labels[~hole], minlength=inside.size)
    walls = (inside > 0) & (outside > 3 * inside)
    walls[0] = False
    return np.asarray(walls[labels] & hole, np.bool_)


def _passing_by(strange: Mask, hole: Mask) -> Mask:
    """What must not be copied into the hole, with a margin. What crosses the hole may be, for it goes on there."""
    away = distance_to(hole)
    strange = strange & (away > 0)
    _, labels = cv2.connectedComponents(strange.astype(np.uint8))
    touching = strange & (away <= 3)
    for label in np.unique(labels[touching]):
        if _goes_through(np.argwhere(touching & (labels == label)), hole):
            strange[labels == label] = False
    return distance_to(strange) <= 2


def _goes_through(contacts: npt.NDArray[np.intp], hole: Mask) -> bool:
    """Does the line between the two ends of what touches the hole run inside the hole? contacts: (N, 2) y, x."""
    one = contacts[np.argmax(((contacts - contacts.mean(0)) ** 2).sum(1))]
    other = contacts[np.argmax(((contacts - one) ** 2).sum(1))]
    if ((one - other) ** 2).sum() < 0.1 * hole.sum():
        return False
    points = np.rint(np.linspace(one, other, 64)).astype(int)
    return bool(hole[points[:, 0], points[:, 1]].mean() > 0.5)
