"""``launch.py bench comgen``: does the residual attention find what changed, and does an edit change it in time?

The truth is rendered: a good part, and the same moment with a component gone, exchanged, moved or one too many.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from core.bench.mini import SIDE, UNSEEN_SEED
from core.demo import scenes
from core.demo.spec import Spec
from core.diffusion.model_sources import KNOWN_MODELS, present_folder
from core.engines.api import Context
from core.engines.finalize import NoVisibleChange
from core.features.index import VECTOR_SIZE, FeatureIndex
from core.methods.comgen import ComGen
from core.methods.comgen.component_prompt import read_prompt
from core.methods.comgen.residual import attention_diff, refined
from core.types import Mask, NormalImage, Region, Request

if TYPE_CHECKING:
    from core.diffusion.backbone import Backbone

STEPS = 20
FIRST_SEED = UNSEEN_SEED + 3000
"""First seed of the scenes here; no training and no other benchmark has them."""
MANY_PHOTOS, THREADS = 10_000, 2
PHOTO_SIDE = 512


def measure(quick: bool = False) -> dict[str, Any]:
    """All figures; docs/benchmarks.md says what each is and the aim it is held against."""
    from core.diffusion.loading import load_backbone

    wanted = "mini" if present_folder(KNOWN_MODELS["mini"]) is not None else "auto"
    backbone = load_backbone(wanted, "cpu")
    return {
        **_measure_attention(backbone, 2 if quick else 8),
        **_measure_edits(wanted, 2 if quick else 8),
        **_edit_seconds(wanted),
        "neighbour_ms_10k": _neighbour_ms(),
    }


@dataclass(frozen=True)
class FaultCase:
    """A good scene and a faulty one, the components that are wrong in it, and what kind of fault it is."""

    kind: str
    before: Spec
    after: Spec
    faulty_components: frozenset[str]


def fault_cases(count: int, first: int = FIRST_SEED) -> Iterator[FaultCase]:
    """Faults of four kinds on ``count`` scenes of each assembly."""
    tray = {fault.label: fault for fault in scenes.FAULTS["fastener_tray"]}
    gears = {fault.label: fault for fault in scenes.FAULTS["gear_unit"]}
    for i in range(count):
        rng = np.random.default_rng([first, i])
        a, b = (scenes.normal(product, first + i) for product in ("fastener_tray", "gear_unit"))
        for scene in (a, b):
            slot = str(rng.choice([item.slot for item in scene.items]))
            yield FaultCase("remove", scene, scene.without(slot), frozenset({scene.item(slot).word}))
        one, other = map(str, rng.choice(["bolt", "nut", "spring", "clip", "cap"], 2, replace=False))
        yield FaultCase("swap", a, a.swapped(one, other), frozenset({one, other}))
        yield FaultCase("swap", b, b.swapped("pinion", "bearing"), frozenset({"pinion", "bearing"}))
        yield FaultCase("move", a, tray["misplaced_washer"].edit(a, rng), frozenset({"washer"}))
        yield FaultCase("move", b, gears["misplaced_pinion"].edit(b, rng), frozenset({"pinion"}))
        yield FaultCase("extra", a, tray["extra_nut"].edit(a, rng), frozenset({"nut"}))
        yield FaultCase("extra", b, gears["loose_screw"].edit(b, rng), frozenset({"screw"}))


def _measure_attention(backbone: Backbone, count: int) -> dict[str, Any]:
    """Eqs. 7 to 10 on rendered pairs, both read with the good part's prompt."""
    from core.diffusion.backbone import encode_image
    from core.diffusion.sampling import make_schedule
    from core.methods.comgen.sample import read_attention

    schedule = make_schedule(backbone.noise_schedule, STEPS)
    coarse: dict[str, list[float]] = {}
    fine: dict[str, list[float]] = {}
    right: list[bool] = []
    for case in fault_cases(count):
        twin = scenes.twins(case.before, case.after, SIDE)
        prompt = read_prompt(twin.before.caption)
        norm, gen = (
            read_attention(backbone, encode_image(backbone, one.image), prompt, schedule)
            for one in (twin.before, twin.after)
        )
        found = attention_diff(norm, gen, [chip.name for chip in prompt.components], (SIDE, SIDE))
        mask = refined(found.unrefined, twin.before.image, twin.after.image, SIDE / norm.shape[1])
        coarse.setdefault(case.kind, []).append(iou(found.unrefined, twin.mask))
        fine.setdefault(case.kind, []).append(iou(mask, twin.mask))
        right.append(found.top_component in case.faulty_components)
    return {
        "residual_iou": _mean(coarse),
        "refined_iou": _mean(fine),
        "component_accuracy": round(float(np.mean(right)), 3),
        "residual_iou_by_kind": {kind: round(float(np.mean(values)), 3) for kind, values in coarse.items()},
        "refined_iou_by_kind": {kind: round(float(np.mean(values)), 3) for kind, values in fine.items()},
        "twins": len(right),
    }


