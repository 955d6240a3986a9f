"""What a part throws on its ground, read off the photo with and without it: shadow, reflection, coloured light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from core.engines.ground.aligned import Floats
from core.engines.ground.shadow import Shadow, fit_shadow
from core.images.fill.sheet import masked_mean
from core.images.poisson_equation import membrane
from core.types import Image, Mask

FAINT = 0.02
"""Share of the light below which nothing is thrown."""
LEAST, MOST = 0.1, 4.0
DARK = 2.0
BRIGHTER = 12.0
"""Levels by which a part is brighter than its ground, so that its seam can be told from its edge."""
MIXED = 1.2
"""Pixels about a part that show it and its ground."""
SOFT = 1.2
CONTACT, CONTACT_END = 0.08, 0.16
"""Sides of the part from it up to which it darkens the ground on all sides, and beyond which on none but one."""
LEAST_WAY = 0.01
"""Sides of the part that a shadow must fall off it for its side to be told."""
CAST_REACH, CAST_STEPS, CAST_SOFT = 0.4, 9, 0.05
"""Sides of the part over which its shadow may fall, in how many steps that is looked at, and how softly it ends."""


@dataclass(frozen=True)
class Thrown:
    """A part with what it throws, as the photo has it; for a place on the same kind of ground.

    ``light``: float32 (h, w, 3), what the ground is multiplied with, 1 far off; the part's window lies ``margin``
    pixels inside. ``colour``: float32 (h, w, 3) in 0..255, and ``solid``: bool (h, w), in the part's window: the
    part's own pixels. Pixels that show part and ground are in ``light``.
    """

    light: Floats
    margin: int
    colour: Floats
    solid: Mask


@dataclass(frozen=True)
class TurnedLight:
    """What turns with a part of the light about it: the dark of its holes and notches, beside the shadow's model.

    float32 (h, w, 3), 1 far off; the part's window lies ``margin`` pixels inside.
    """

    light: Floats
    margin: int


@dataclass(frozen=True)
class PartView:
    """A part's window of the photo with it and of the ``bare`` one without it, uint8 (h, w, 3) both.

    ``part`` and ``others``, pixels of other parts: bool (h, w). ``seen``: bool (h, w), inside the frame; what hangs
    over it is filled up and tells nothing. ``band``: pixels around the part that may still show its edge. The part's
    own window lies ``margin`` pixels inside.
    """

    photo: Image
    bare: Image
    part: Mask
    others: Mask
    seen: Mask
    band: float
    margin: int

    def ground(self, more_than: float) -> Mask:
        """Where the ground is seen, farther than so many pixels from the part and clear of others: bool (h, w)."""
        clear = _away(self.others) > self.band + 1
        return np.asarray((_away(self.part) > more_than) & clear & self.seen, np.bool_)


def model_of(view: PartView) -> tuple[Shadow, TurnedLight]:
    """The shadow as a model, for a part that turns, and what the model leaves over."""
    part, away = view.part, _away(view.part)
    size = float(np.sqrt(max(1, int(np.count_nonzero(part)))))
    grey, ground = (
        cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) for picture in (view.photo, view.bare)
    )
    # What is dark against a bright part is its seam; against a dark one it may be the part's own edge.
    bright = bool(part.any()) and float(grey[part].mean()) > float(ground[part].mean()) + BRIGHTER
    free = view.ground(view.band)
    if bright:
        free |= view.ground(MIXED) & (grey < ground)
    shadow = fit_shadow(grey, part, free, size, cv2.GaussianBlur(ground, (0, 0), SOFT))
    model = shadow.cast(part.astype(np.float32))[..., None]
    told = free & (away < view.margin - 1)
    if not told.any():
        return shadow, TurnedLight(np.ones((*part.shape, 3), np.float32), view.margin)
    below = masked_mean(view.bare.astype(np.float32), free | (part & view.seen), SOFT) * model
    rest = np.clip((masked_mean(view.photo.astype(np.float32), free, SOFT) + DARK) / (below + DARK), LEAST, 1 / LEAST)
    rest = membrane(np.where(told[..., None], rest, 1).astype(np.float32), told)
    fade = np.clip((view.margin - away) / max(1.0, 0.5 * view.margin), 0, 1)[..., None]
    return shadow, TurnedLight(np.asarray(1 + fade * (rest - 1), np.float32), view.margin)


def thrown_by(view: PartView, shadow: Shadow) -> Thrown:
    """The part with what it throws. Where the ground is not seen, outside the frame or below other parts, ``shadow``,
    its model, says what."""
    part, margin, away = view.part, view.margin, _away(view.part)
    free = view.ground(0)
    here, below = view.photo.astype(np.float32), masked_mean(view.bare.astype(np.float32), free | part, 0.8)
    sharp = np.clip((here + DARK) / (below + DARK), LEAST, MOST)
    # Farther off a shadow is smooth, and what is not is grain.
    smooth = masked_mean(np.where(free[..., None], sharp, 1).astype(np.float32), free, SOFT)
    near = np.clip((view.band + 2 - away) / 2, 0, 1)[..., None]
    model = shadow.cast(part.astype(np.float32))[..., None]
    ratio = np.where(free[..., None], near * sharp + (1 - near) * smooth, model)
    edge = np.clip((margin - away) / max(1.0, 0.3 * margin), 0, 1) * _may_be_thrown(part, away, shadow)
    light = np.asarray(1 + edge[..., None] * (ratio - 1), np.float32)
    light[~_touching(np.abs(light - 1).max(axis=2) >= FAINT, part)] = 1
    light[part] = 1
    inner = (slice(margin, part.shape[0] - margin), slice(margin, part.shape[1] - margin))
    return Thrown(light, margin, np.ascontiguousarray(here[inner]), np.ascontiguousarray(part[inner]))


def _may_be_thrown(part: Mask, away: Floats, shadow: Shadow) -> Floats:
    """How much of a difference may come from the part, float32 (h, w) in 0..1: all close to it and on the side to
    which its shadow falls; nothing farther off on the lit side, where the ground was read wrongly.
    """
    size = float(np.sqrt(max(1, int(np.count_nonzero(part)))))
    contact = np.clip((CONTACT_END * size - away) / ((CONTACT_END - CONTACT) * size), 0, 1)
    down, across = shadow.way
    length = float(np.hypot(down, across))
    if length < LEAST_WAY * size:
        return np.ones(part.shape, np.float32)
    swept = part.astype(np.float32)
    for step in np.linspace(0, CAST_REACH * size, CAST_STEPS)[1:]:
        move = np.array([[1, 0, step * across / length], [0, 1, step * down / length]])
        swept = np.maximum(swept, cv2.warpAffine(part.astype(np.float32), move, part.shape[::-1]))
    soft = cv2.GaussianBlur(swept, (0, 0), CAST_SOFT * size)
    return np.asarray(np.maximum(contact, np.clip(2 * soft, 0, 1)), np.float32)


def _touching(shaded: Mask, part: Mask) -> Mask:
    """What of the shaded places hangs together with the part."""
    _, labels = cv2.connectedComponents((shaded | part).astype(np.uint8))
    met = np.unique(labels[part])
    return np.asarray(np.isin(labels, met[met > 0]), np.bool_)


def _away(mask: Mask) -> Floats:
    if not mask.any():
        return np.full(mask.shape, 1e4, np.float32)
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
