"""A drawn product with three parts, each a few pixels off: a disc at the left, an upright bar, a ring at the right."""

from __future__ import annotations

import cv2
import numpy as np

from core.types import Image, Mask

SHAPE = (160, 240)
COLOURS = {"disc": (200, 60, 50), "bar": (60, 90, 190), "ring": (70, 150, 80)}


def drawn_photo(seed: int, without: str = "") -> tuple[Image, dict[str, Mask]]:
    """uint8 (160, 240, 3) and the masks of its parts, drawn or not."""
    rng = np.random.default_rng(seed)
    image = np.full((*SHAPE, 3), 120, np.uint8)
    masks = {name: np.zeros(SHAPE, np.uint8) for name in COLOURS}
    dx, dy = (int(rng.integers(-4, 5)) for _ in "xy")
    cv2.circle(masks["disc"], (48 + dx, 80 + dy), 22, 1, -1)
    cv2.rectangle(masks["bar"], (112 + dy, 45 + dx), (130 + dy, 115 + dx), 1, -1)
    cv2.circle(masks["ring"], (195 - dx, 80 - dy), 22, 1, 9)
    for name, mask in masks.items():
        if name != without:
            image[mask > 0] = COLOURS[name]
    image = np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
    return image, {name: mask > 0 for name, mask in masks.items()}
