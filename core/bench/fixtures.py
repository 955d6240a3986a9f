"""What the benchmarks of engines that learn are given: real anomalies of one label, and masks on good photos.

Real anomalies are those of FLAWSMITH_DATA/magnetic_tile, or those of the demo plates where there is no such folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.device import numpy_rng
from core.images import read_image, read_mask
from core.masks.placement.planner import plan_mask
from core.placement_rules import Placement, ShapeName
from core.types import AnomalyExample, Image, Mask, NormalImage

TILE_LABEL, MAX_EXAMPLES = "blowhole", 12
SHAPES: tuple[ShapeName, ...] = ("crack", "scratch", "spot", "blob", "pits", "chip", "stain")
SIDE = 256


@dataclass(frozen=True)
class BenchFixture:
    """Real anomalies of one label, and good photos."""

    name: str
    label: str
    examples: tuple[AnomalyExample, ...]
    normals: tuple[NormalImage, ...]


def read_bench_examples() -> BenchFixture:
    """The tiles' blowholes, or the demo plates' flaws."""
    given = os.environ.get("FLAWSMITH_DATA")
    data = Path(given) / "magnetic_tile" if given else None
    if data is not None and (data / "test" / TILE_LABEL).is_dir():
        label = TILE_LABEL
        pairs = [
            (p, data / "ground_truth" / label / f"{p.stem}_mask.png") for p in _spread_photos(data / "test" / label)
        ]
    else:
        data, label = Path(__file__).resolve().parents[2] / "assets" / "demo" / "brushed_plate", "stain"
        truth = data / "ground_truth" / "structural_anomalies"
        pairs = [
            (p, next((truth / p.stem).glob("*.png"))) for p in _spread_photos(data / "test" / "structural_anomalies")
        ]
    examples = tuple(AnomalyExample(a.stem, label, read_image(a), (read_mask(b),)) for a, b in pairs)
    goods = sorted((data / "train" / "good").iterdir())[:64]
    normals = tuple(NormalImage(p.stem, p.name, read_image(p)) for p in goods)
    return BenchFixture(data.name, label, examples, normals)


def _spread_photos(folder: Path) -> list[Path]:
    """At most MAX_EXAMPLES photos from all over a folder."""
    paths = sorted(p for p in folder.iterdir() if p.suffix in (".png", ".jpg"))
    return paths[:: -(-len(paths) // MAX_EXAMPLES)]


def photo_with_mask(
    lesson: BenchFixture, seed: int, shapes: tuple[ShapeName, ...] = SHAPES
) -> tuple[NormalImage, Mask]:
    """A good photo, at most SIDE pixels, and a drawn mask on it."""
    photo = lesson.normals[seed % len(lesson.normals)]
    pixels = reduced(photo.pixels)
    whole = np.ones(pixels.shape[:2], np.bool_)
    place = Placement(source="shapes", shape=shapes[seed % len(shapes)], size_pct=(0.5, 4.0))
    mask = plan_mask(place, lesson.label, pixels.shape[:2], numpy_rng(seed, "mask"), (), whole)
    return NormalImage(photo.id, photo.name, pixels), mask


def reduced(pixels: Image) -> Image:
    """At most SIDE pixels on the longer side."""
    scale = SIDE / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    return np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