def _mean(found: Mapping[str, list[float]]) -> float:
    """The mean over kinds, each counting the same."""
    return round(float(np.mean([np.mean(values) for values in found.values()])), 3)


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union of two masks; 1 where both are empty."""
    union = int((a | b).sum())
    return float((a & b).sum()) / union if union else 1.0


def _measure_edits(wanted: str, count: int) -> dict[str, Any]:
    """Edited photos: does the mask cover what was there, and does the rest stay as it was?"""
    ious, kept, rewritten, named, failed = [], [], [], [], 0
    for i in range(count):
        for product in ("fastener_tray", "gear_unit"):
            request, slot, word, truth = _removal_case(product, FIRST_SEED + 500 + i, wanted)
            try:
                found = ComGen().generate_with_evidence(request, Context(device="cpu"))
            except NoVisibleChange:
                failed += 1
                continue
            photo, outside = request.normal.pixels, ~found.sample.mask
            ious.append(iou(found.sample.mask, truth))
            kept.append(float(cv2.absdiff(photo, found.sample.image)[outside].max(initial=0)))
            named.append(found.residual.top_component == word)
            free = dict(request.params) | {"background": "rewrite"}
            whole = ComGen().generate_with_evidence(_with_params(request, free), Context(device="cpu")).sample
            rewritten.append(float(cv2.absdiff(photo, whole.image)[~whole.mask].mean()))
            del slot
    return {
        "edit_iou": round(float(np.mean(ious)), 3),
        "edit_named": round(float(np.mean(named)), 3),
        "edit_nothing": failed,
        "background_change": max(kept),
        "background_change_rewritten": round(float(np.mean(rewritten)), 2),
    }


def _removal_case(product: str, seed: int, wanted: str) -> tuple[Request, str, str, Mask]:
    """A photo, the edit that takes one component away, and what a photo without it would differ in."""
    spec = scenes.normal(product, seed)
    rng = np.random.default_rng(seed)
    single = [item for item in spec.items if sum(other.word == item.word for other in spec.items) == 1]
    item = single[int(rng.integers(len(single)))]
    twin = scenes.twins(spec, spec.without(item.slot), PHOTO_SIDE)
    regions = tuple(Region(slot.replace("_", " "), mask) for slot, mask in twin.before.instances.items() if mask.any())
    params = {"edit": f"remove:{item.word}", "prompt": twin.before.caption, "steps": STEPS, "backbone": wanted}
    normal = NormalImage(f"{product}-{seed}", "scene.png", twin.before.image)
    return Request(normal, "missing", params, seed, regions=regions), item.slot, item.word, twin.mask


def _with_params(request: Request, params: Mapping[str, object]) -> Request:
    return Request(request.normal, request.label, params, request.seed, regions=request.regions)


def _edit_seconds(wanted: str) -> dict[str, float]:
    """Seconds for a first and for a second edit of a photo on two threads, the best of three: other work adds."""
    import torch

    before = torch.get_num_threads()
    first, second = list[float](), list[float]()
    torch.set_num_threads(min(THREADS, os.cpu_count() or 1))
    try:
        for i in range(3):
            request, *_ = _removal_case("fastener_tray", FIRST_SEED + 900 + i, wanted)
            again = _with_params(request, dict(request.params) | {"edit": "swap:nut,cap"})
            for one, taken in ((request, first), (again, second)):
                began = time.perf_counter()
                try:
                    ComGen().generate_with_evidence(one, Context(device="cpu"))
                except NoVisibleChange:
                    pass
                taken.append(time.perf_counter() - began)
    finally:
        torch.set_num_threads(before)
    return {"preview_s": round(min(first), 2), "cached_preview_s": round(min(second), 2)}


def _neighbour_ms(count: int = MANY_PHOTOS) -> float:
    """Milliseconds for the nearest of ``count`` photos (eq. 5), the median of seven questions."""
    rng = np.random.default_rng(0)
    # Photos of one product differ little; numbers of full spread would be told apart too easily.
    base = rng.normal(size=VECTOR_SIZE).astype(np.float16)
    rows = np.empty((count, VECTOR_SIZE), np.float16)
    for start in range(0, count, 500):
        part = rows[start : start + 500]
        part[:] = base + 0.3 * rng.normal(size=part.shape)
    memory, taken = FeatureIndex(tuple(map(str, range(count))), rows), []
    for k in range(7):
        asked = (rows[k * (count // 7)] + 0.1 * rng.normal(size=VECTOR_SIZE)).astype(np.float32)
        began = time.perf_counter()
        memory.nearest(asked)
        taken.append(time.perf_counter() - began)
    return round(float(np.median(taken)) * 1000, 1)
