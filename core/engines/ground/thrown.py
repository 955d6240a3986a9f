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


def model_of(
    photo: Image, bare: Image, part: Mask, others: Mask, band: float, margin: int
) -> tuple[Shadow, TurnedLight]:
    """The shadow as a model, for a part that turns, and what the model leaves over; as ``thrown_by``."""
    away = _away(part)
    size = float(np.sqrt(max(1, int(np.count_nonzero(part)))))
    grey, ground = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) for picture in (photo, bare))
    # What is dark against a bright part is its seam; against a dark one it may be the part's own edge.
    bright = bool(part.any()) and float(grey[part].mean()) > float(ground[part].mean()) + BRIGHTER
    free = (away > band) & (_away(others) > band + 1)
    if bright:
        free |= (away > MIXED) & (grey < ground) & (_away(others) > band + 1)
    shadow = fit_shadow(grey, part, free, size, cv2.GaussianBlur(ground, (0, 0), SOFT))
    model = shadow.cast(part.astype(np.float32))[..., None]
    told = free & (away < margin - 1)
    if not told.any():
        return shadow, TurnedLight(np.ones((*part.shape, 3), np.float32), margin)
    below = masked_mean(bare.astype(np.float32), free | part, SOFT) * model
    rest = np.clip((masked_mean(photo.astype(np.float32), free, SOFT) + DARK) / (below + DARK), LEAST, 1 / LEAST)
    rest = membrane(np.where(told[..., None], rest, 1).astype(np.float32), told)
    fade = np.clip((margin - away) / max(1.0, 0.5 * margin), 0, 1)[..., None]
    return shadow, TurnedLight(np.asarray(1 + fade * (rest - 1), np.float32), margin)


def thrown_by(photo: Image, bare: Image, part: Mask, others: Mask, band: float, margin: int) -> Thrown:
    """``part`` with what it throws, from its window of the photo with it and of the ``bare`` one without it.

    Images are uint8 (h, w, 3), masks bool (h, w), all with ``margin`` pixels around the part's own window.
    """
    away = _away(part)
    free = (away > 0) & (_away(others) > band + 1)
    here, below = photo.astype(np.float32), masked_mean(bare.astype(np.float32), free | part, 0.8)
    sharp = np.clip((here + DARK) / (below + DARK), LEAST, MOST)
    # Farther off a shadow is smooth, and what is not is grain.
    smooth = masked_mean(np.where(free[..., None], sharp, 1).astype(np.float32), free, SOFT)
    near = np.clip((band + 2 - away) / 2, 0, 1)[..., None]
    ratio = np.where(free[..., None], near * sharp + (1 - near) * smooth, 1)
    edge = np.clip((margin - away) / max(1.0, 0.3 * margin), 0, 1)[..., None]
    light = np.asarray(1 + edge * (ratio - 1), np.float32)
    light[~_touching(np.abs(light - 1).max(axis=2) >= FAINT, part)] = 1
    light[part] = 1
    inner = (slice(margin, part.shape[0] - margin), slice(margin, part.shape[1] - margin))
    return Thrown(light, margin, np.ascontiguousarray(here[inner]), np.ascontiguousarray(part[inner]))


def _touching(shaded: Mask, part: Mask) -> Mask:
    """What of the shaded places hangs together with the part."""
    _, labels = cv2.connectedComponents((shaded | part).astype(np.uint8))
    met = np.unique(labels[part])
    return np.asarray(np.isin(labels, met[met > 0]), np.bool_)


def _away(mask: Mask) -> Floats:
    if not mask.any():
        return np.full(mask.shape, 1e4, np.float32)
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
