"""``launch.py bench click``: how many clicks a region takes, with ``classic`` and with the shipped ``mini_click``.

A simulated person clicks the middle of the truth, then the middle of the largest error until the region is good or 20
clicks are made (NoC, the field's measure). What is clicked, and where its truth comes from, is in ``click_cases.py``.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from core.bench.click_cases import ClickCase, case_sets, evenly_chosen
from core.bench.drawn_scenes import scene as drawn_scene
from core.bench.stats import p95
from core.device import numpy_rng
from core.segmentation import Click, segmenters
from core.segmentation.segmenter import PreparedPhoto, Segmenter, iou
from core.segmentation.simulated_clicks import curve_on, next_click
from core.types import Mask

NAMES = ("mini_click", "classic")
MOST_CLICKS = 20
GOOD, BETTER = 0.85, 0.90
"""IoUs of NoC@85 and NoC@90."""
FIRST_CLICKS = 3
"""First clicks tried in each region: its deepest point, and others at least half as deep."""
QUICK_CASES = 12
"""Cases of a set, evenly taken, in a quick run."""


@dataclass(frozen=True)
class CaseResult:
    """What a segmenter made of one region: IoU by first click, IoU of a box, clicks to GOOD and to BETTER."""

    name: str
    first: tuple[float, ...]
    box: float
    good: int
    better: int
    failed: bool


def measure(quick: bool = False, rows: Sequence[str] = ()) -> dict[str, Any]:
    """NoC, failures, IoU of a click and of a box per set and segmenter, and what an answer costs one core.

    ``rows`` names sets, all if there are none. The figures of mini_click on the first set stand on top: on the demo's
    components, if nothing else was asked for.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        sets = {key: evenly_chosen(cases, QUICK_CASES if quick else len(cases)) for key, cases in case_sets(rows)}
        found = {name: segmenters()[name] for name in NAMES}
        result: dict[str, Any] = {"cases": {key: len(cases) for key, cases in sets.items()}}
        scores = {key: {name: score(one, cases) for name, one in found.items()} for key, cases in sets.items()}
        speeds = {name: speed(one, 2 if quick else 8) for name, one in found.items()}
        top = next(iter(scores.values()), {}).get(NAMES[0], {})
        return result | top | speeds[NAMES[0]] | {"sets": scores, "speed": speeds}
    finally:
        cv2.setNumThreads(before)


def score(segmenter: Segmenter, cases: Sequence[ClickCase]) -> dict[str, Any]:
    """The figures of one segmenter on one set; why there are none, where it cannot run here."""
    if (reason := segmenter.available()) is not None:
        return {"unavailable": reason}
    return summary(list(case_results(segmenter, cases)))


def summary(results: Sequence[CaseResult]) -> dict[str, Any]:
    """Means over cases; ``failures`` is the share that 20 clicks do not bring to GOOD."""
    by_name: dict[str, list[float]] = defaultdict(list)
    for one in results:
        by_name[one.name] += one.first
    means = {name: float(np.mean(values)) for name, values in by_name.items()}
    worst = min(means, key=lambda name: means[name])
    return {
        "noc85": round(float(np.mean([r.good for r in results])), 2),
        "noc90": round(float(np.mean([r.better for r in results])), 2),
        "failures": round(float(np.mean([r.failed for r in results])), 3),
        "iou_1": round(float(np.mean([v for r in results for v in r.first])), 3),
        "box_iou": round(float(np.mean([r.box for r in results])), 3),
        "worst_component": round(means[worst], 3),
        "worst_component_name": worst,
    }


def case_results(segmenter: Segmenter, cases: Iterable[ClickCase]) -> Iterable[CaseResult]:
    """One after the other; a photo of several cases in a row is prepared once."""
    prepared: tuple[int, PreparedPhoto] | None = None
    for number, case in enumerate(cases):
        if prepared is None or prepared[0] != id(case.image):
            prepared = (id(case.image), segmenter.prepare(case.image))
        yield _result(prepared[1], case, number)


def _result(prepared: PreparedPhoto, case: ClickCase, number: int) -> CaseResult:
    rng = numpy_rng(0, "first clicks", number)
    curve = curve_on(prepared, case.truth, MOST_CLICKS, enough=BETTER).iou
    others = [float(curve_on(prepared, case.truth, 1, rng).iou[0]) for _ in range(FIRST_CLICKS - 1)]
    x, y, w, h = cv2.boundingRect(case.truth.view(np.uint8))
    pad = max(2.0, 0.03 * max(w, h))
    boxed = prepared.predict([], (x - pad, y - pad, x + w + pad, y + h + pad))[0].mask
    return CaseResult(
        case.name,
        (float(curve[0]), *others),
        iou(boxed, case.truth),
        _clicks_to(curve, GOOD),
        _clicks_to(curve, BETTER),
        bool(curve.max() < GOOD),
    )


def _clicks_to(curve: np.ndarray, good: float) -> int:
    """Clicks until the IoU is ``good``; all of them if it never is."""
    reached = np.flatnonzero(curve >= good)
    return int(reached[0]) + 1 if len(reached) else MOST_CLICKS


def speed(segmenter: Segmenter, count: int) -> dict[str, float]:
    """One core's work on drawn photos of 1024²: seconds to prepare one, and milliseconds that 95 % of answers take.

    ``hover`` is the first click alone, ``click`` any of the first three.
    """
    preparing: list[float] = []
    hovers: list[float] = []
    clicks: list[float] = []
    for seed in range(count + 1):
        normal, regions = drawn_scene(1024, seed)
        # Work, not time on the wall: other programs on the machine shall not count.
        began = time.process_time()
        ready = segmenter.prepare(normal.pixels)
        prepared = time.process_time() - began
        spent = _answer_times(ready, regions[seed % len(regions)].mask)
        if seed:
            preparing.append(prepared)
            hovers.append(spent[0])
            clicks += spent
    return {
        "hover_p95_ms": round(p95(hovers), 1),
        "click_p95_ms": round(p95(clicks), 1),
        "prepare_s": round(float(np.median(preparing)), 2),
    }


def _answer_times(ready: PreparedPhoto, truth: Mask) -> list[float]:
    """Milliseconds of the answers to one, two and three clicks."""
    clicks: list[Click] = []
    found, spent = np.zeros_like(truth), []
    while len(clicks) < 3 and (click := next_click(found, truth)) is not None:
        clicks.append(click)
        began = time.process_time()
        found = ready.predict(clicks)[0].mask
        spent.append((time.process_time() - began) * 1000)
    return spent
