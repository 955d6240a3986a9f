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
LEAST_SOURCE = 0.2
"""Share of the window that must be left to fill from."""


def uncover(photo: Image, hole: Hole, avoid: Mask, rng: np.random.Generator) -> Image:
    """``photo`` with the hole's shadow divided out and its mask filled; ``avoid`` (H, W) is not copied from."""
    view = hole.window.slices
    photo = photo.copy()
    tail = (hole.shade < 0.999) & ~hole.mask
    even = np.clip(np.rint(photo[view] / hole.shade[..., None]), 0, 255).astype(np.uint8)
    photo[view] = np.where(tail[..., None], even, photo[view])
    if not hole.mask.any():
        return photo
    lost = hole.window.frame(hole.mask, avoid.shape)
    near, unusable = _surroundings(lost, hole, avoid)
    inside = lost[near.slices]
    strange = _unlike_surface(photo[near.slices], inside, unusable)
    if (~(inside | unusable | strange)).mean() > LEAST_SOURCE / 2:
        unusable = unusable | strange
    photo[near.slices] = fill_hole(photo[near.slices], inside, rng, unusable & ~inside)
    return photo


def _surroundings(lost: Mask, hole: Hole, avoid: Mask) -> tuple[Window, Mask]:
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
    """Walls, lines and things that are not the surface around the hole, and so must not be copied into it.

    What crosses the hole is not among them, for it goes on in there; what only passes by is.
    """
    away = distance_to(hole)
    ring = (away > 0) & (away <= max(5.0, 0.12 * float(np.sqrt(hole.sum())))) & ~unusable
    if ring.sum() < 40:
        return np.zeros_like(hole)
    smooth = blur(pixels.astype(np.float32), 1.0)
    home = np.median(smooth[ring], axis=0)
    off = np.abs(smooth - home).max(axis=2)
    strange = off > max(12.0, 3.5 * 1.4826 * float(np.median(off[ring])))
    strange &= away > 0
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
    if ((one - other) ** 2).sum() < 0.02 * hole.sum():
        return False
    points = np.rint(np.linspace(one, other, 64)).astype(int)
    return bool(hole[points[:, 0], points[:, 1]].mean() > 0.5)
