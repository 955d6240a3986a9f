"""The sprite sheet: every rendered part and the empty bases, as a few WebP files. Needs numpy and OpenCV only."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from core.demo.kinds import KINDS
from core.errors import Unavailable

SHEET = Path(__file__).resolve().parents[2] / "assets" / "demo" / "sprites"
COLUMNS = 8

Picture = NDArray[np.float32]


@dataclass(frozen=True)
class Sheet:
    """``sprites[kind][view]``: float32 (S, S, 4), RGB multiplied by alpha, 0..1; ``bases[name]``: (B, B, 3)."""

    sprites: dict[str, tuple[Picture, ...]]
    bases: dict[str, Picture]
    _smaller: dict[tuple[str, int, int], Picture] = field(default_factory=dict, compare=False, repr=False)

    def sprite(self, kind: str, view: int, side: float) -> Picture:
        """The sprite at the smallest stored size that is at least ``side`` pixels: shrinking more would alias."""
        largest = KINDS[kind].side
        level = min((s for s in (largest, largest // 2, largest // 4) if s >= side), default=largest)
        if level == largest:
            return self.sprites[kind][view]
        key = (kind, view, level)
        if key not in self._smaller:
            full = self.sprites[kind][view]
            self._smaller[key] = cv2.resize(full, (level, level), interpolation=cv2.INTER_AREA)
        return self._smaller[key]

    def base(self, name: str, side: int) -> Picture:
        """The empty base at ``side`` pixels."""
        key = (name, -1, side)
        if key not in self._smaller:
            full = self.bases[name]
            how = cv2.INTER_AREA if side < full.shape[0] else cv2.INTER_CUBIC
            self._smaller[key] = np.clip(cv2.resize(full, (side, side), interpolation=how), 0, 1)
        return self._smaller[key]


@lru_cache(maxsize=2)
def load_sheet(folder: Path = SHEET) -> Sheet:
    """Read the sheet in ``folder``; Unavailable says how to make it."""
    if not (folder / "base_tray.webp").is_file():
        raise Unavailable(f"{folder}: no sprite sheet; make it with python -m tools.demo_product render")
    sprites = {name: _cut(_read(folder / f"{name}.webp"), kind.views, kind.side) for name, kind in KINDS.items()}
    return Sheet(sprites, {name: _read(folder / f"base_{name}.webp") for name in ("tray", "housing")})


def _read(path: Path) -> Picture:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise Unavailable(f"{path}: missing or damaged; make it with python -m tools.demo_product render")
    order = cv2.COLOR_BGRA2RGBA if picture.shape[2] == 4 else cv2.COLOR_BGR2RGB
    values = np.asarray(cv2.cvtColor(picture, order).astype(np.float32) / 255)
    if values.shape[2] == 4:
        values[..., :3] *= values[..., 3:]
    return values


def _cut(grid: Picture, views: int, s: int) -> tuple[Picture, ...]:
    places = [((i // COLUMNS) * s, (i % COLUMNS) * s) for i in range(views)]
    return tuple(np.ascontiguousarray(grid[y : y + s, x : x + s]) for y, x in places)
