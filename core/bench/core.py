"""``launch.py bench core``: engines, clicks, the canvas, export, start and memory."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.bank import BankEntry, EntryFacts
from core.bench import app as app_bench
from core.bench.baselines import measure_baselines
from core.bench.drawn_scenes import scene
from core.bench.stats import median_rate, p95
from core.device import derive_seed, numpy_rng
from core.engines.api import Context
from core.engines.registry import engines
from core.exporters import DatasetItem, export
from core.images import mask_png_bytes, png_bytes
from core.masks.foreground import object_mask
from core.masks.placement.free_area import PlacementMap
from core.masks.placement.planner import plan_masks
from core.placement_rules import Placement
from core.segmentation import Click, segmenters
from core.types import AnomalyExample, Mask, NormalImage, Region, Request

MODEL_FREE = ("cut_paste", "perlin", "poisson", "stamp", "layout")
SIZES = (256, 1024)


def measure(quick: bool = False) -> dict[str, Any]:
    """All figures; see docs/benchmarks.md for what each is and the aim it is held against."""
    # One thread: the figure is images per CPU-second, and two threads that share a core measure each other.
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        result: dict[str, Any] = {
            "engines": {name: {str(s): _engine(name, s, quick) for s in SIZES} for name in MODEL_FREE},
            "peers": {name: {str(s): rate(s) for s in SIZES} for name, rate in measure_baselines(quick).items()},
            "click_p95_ms": _clicks(1024, 12 if quick else 40),
        }
    finally:
        cv2.setNumThreads(before)
    result["export_1000_s"] = _export(100 if quick else 1000)
    result |= app_bench.measure(quick)
    return result


def _engine(name: str, size: int, quick: bool) -> float:
    chosen = engines()[name]
    scenes = [scene(size, seed) for seed in range(4)]
    requests = [_request(name, normal, regions, i) for i, (normal, regions) in enumerate(scenes * 4)]
    ctx = Context()

    def once(i: int) -> None:
        given = requests[i % len(requests)]
        next(iter(chosen.generate(given, ctx)))

    return median_rate(once, 3 if quick else 7, 8 if size <= 256 else 3)


def _request(name: str, normal: NormalImage, regions: tuple[Region, ...], seed: int) -> Request:
    part = object_mask(normal.pixels)
    terrain = PlacementMap.from_masks(part, regions)
    mask = plan_masks(Placement(), "scratch", terrain, numpy_rng(seed, "mask"))[0]
    ops = ("remove", "duplicate", "move", "rotate", "flip", "swap", "recolour")
    params = {"op": ops[seed % len(ops)]} if name == "layout" else {}
    examples = (_entry(normal, mask),) if "examples" in engines()[name].needs else ()
    return Request(
        normal, "scratch", params, derive_seed(seed), mask=mask, regions=regions, examples=examples, object_mask=part
    )


def _entry(normal: NormalImage, mask: Mask) -> AnomalyExample:
    """An entry of a bank, turned upside down, so that it lies elsewhere than the mask."""
    photo, place = np.ascontiguousarray(normal.pixels[::-1]), np.ascontiguousarray(mask[::-1])
    photo[place] = photo[place] // 2
    facts = EntryFacts("scratch", "structural", "sample", "bench", place.shape, (0, 0))
    return BankEntry.cut_from(photo, place, facts).as_example()


def _clicks(size: int, count: int) -> float:
    normal, regions = scene(size, 11)
    rng = numpy_rng(0, "clicks")
    ready = segmenters()["classic"].prepare(normal.pixels)
    spent = []
    for i in range(count + 1):
        ys, xs = np.nonzero(regions[i % len(regions)].mask)
        at = int(rng.integers(len(ys)))
        began = time.perf_counter()
        ready.predict([Click(float(xs[at]), float(ys[at]))])
        spent.append((time.perf_counter() - began) * 1000)
    return round(p95(spent[1:]), 1)


def _export(pairs: int) -> float:
    """Seconds to export 512² image+mask pairs as MVTec AD, scaled to 1,000, from PNG files as in a project."""
    folder = Path(tempfile.mkdtemp(prefix="flawsmith-bench-"))
    try:
        items = [_pair(folder, i) for i in range(pairs)]
        good = scene(512, 3)[0].pixels
        began = time.perf_counter()
        export(
            [*(DatasetItem(f"g{i}", good) for i in range(10)), *items],
            folder / "out",
            "mvtec-ad",
            {"category": "bench"},
        )
        return round((time.perf_counter() - began) * 1000 / pairs, 2)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pair(folder: Path, number: int) -> DatasetItem:
    normal, regions = scene(512, 3 + number % 4)
    image, mask = folder / f"{number}.png", folder / f"{number}_mask.png"
    image.write_bytes(png_bytes(np.roll(normal.pixels, number, axis=1), grey=True))
    mask.write_bytes(mask_png_bytes(np.roll(regions[number % 4].mask, number, axis=1)))
    return DatasetItem(f"s{number}", image, "scratch", "structural", (mask,))
