"""What the pictures to learn from are made of: photos, surfaces, plain colour; and what of them may be a target."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.mini_model.pictures import PHOTOS, photos
from tools.mini_model.surfaces import surface

Rng = np.random.Generator
Mask = NDArray[np.bool_]
Field = NDArray[np.float32]
SIDE = 256
LEAST = 14
"""Pixels that a target has at least."""


@dataclass(frozen=True)
class LabelledPicture:
    """``image`` uint8 (S, S, 3) RGB and the masks, bool (S, S), of what may be meant by a click on it."""

    image: NDArray[np.uint8]
    targets: tuple[Mask, ...]


def photo_crop(rng: Rng, side: int) -> NDArray[np.uint8]:
    """A square piece of a photo, at a random scale."""
    chosen = photos_to_learn_from()
    photo = chosen[int(rng.integers(len(chosen)))]
    wide = int(rng.uniform(min(side // 2, min(photo.shape[:2])), min(photo.shape[:2])))
    y, x = (int(rng.integers(n - wide + 1)) for n in photo.shape[:2])
    return np.asarray(
        cv2.resize(photo[y : y + wide, x : x + wide], (side, side), interpolation=cv2.INTER_AREA), np.uint8
    )


def photos_to_learn_from() -> list[NDArray[np.uint8]]:
    """All but the coins, whose outlines the benchmark asks for."""
    return [photo for k, photo in enumerate(photos()) if k != PHOTOS.index("coins")]


def stuff(rng: Rng, side: int) -> NDArray[np.uint8]:
    """Something to fill an outline or the whole picture with."""
    kind = rng.random()
    if kind < 0.3:
        picture = photo_crop(rng, side)
    elif kind < 0.6:
        picture = surface(rng, side, 0.0).image
    else:
        ramp = np.linspace(-0.5, 0.5, side, dtype=np.float32)
        slope = rng.normal(0, 50) * ramp[None] + rng.normal(0, 50) * ramp[:, None]
        spread = 4.0 if rng.random() < 0.5 else 50.0
        colour = rng.uniform(10, 245) + rng.normal(0, spread, 3)
        noise = rng.normal(0, rng.uniform(0, 9), (side, side, 1))
        return np.clip(colour + slope[..., None] + noise, 0, 255).astype(np.uint8)
    return np.clip(picture * rng.uniform(0.5, 1.4) + rng.uniform(-30, 30), 0, 255).astype(np.uint8)


def bores(mask: Mask) -> list[Mask]:
    """What a part encloses, if it is of some size."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    frame = set(np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])).tolist())
    least = max(30, 0.03 * np.count_nonzero(mask))
    return [labels == k for k in range(1, count) if k not in frame and stats[k, cv2.CC_STAT_AREA] > least]


def large(masks: list[Mask]) -> tuple[Mask, ...]:
    return tuple(m for m in masks if LEAST <= np.count_nonzero(m) < 0.85 * m.size)


def closed(mask: Mask) -> Mask:
    """As a person outlines it: gaps of a pixel do not count."""
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0


def exposed(picture: NDArray[np.uint8], rng: Rng) -> NDArray[np.uint8]:
    levels = picture.astype(np.float32)
    if rng.random() < 0.35:
        levels = np.repeat(levels.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < 0.06:
        levels = 255 - levels
    gain = rng.uniform(0.55, 1.3) * (1 + 0.08 * rng.normal(size=3) * (rng.random() < 0.5))
    middle = levels.mean()
    levels = middle * gain.mean() + (levels - middle) * gain + rng.uniform(-25, 25)
    if rng.random() < 0.2:
        levels = cv2.GaussianBlur(levels, (0, 0), rng.uniform(0.4, 1.3))
    if rng.random() < 0.4:
        levels = levels + rng.normal(0, rng.uniform(1, 7), (*levels.shape[:2], 1)).astype(np.float32)
    return np.clip(levels, 0, 255).astype(np.uint8)
