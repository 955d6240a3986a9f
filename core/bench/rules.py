"""``launch.py bench rules``: are the rules that good photos give the product's own, and do violations break them?

The demo products know their rules: scenes are rendered from seeds that nothing else uses. A violation is true if the
same edit, made in the renderer, breaks the rule that it is for, and the sample changes where that scene does.
"""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.api import Workbench
from core.bench.comgen_table import FIRST_SEED, _test_photos
from core.bench.mini import ASSEMBLIES
from core.demo import scenes
from core.demo.scenes import Scene
from core.demo.spec import Spec
from core.device import numpy_rng
from core.engines.api import Context
from core.errors import InputError
from core.images import mask_png_bytes, png_bytes
from core.jobs.rule_violations import make_violation
from core.lookup import named
from core.rules import MeasuredPart, Rule, RuleSet, measure_regions
from core.rules.violations import Violation, plan_violation, violation_names
from core.segmentation.segmenter import iou
from core.types import Image, Mask, Region, Sample

SIDE = 512
GOODS = 24
"""Good photos that rules are read from."""
UNSEEN = 40
"""Good scenes on which a rule must hold to count as true."""
HOLDS = 0.95
"""Share of them on which it must."""
LEAST_IOU = 0.4
"""Overlap of a sample's mask with the renderer's from which both show the same change."""
FIRST_GOOD = FIRST_SEED + 20_000
PARTS = ("learn", "violations", "detection")
CONSTRAINTS: Mapping[str, tuple[str, ...]] = {
    "fastener_tray": (
        *(f"{kind}:{word}" for word in ("bolt", "nut", "washer", "spring", "clip", "cap")
          for kind in ("count", "place", "size", "colour")),
        "orientation:bolt", "orientation:spring",
    ),
    "gear_unit": (
        *(f"{kind}:{word}" for word in ("gear", "pinion", "bearing", "lever", "screw")
          for kind in ("count", "place", "size", "colour")),
        "orientation:lever", "symmetry:screw:x", "symmetry:screw:y", "meshing:gear-pinion",
    ),
}  # fmt: skip
"""What the generators of core/demo/products.py keep to. No kind of rule says how gears mesh."""


@dataclass(frozen=True)
class _Photo:
    id: str
    scene: Scene
    parts: list[MeasuredPart]


