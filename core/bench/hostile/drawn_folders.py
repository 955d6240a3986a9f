"""Folders of drawn photos and anomalies for commands to import while they are attacked."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from core.bench.drawn_scenes import scene


def drawn_photos(folder: Path, seed: int, count: int = 6) -> Path:
    """A folder of drawn photos that no other seed gives."""
    folder.mkdir(parents=True)
    for number in range(count):
        normal, _ = scene(160, seed + number)
        cv2.imwrite(str(folder / f"{seed} {number}.png"), cv2.cvtColor(normal.pixels, cv2.COLOR_RGB2BGR))
    return folder


def drawn_defects(folder: Path, seed: int, count: int = 3) -> Path:
    """A folder of drawn anomalies of the label dent with their masks, that no other seed gives."""
    (folder / "dent").mkdir(parents=True)
    for number in range(count):
        pixels = scene(160, seed * count + number)[0].pixels.copy()
        mask = cv2.circle(np.zeros(pixels.shape[:2], np.uint8), (50 + 20 * number, 80), 9, 255, -1)
        pixels[mask > 0] //= 4
        stem = f"{folder}/dent/{seed} {number}"
        cv2.imwrite(f"{stem}.png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        cv2.imwrite(f"{stem}_mask.png", mask)
    return folder
