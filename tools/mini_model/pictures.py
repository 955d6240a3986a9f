"""Crops to learn an autoencoder from: rendered scenes, photos that Python packages carry, and drawn textures."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from core.demo import scenes
from tools.mini_model.surfaces import surface

Image = NDArray[np.uint8]
Rng = np.random.Generator

PHOTOS = (
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "moon",
    "motorcycle_left",
    "rocket",
)
"""Of scikit-image's own folder; scikit-learn adds china and flower."""


@lru_cache(maxsize=1)
def photos() -> tuple[Image, ...]:
    """The photos that installed packages carry, RGB uint8; nothing is fetched."""
    import skimage
    import sklearn

    own = Path(skimage.__file__).parent / "data"
    others = Path(sklearn.__file__).parent / "datasets" / "images"
    files = [next(own.glob(f"{name}.*")) for name in PHOTOS] + [others / "china.jpg", others / "flower.jpg"]
    return tuple(np.ascontiguousarray(cv2.imread(str(f), cv2.IMREAD_COLOR)[..., ::-1]) for f in files)


def scene_crops(rng: Rng, side: int, count: int) -> list[Image]:
    """``count`` crops of one scene with parts left out, recoloured or flawed."""
    product = scenes.PRODUCTS[int(rng.integers(len(scenes.PRODUCTS)))]
    picture = scenes.make(scenes.varied(product, int(rng.integers(2_000_000_000))), 256).image
    return [_crop(picture, side, rng) for _ in range(count)]


def photo_crops(rng: Rng, side: int, count: int) -> list[Image]:
    """Crops of one photo, each at a random scale, exposure and grey or not."""
    photo = photos()[int(rng.integers(len(photos())))]
    return [_exposed(_zoomed(photo, side, rng), rng) for _ in range(count)]


def surface_crops(rng: Rng, side: int, count: int) -> list[Image]:
    """Crops of one drawn surface, some with a flaw."""
    picture = surface(rng, 256).image
    return [_crop(picture, side, rng) for _ in range(count)]


MIX: tuple[tuple[float, Callable[[Rng, int, int], list[Image]]], ...] = (
    (0.75, scene_crops),
    (0.1, photo_crops),
    (0.15, surface_crops),
)
"""Share of each source."""


def batch(rng: Rng, side: int, count: int, each: int = 4) -> NDArray[np.float32]:
    """``count`` crops float32 (count, 3, side, side) in -1..1, ``each`` of one source picture."""
    crops: list[Image] = []
    while len(crops) < count:
        make = MIX[int(rng.choice(len(MIX), p=[share for share, _ in MIX]))][1]
        crops += make(rng, side, min(each, count - len(crops)))
    stack = np.stack([np.rot90(c, int(rng.integers(4))) for c in crops])
    return np.ascontiguousarray(stack.transpose(0, 3, 1, 2), np.float32) / 127.5 - 1


def _crop(picture: Image, side: int, rng: Rng) -> Image:
    y, x = (int(rng.integers(n - side + 1)) for n in picture.shape[:2])
    return picture[y : y + side, x : x + side]


def _zoomed(photo: Image, side: int, rng: Rng) -> Image:
    least = side / min(photo.shape[:2])
    scale = float(np.exp(rng.uniform(np.log(max(least, 0.35)), np.log(max(least, 1.0) + 1e-3))))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=how)
    return _crop(cv2.copyMakeBorder(small, 0, 1, 0, 1, cv2.BORDER_REPLICATE), side, rng)


def _exposed(picture: Image, rng: Rng) -> Image:
    levels = picture.astype(np.float32)
    if rng.random() < 0.4:
        levels = np.repeat(levels.mean(axis=2, keepdims=True), 3, axis=2)
    levels = levels * rng.uniform(0.6, 1.25) * (1 + 0.1 * rng.normal(size=3)) + rng.uniform(-20, 20)
    return np.clip(levels, 0, 255).astype(np.uint8)