def measure(
    quick: bool = False,
    *,
    rows: Sequence[str] = (),
    product: Sequence[str] = (),
    count: int | None = None,
    params: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """``{PRODUCT: {"learn": ..., "violations": ..., "detection": ...}}``.

    ``rows`` are some of PARTS, ``count`` violations of each way to break each rule, ``params`` ``goods`` and
    ``repeats`` of the test photos and ``beside``, a detector that rules are added to. NotFound for another product.
    """
    given = dict(params or {})
    wanted = [named({part: part for part in PARTS}, row, "part of the benchmark") for row in rows] or list(PARTS)
    result: dict[str, Any] = {}
    for name in product or ASSEMBLIES:
        named({one: one for one in ASSEMBLIES}, name, "demo product")
        with tempfile.TemporaryDirectory() as folder:
            progress(f"{name}: rendering {GOODS} good photos")
            with _rendered_project(Path(folder) / "project", name) as bench:
                result[name] = dict(
                    _parts(bench, Path(folder), name, wanted, count or (1 if quick else 3), given, progress)
                )
    return result


def _parts(
    bench: Workbench,
    folder: Path,
    product: str,
    wanted: Sequence[str],
    count: int,
    given: Mapping[str, Any],
    say: Callable[[str], None],
) -> Iterator[tuple[str, Any]]:
    rules = bench.rules.learn(find=False)
    if "learn" in wanted:
        yield "learn", _learned(product, rules)
    if "violations" in wanted:
        yield "violations", _violations(bench, product, rules, count, say)
    if "detection" in wanted:
        yield "detection", _detection(bench, folder, product, given, say)


def _learned(product: str, rules: RuleSet) -> dict[str, Any]:
    """Precision and recall against the generator's constraints; a rule that unseen good scenes break is not true."""
    wanted = set(CONSTRAINTS[product])
    broken: Counter[str] = Counter()
    for seed in range(UNSEEN):
        parts = _true_parts(_good_scene(product, FIRST_GOOD + 1000 + seed))
        broken.update(one.rule.id for one in rules.check(parts) if one.breaks)
    found = [rule.id for rule in rules.rules]
    true = [id for id in found if id in wanted and broken[id] <= (1 - HOLDS) * UNSEEN]
    return {
        "rules": len(found), "constraints": len(wanted), "precision": len(true) / len(found),
        "recall": len(true) / len(wanted), "false": sorted(set(found) - set(true)),
        "missed": sorted(wanted - set(true)), "false_alarms": dict(broken),
        "good_photos_that_break_none": 1 - min(1.0, sum(broken.values()) / UNSEEN),
    }  # fmt: skip


def _violations(
    bench: Workbench, product: str, rules: RuleSet, count: int, say: Callable[[str], None]
) -> dict[str, Any]:
    photos = list(_photos(bench, product))
    material = bench.material
    ctx = Context(concepts=material.concepts, normals=material, regions_of=material.regions)
    tally: dict[str, Counter[str]] = defaultdict(Counter)
    worst: list[str] = []
    for rule in rules.rules:
        for name in violation_names(rule):
            for index in range(count):
                photo = photos[int(numpy_rng(index, rule.id, name).integers(len(photos)))]
                plan = plan_violation(rules, rule, name, photo.parts, numpy_rng(index, "plan", rule.id, name))
                if plan is None:
                    tally[name]["not_planned"] += 1
                    continue
                try:
                    sample = make_violation(material, plan, photo.id, index, ctx)
                except InputError:
                    tally[name]["not_made"] += 1
                    continue
                said = _judged(photo, rule, plan, sample, rules)
                tally[name].update(["made", *(["true"] if not said[0] else []), *(["clean"] if not said[1] else [])])
                worst += [f"{plan.label} on {photo.id}: {why}" for why in said if why]
        say(f"{product}: {rule.id} broken")
    total = sum(tally.values(), Counter())
    made = max(total["made"], 1)
    return {
        **total, "true_share": total["true"] / made, "breaks_no_other": total["clean"] / made,
        "by_violation": {name: dict(one) for name, one in sorted(tally.items())}, "worst": worst[:40],
    }  # fmt: skip


def _judged(photo: _Photo, rule: Rule, plan: Violation, sample: Sample, rules: RuleSet) -> tuple[str, str]:
    """Why the violation is not true, and what else it breaks, in the renderer's own scene; "" if nothing."""
    parts, mask = _edited_truth(photo, plan, sample)
    broken = {one.rule.id for one in rules.check(parts) if one.breaks}
    untrue = "" if rule.id in broken else "the rendered edit does not break the rule"
    if not untrue and (overlap := iou(mask, sample.mask)) < LEAST_IOU:
        untrue = f"the mask overlaps the rendered change by {overlap:.2f}"
    others = sorted(broken - set(plan.breaks))
    return untrue, f"also breaks {', '.join(others)}" if others else ""


def _edited_truth(photo: _Photo, plan: Violation, sample: Sample) -> tuple[list[MeasuredPart], Mask]:
    """The parts of the same edit in the renderer, and where it changes; of a recolouring, the sample's own colours."""
    params = plan.params
    spec, slot = photo.scene.spec, _slot(photo.scene, params["region"], params["instance"])
    op = params["op"]
    if op == "recolour":
        return _true_parts(photo.scene, sample.image), photo.scene.instances[slot]
    if op == "remove":
        after = spec.without(slot)
    elif op == "move":
        after = spec.moved(slot, params["dx"] / SIDE, params["dy"] / SIDE)
    elif op == "swap":
        after = spec.swapped(slot, _slot(photo.scene, params["partner"], params["partner_instance"]))
    elif op == "rotate":
        after = _turned_in_place(photo.scene, slot, float(params.get("angle", 0)), float(params.get("scale", 1)))
    else:
        ys, xs = np.nonzero(sample.mask)
        after = spec.put(replace(spec.item(slot), slot="extra", x=xs.mean() / SIDE, y=ys.mean() / SIDE))
    twin = scenes.twins(spec, after, SIDE)
    return _true_parts(twin.after), twin.mask


def _turned_in_place(scene: Scene, slot: str, angle: float, scale: float) -> Spec:
    """The part turned and resized about its visible middle, as the engine does; parts of the renderer have pivots."""
    item = scene.spec.item(slot)
    after = scene.spec.put(replace(item, angle=item.angle + angle, size=item.size * scale))
    before = np.argwhere(scene.instances[slot]).mean(axis=0)
    there = np.argwhere(scenes.make(after, SIDE).instances[slot]).mean(axis=0)
    return after.moved(slot, (before[1] - there[1]) / SIDE, (before[0] - there[0]) / SIDE)


def _slot(scene: Scene, family: str, instance: int) -> str:
    """The renderer's name of an instance, which the project's regions come in the order of."""
    names = sorted(
        name for name, mask in scene.instances.items() if mask.any() and scene.spec.item(name).word == family
    )
    return str(names[instance - 1])


def _detection(
    bench: Workbench, folder: Path, product: str, given: Mapping[str, Any], say: Callable[[str], None]
) -> dict[str, Any]:
    """Metrics of the rules on rendered test photos, and of ``beside`` alone and with them, trained on violations."""
    from core.evaluation.localization import evaluate_detection
    from core.evaluation.photo_sets import read_photo_set

    beside = str(given.get("beside", ""))
    per_rule = int(given.get("per_rule", 4)) if beside else 1
    bench.rules.generate(per_rule=per_rule)
    test_folder = _test_photos(
        folder / "test", product, int(given.get("goods", 18)), int(given.get("repeats", 1)), say
    )
    train, test = read_photo_set(bench.path, "train"), read_photo_set(test_folder, "test")
    found: dict[str, Any] = {}
    kinds: list[tuple[str, str, dict[str, object]]] = [("rules", "rules", {})]
    if beside:
        kinds += [(beside, beside, {}), (f"{beside}+rules", "rules", {"beside": beside})]
    for name, detector, changes in kinds:
        result = evaluate_detection(train, test, detector=detector, params=changes, seeds=(0,))
        found[name] = {**result.metrics}
        say(f"{product}, {name}: image AUROC {result.metrics['image_auroc']:.3f}")
    return found


def _rendered_project(path: Path, product: str) -> Workbench:
    """A project of good photos with their true regions, named by their seeds."""
    bench = Workbench.create(path, product)
    with bench.project.transaction():
        for seed in range(FIRST_GOOD, FIRST_GOOD + GOODS):
            scene = _good_scene(product, seed)
            row = bench.project.add_normal(png_bytes(scene.image), ".png", f"{seed}.png", SIDE, SIDE, False, ())
            for name, mask in scenes.named_regions(scene).items():
                bench.project.set_region(row.id, name, mask_png_bytes(mask), "hand", 1.0)
    return bench


def _photos(bench: Workbench, product: str) -> Iterator[_Photo]:
    for row in bench.project.normals():
        parts = measure_regions(bench.material.normal(row.id).pixels, bench.material.regions(row.id))
        yield _Photo(row.id, _good_scene(product, int(Path(row.name).stem)), parts)


def _good_scene(product: str, seed: int) -> Scene:
    return scenes.make(scenes.normal(product, seed), SIDE)


def _true_parts(scene: Scene, image: Image | None = None) -> list[MeasuredPart]:
    """The parts of a scene by their true masks, on its own picture or on ``image``."""
    named = [(scene.spec.item(slot).word, mask) for slot, mask in scene.instances.items() if mask.any()]
    return measure_regions(scene.image if image is None else image, [Region(name, mask) for name, mask in named])
