"""What a part throws on its ground, read off the photo with and without it: shadow, reflection, coloured light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from core.engines.ground.aligned import Floats
from core.images.fill.sheet import masked_mean
from core.types import Image, Mask

FAINT = 0.02
"""Share of the light below which nothing is thrown."""
LEAST, MOST = 0.1, 4.0
DARK = 2.0
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
