"""Photos drawn in code for benchmarks: a grainy surface with shaded discs, whose regions are known."""

from __future__ import annotations

import cv2
import numpy as np

from core.device import numpy_rng
from core.types import Image, NormalImage, Region


def scene(size: int, seed: int, width: int | None = None) -> tuple[NormalImage, tuple[Region, ...]]:
    """A photo of ``size`` rows and ``width`` (or as many) columns with four discs, and the discs as regions."""
    rng = numpy_rng(seed, "scene")
    height, width = size, width or size
    surface = _grain(height, width, rng)
    regions = []
    for number, (cx, cy) in enumerate([(0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73)]):
        centre = (int(cx * width + rng.normal(0, width / 60)), int(cy * height + rng.normal(0, height / 60)))
        radius = int(min(height, width) * rng.uniform(0.07, 0.13))
        mask = _disc(height, width, centre, radius)
        shadow = cv2.GaussianBlur(
            _disc(height, width, (centre[0] + radius // 5, centre[1] + radius // 5), radius).astype(np.float32),
            (0, 0), radius / 6,
        )  # fmt: skip
        surface *= 1 - 0.35 * shadow
        surface[mask] = 90 + 70 * rng.random() + 0.2 * surface[mask]
        regions.append(Region(f"disc_{number + 1}", mask))
    image: Image = np.repeat(np.clip(surface, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return NormalImage(f"scene-{seed}-{height}x{width}", f"scene {seed}", image), tuple(regions)


def _grain(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    coarse = cv2.resize(rng.normal(0, 10, (8, 8)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    fine = cv2.GaussianBlur(rng.normal(0, 14, (height, width)).astype(np.float32), (0, 0), 1.0)
    return np.asarray(165 + coarse + fine, np.float32)


def _disc(height: int, width: int, centre: tuple[int, int], radius: int) -> np.ndarray:
    canvas = np.zeros((height, width), np.uint8)
    cv2.circle(canvas, centre, radius, 1, -1)
    return canvas.astype(bool)
