"""``launch.py bench click``: how well a click finds what was meant, with ``classic`` and with ``mini_click``.

A simulated person clicks the middle of the truth, then four times the middle of the worst error. Truths are parts and
damage on rendered scenes that training never saw, and, where ``FLAWSMITH_DATA`` names the folder of real photos, the
defects of magnetic tiles and printed circuit boards.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.bench.drawn_scenes import scene as drawn_scene
from core.bench.stats import p95
from core.errors import Unavailable
from core.images import read_image, read_mask
from core.segmentation import Click, segmenters
from core.segmentation.simulated_clicks import click_curve, next_click
from core.types import Image, Mask

NAMES = ("mini_click", "classic")
CLICKS = (1, 3, 5)
SETS = {"magnetic_tile": "magnetic_tile_dev", "deep_pcb": "deep_pcb_dev"}
SKIPPED_LABELS = {"good", "uneven"}
"""``uneven`` masks cover half a tile with no outline to be seen."""
MIN_TARGET_PIXELS = 20
"""Pixels; smaller specks are no target."""
MAX_TARGETS_PER_PHOTO = 3
"""Targets a photo gives at most."""
MAX_CASES = 60
"""Cases of a set, evenly taken: a few minutes in all."""

Case = tuple[Image, Mask]


def measure(quick: bool = False) -> dict[str, Any]:
    """Per segmenter and set the mean IoU after 1, 3 and 5 clicks, and how long an answer takes one core."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        found = {name: segmenters()[name] for name in NAMES}
        most = 15 if quick else MAX_CASES
        sets = {"scenes": _evenly_chosen(list(scene_cases(12)), most)}
        sets |= {key: _evenly_chosen(list(photo_cases(folder)), most) for key, folder in _folders().items()}
        result: dict[str, Any] = {"cases": {name: len(cases) for name, cases in sets.items()}}
        for key, one in found.items():
            if (reason := one.available()) is not None:
                result[key] = {"unavailable": reason}
                continue
            result[key] = {name: score(one, cases) for name, cases in sets.items()}
            result[key]["p95_ms"] = _speed(one, 3 if quick else 12)
        return result
    finally:
        cv2.setNumThreads(before)


def score(segmenter: Any, cases: list[Case]) -> dict[str, float]:
    """Mean IoU by number of clicks."""
    curves = np.array([click_curve(segmenter, image, truth, max(CLICKS)).iou for image, truth in cases])
    return {str(n): round(float(curves[:, n - 1].mean()), 3) for n in CLICKS}


def scene_cases(count: int, first: int = 0, side: int = 256) -> Iterator[Case]:
    """Two parts or openings of each of ``count`` scenes a product, and every flaw on them."""
    try:
        scenes = importlib.import_module("tools.demo_product.scenes")
    except ImportError as error:
        raise Unavailable("bench click: needs the folder tools/demo_product of the project, which renders") from error
    for product in scenes.PRODUCTS:
        for seed in range(first, first + count):
            spec = scenes.varied(product, seed)
            made = scenes.make(spec, side)
            parts = [m for name, m in sorted(made.instances.items()) if name != "number"]
            parts = [m for m in parts if np.count_nonzero(m) >= MIN_TARGET_PIXELS]
            for k in range(min(2, len(parts))):
                yield made.image, parts[(seed + k * (len(parts) // 2)) % len(parts)]
            for flaw in spec.flaws:
                whole = replace(spec, flaws=tuple(f for f in spec.flaws if f is not flaw))
                mask = scenes.difference(made.levels, scenes.make(whole, side).levels)
                if np.count_nonzero(mask) >= MIN_TARGET_PIXELS:
                    yield made.image, mask


def photo_cases(folder: Path) -> Iterator[Case]:
    """Photos of an MVTec-AD-like folder with their largest defects, one by one."""
    for kind in sorted(p.name for p in (folder / "test").iterdir() if p.name not in SKIPPED_LABELS):
        for path in sorted((folder / "test" / kind).glob("*.png")):
            image = read_image(path)
            mask = read_mask(folder / "ground_truth" / kind / f"{path.stem}_mask.png")
            count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
            order = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:MAX_TARGETS_PER_PHOTO] + 1
            for k in order:
                if stats[k, cv2.CC_STAT_AREA] >= MIN_TARGET_PIXELS:
                    yield image, np.asarray(labels == k)
            del count


def _evenly_chosen(cases: list[Case], most: int) -> list[Case]:
    return [cases[k * len(cases) // most] for k in range(most)] if len(cases) > most else cases


def _folders() -> dict[str, Path]:
    given = os.environ.get("FLAWSMITH_DATA")
    if not given:
        return {}
    return {key: Path(given) / name for key, name in SETS.items() if (Path(given) / name / "test").is_dir()}


def _speed(segmenter: Any, count: int) -> float:
    """Milliseconds of one core's work that 95 % of answers to one to three clicks on photos of 1024² stay below."""
    spent: list[float] = []
    for seed in range(count + 1):
        normal, regions = drawn_scene(1024, seed)
        truth = regions[seed % len(regions)].mask
        clicks: list[Click] = []
        ready, found = segmenter.prepare(normal.pixels), np.zeros_like(truth)
        while len(clicks) < 3 and (click := next_click(found, truth)) is not None:
            clicks.append(click)
            # Work, not time on the wall: other programs on the machine shall not count.
            began = time.process_time()
            found = ready.predict(clicks)[0].mask
            spent.append((time.process_time() - began) * 1000 if seed else 0.0)
    return round(p95([ms for ms in spent if ms]), 1)
