"""A toy product for the loop: grainy plates with dark dents, faint ones among those that are not learned from; and a
detector that learns within milliseconds how dark a dent is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.api import Workbench
from core.device import numpy_rng
from core.evaluation.detectors.api import Detector, DetectorParams, EpochCallback, TrainContext
from core.evaluation.photo_sets import Shot
from core.images import mask_png_bytes, png_bytes

SIDE = 96
CONTRACT = "image_recall>=0.99 @ false_rejects<=0.1"


def toy_plate(seed: int) -> np.ndarray:
    """A grainy plate, uint8 (SIDE, SIDE, 3)."""
    grain = np.random.default_rng(seed).normal(150, 8, (SIDE, SIDE))
    return np.repeat(np.clip(grain, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def toy_dent(seed: int, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """A plate with a dent ``depth`` grey levels darker, and its mask."""
    image, mask = toy_plate(1000 + seed), np.zeros((SIDE, SIDE), np.uint8)
    rng = np.random.default_rng([seed, 7])
    cv2.circle(mask, (int(rng.integers(20, 76)), int(rng.integers(20, 76))), int(rng.integers(6, 10)), 1, -1)
    image[mask > 0] = np.clip(image[mask > 0].astype(int) - depth, 0, 255).astype(np.uint8)
    return image, mask > 0


def write_toy(folder: Path, good: int = 20, dents: int = 12, faint: int = 40) -> Path:
    """The product in MVTec AD's layout; the first third of the dents, by name, is deep, of the others each second is
    ``faint`` grey levels deep."""
    for i in range(good):
        path = folder / "train" / "good" / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_bytes(toy_plate(i)))
    for i in range(dents):
        image, mask = toy_dent(i, 110 if i < dents / 3 else faint if i % 2 else 90)
        for place, data in ((f"test/dent/{i:02d}.png", png_bytes(image)),
                            (f"ground_truth/dent/{i:02d}_mask.png", mask_png_bytes(mask))):  # fmt: skip
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(data)
    return folder


def toy_project(path: Path) -> Workbench:
    """The product as a project, a third of the dents learned from."""
    bench = Workbench.create(path)
    bench.photos.import_images(write_toy(path.parent / f"{path.name}-data"))
    bench.photos.set_split("1/3")
    return bench


class _Darkness:
    def __init__(self, middle: float, width: float) -> None:
        self._middle, self._width = middle, width

    def score(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [self._map(image) for image in images]

    def _map(self, image: np.ndarray) -> np.ndarray:
        smooth = cv2.GaussianBlur(image[..., 0].astype(np.float32), (0, 0), 2)
        # Every photo has a floor of its own, which hides what is faint from a detector that knows only what is deep.
        floor = 0.4 * float(np.random.default_rng(int(image.sum())).random())
        return np.asarray(floor + 1 / (1 + np.exp((smooth - self._middle) / self._width)), np.float32)


class Darkness(Detector):
    """Scores dark pixels: the limit lies between the mean of the plates and the palest pair it has learned from, with
    some noise by seed."""

    name = "darkness"
    title = "Darkness"
    summary = "A detector for tests."
    needs_pairs = True
    Params = DetectorParams

    def fit(
        self, train: Sequence[Shot], params: Any, ctx: TrainContext, watch: EpochCallback | None = None
    ) -> _Darkness:
        ctx.check()
        dark = [float(s.read()[..., 0][s.mask((SIDE, SIDE))].mean()) for s in train if not s.good]
        noise = float(numpy_rng(ctx.seed, "darkness").normal(0, 1))
        return _Darkness((150 + float(np.mean(dark))) / 2 + noise, 8.0)
