"""What ``bench click`` asks for: regions with exact or drawn truth that the shipped network never learned from."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from core.demo import scenes
from core.demo.products import PRODUCTS
from core.images import read_image, read_mask
from core.lookup import named
from core.types import Image, Mask

ROOT = Path(__file__).resolve().parents[2]
DEMO_PHOTOS = ("000", "003", "005")
REAL = {"tiles": "magnetic_tile_dev", "boards": "deep_pcb_dev"}
"""Sets of real photos, and their folders under ``FLAWSMITH_DATA``."""
SKIPPED_LABELS = {"good", "uneven"}
"""``uneven`` masks cover half a tile with no outline to be seen."""
MIN_TARGET_PIXELS = 20
"""Pixels; smaller specks are no target."""
MAX_CASES = 40
"""Cases of a set of scenes or of real photos, evenly taken."""
MAX_TARGETS_PER_PHOTO = 3
"""Targets a photo gives at most."""


@dataclass(frozen=True)
class ClickCase:
    """A region to be clicked; ``name`` is of its kind: a component, a defect type."""

    name: str
    image: Image
    truth: Mask


def case_sets(wanted: Collection[str] = ()) -> Iterator[tuple[str, list[ClickCase]]]:
    """The sets by name, the demo's first; of real photos only where ``FLAWSMITH_DATA`` has them."""
    makers: dict[str, Callable[[], Iterator[ClickCase]]] = {
        "demo": demo_cases,
        "scenes": partial(scene_cases, 12),
        "coins": coin_cases,
    }
    makers |= {key: partial(photo_cases, folder) for key, folder in real_folders().items()}
    for name in wanted:
        named(makers, name, "set of bench click")
    for key, make in makers.items():
        if not wanted or key in wanted:
            cases = list(make())
            yield key, cases if key in ("demo", "coins") else evenly_chosen(cases, MAX_CASES)


def evenly_chosen(cases: list[ClickCase], most: int) -> list[ClickCase]:
    """``most`` of the cases, evenly taken, or all if there are fewer."""
    return [cases[k * len(cases) // most] for k in range(most)] if len(cases) > most else cases


def demo_cases() -> Iterator[ClickCase]:
    """Every component on three photos of each demo product."""
    for product in PRODUCTS:
        folder = ROOT / "assets" / "demo" / product
        for photo in DEMO_PHOTOS:
            image = read_image(folder / "train" / "good" / f"{photo}.jpg")
            for path in sorted((folder / "regions" / "train" / photo).glob("*.png")):
                yield ClickCase(path.stem, image, read_mask(path))


def scene_cases(count: int, first: int = 0, side: int = 256) -> Iterator[ClickCase]:
    """Two parts or openings of each of ``count`` scenes a product, and every flaw on them."""
    for product in PRODUCTS:
        for seed in range(first, first + count):
            spec = scenes.varied(product, seed)
            made = scenes.make(spec, side)
            parts = [(name, m) for name, m in sorted(made.instances.items()) if name != "number"]
            parts = [(name, m) for name, m in parts if np.count_nonzero(m) >= MIN_TARGET_PIXELS]
            for k in range(min(2, len(parts))):
                yield ClickCase("part", made.image, parts[(seed + k * (len(parts) // 2)) % len(parts)][1])
            for flaw in spec.flaws:
                whole = replace(spec, flaws=tuple(f for f in spec.flaws if f is not flaw))
                mask = scenes.difference(made.levels, scenes.make(whole, side).levels)
                if np.count_nonzero(mask) >= MIN_TARGET_PIXELS:
                    yield ClickCase(flaw.name, made.image, mask)


def coin_cases() -> Iterator[ClickCase]:
    """The coins of scikit-image's photo; outlined by a watershed from their edges, not by hand."""
    import skimage

    grey = cv2.imread(str(Path(skimage.__file__).parent / "data" / "coins.png"), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        return
    image = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    # Sure ground and sure coin by level, as in scikit-image's own example; the flood decides what lies between.
    markers = np.where(grey < 30, 1, np.where(grey > 150, 2, 0)).astype(np.int32)
    edges = cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    hills = np.clip(edges / 4, 0, 255).astype(np.uint8)
    cv2.watershed(cv2.cvtColor(hills, cv2.COLOR_GRAY2BGR), markers)
    solid = cv2.morphologyEx((markers == 2).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    contours, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for outline in contours:
        hull = cv2.contourArea(cv2.convexHull(outline))
        # Two coins that touch, and shadows, are no coin.
        if 600 < cv2.contourArea(outline) < 5000 and cv2.contourArea(outline) > 0.9 * hull:
            mask = cv2.drawContours(np.zeros(grey.shape, np.uint8), [outline], -1, 1, -1)
            yield ClickCase("coin", image, np.asarray(mask > 0))


def photo_cases(folder: Path) -> Iterator[ClickCase]:
    """Photos of an MVTec-AD-like folder with their largest defects, one by one."""
    for kind in sorted(p.name for p in (folder / "test").iterdir() if p.name not in SKIPPED_LABELS):
        for path in sorted((folder / "test" / kind).glob("*.png")):
            image = read_image(path)
            mask = read_mask(folder / "ground_truth" / kind / f"{path.stem}_mask.png")
            _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
            order = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:MAX_TARGETS_PER_PHOTO] + 1
            for k in order:
                if stats[k, cv2.CC_STAT_AREA] >= MIN_TARGET_PIXELS:
                    yield ClickCase(kind, image, np.asarray(labels == k))


def real_folders() -> dict[str, Path]:
    """The folders of real photos that there are."""
    given = os.environ.get("FLAWSMITH_DATA")
    if not given:
        return {}
    return {key: Path(given) / name for key, name in REAL.items() if (Path(given) / name / "test").is_dir()}
