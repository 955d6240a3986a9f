"""Drawn surfaces of many kinds with named flaws: what the demo products alone would not teach."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.demo import flaws
from core.demo.products import flaw as random_flaw

Field = NDArray[np.float32]
Rng = np.random.Generator


@dataclass(frozen=True)
class DrawnSurface:
    """A picture uint8 (S, S, 3), its caption, and where each named flaw is: bool (S, S)."""

    image: NDArray[np.uint8]
    caption: str
    flaws: dict[str, NDArray[np.bool_]]


def surface(rng: Rng, side: int, flawed: float = 0.6) -> DrawnSurface:
    """One surface; with the chance ``flawed`` it has a scratch, dent, crack or stain."""
    word, height = _KINDS[int(rng.integers(len(_KINDS)))](rng, side)
    colour = np.clip(
        rng.uniform(0.25, 0.75) * (1 + rng.normal(0, 0.12 if rng.random() < 0.5 else 0.01, 3)), 0.05, 0.95
    )
    deep = rng.uniform(0.04, 0.16)
    picture = np.clip(colour * (1 + deep * height[..., None]) + _light(rng, side)[..., None], 0, 1).astype(np.float32)
    caption, found = f"a {word} surface", {}
    if rng.random() < flawed:
        name = str(rng.choice(flaws.FLAWS))
        drawn = random_flaw(name, rng, (0.2, 0.8), (0.2, 0.8))
        after = flaws.apply(picture, drawn, np.array([[side, 0, 0], [0, side, 0]], float))
        found = {name: np.abs(after - picture).max(axis=2) > 6 / 255}
        picture, caption = after, f"{caption} with a {name}"
    noise = rng.normal(0, rng.uniform(0.5, 2.0), picture.shape)
    return DrawnSurface(np.clip(picture * 255 + noise, 0, 255).astype(np.uint8), caption, found)


def _smooth(rng: Rng, side: int, cells: float, stretch: float = 1.0) -> Field:
    """Noise of about ``cells`` cells a side, ``stretch`` times longer along x; mean 0, deviation 1."""
    shape = (max(2, round(cells)), max(2, round(cells / stretch)))
    field = cv2.resize(rng.normal(size=shape).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray((field - field.mean()) / (field.std() + 1e-6), np.float32)


def _turned(field: Field, angle: float) -> Field:
    side = field.shape[0]
    move = cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1.0)
    return np.asarray(cv2.warpAffine(field, move, (side, side), borderMode=cv2.BORDER_REFLECT), np.float32)


def _light(rng: Rng, side: int) -> Field:
    return 0.06 * _smooth(rng, side, 2)


def _rough(rng: Rng, side: int) -> tuple[str, Field]:
    sizes = (4, 16, 48, 110)
    return "stone", np.asarray(sum(rng.uniform(0.2, 1) * _smooth(rng, side, n) for n in sizes) / 2, np.float32)


def _brushed(rng: Rng, side: int) -> tuple[str, Field]:
    lines = 0.7 * _smooth(rng, side, 200, 40) + 0.5 * _smooth(rng, side, 60, 20)
    return "steel", _turned(np.asarray(lines, np.float32), float(rng.choice([0, 90]) + rng.normal(0, 4)))


def _woven(rng: Rng, side: int) -> tuple[str, Field]:
    pitch = rng.uniform(5, 14)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    weave = np.sin(2 * np.pi * x / pitch) * np.sin(2 * np.pi * y / pitch) + 0.3 * _smooth(rng, side, 90)
    return "fabric", _turned(np.asarray(weave, np.float32), float(rng.uniform(-20, 20)))


def _grained(rng: Rng, side: int) -> tuple[str, Field]:
    rings = _smooth(rng, side, 24, 6)
    return "wood", np.asarray(np.sin(3 * rings) * 0.8 + 0.3 * _smooth(rng, side, 160, 20), np.float32)


def _pebbled(rng: Rng, side: int) -> tuple[str, Field]:
    field = _smooth(rng, side, rng.uniform(20, 45))
    return "leather", np.asarray(np.abs(field) * -1.2 + 0.8, np.float32)


def _plain(rng: Rng, side: int) -> tuple[str, Field]:
    return "plastic", np.asarray(0.25 * _smooth(rng, side, 120), np.float32)


_KINDS = (_rough, _brushed, _woven, _grained, _pebbled, _plain)
