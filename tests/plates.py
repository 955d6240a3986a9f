"""Plates with dark spots to learn from."""

from __future__ import annotations

import numpy as np

from core.types import AnomalyExample


def plate(seed: int, height: int = 90, width: int = 120) -> np.ndarray:
    """An uneven grainy plate, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    light = 120 + 0.3 * x + 0.2 * y
    return np.clip(light[..., None] + rng.normal(0, 5, (height, width, 3)), 0, 255).astype(np.uint8)


def spot(seed: int, height: int = 90, width: int = 120, radius: float = 7) -> np.ndarray:
    """A disc somewhere, bool (height, width)."""
    rng = np.random.default_rng([seed, 1])
    y, x = np.mgrid[:height, :width]
    return np.hypot(y - rng.uniform(20, height - 20), x - rng.uniform(20, width - 20)) < radius


def example(seed: int, label: str = "hole", **size: float) -> AnomalyExample:
    """A plate with a dark spot, its mask exact."""
    image, mask = plate(seed), spot(seed, **size)
    image[mask] //= 4
    return AnomalyExample(f"{label}{seed}", label, image, (mask,))
