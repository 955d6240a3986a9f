"""The same figure for packages that users would otherwise take, where they are installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial

import numpy as np

from core.bench.drawn_scenes import scene
from core.bench.stats import median_rate


def measure_baselines(quick: bool) -> dict[str, Callable[[int], float]]:
    """Name → function from size to images per CPU-second; only what is installed."""
    found: dict[str, Callable[[int], float]] = {}
    if importlib.util.find_spec("anomalib"):
        found["anomalib_perlin"] = partial(_anomalib, quick)
    if importlib.util.find_spec("defect_synthesis"):
        for kind in ("Scratch", "Crack", "Stain"):
            found[f"defect_synthesis_{kind.lower()}"] = partial(_defect_synthesis, kind, quick)
    return found


def _anomalib(quick: bool, size: int) -> float:
    import torch
    from anomalib.data.utils.generators.perlin import PerlinAnomalyGenerator

    torch.set_num_threads(1)
    generator = PerlinAnomalyGenerator(probability=1.0)
    image = torch.from_numpy(np.array(scene(size, 1)[0].pixels)).permute(2, 0, 1).float() / 255
    return median_rate(lambda _: generator(image), 3 if quick else 5, 4 if size <= 256 else 1)


def _defect_synthesis(kind: str, quick: bool, size: int) -> float:
    import defect_synthesis

    generator = getattr(defect_synthesis, f"{kind}Generator")()
    image = np.array(scene(size, 1)[0].pixels[..., ::-1])
    return median_rate(lambda _: generator.apply(image), 3 if quick else 5, 8 if size <= 256 else 2)
