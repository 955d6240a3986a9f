"""``launch.py bench comgen-table``: what each part of ComGEN is worth to a detector (the paper's Table III).

On demo products, whose test photos are rendered anew: good ones, and faulty ones with exact masks. Every row learns
from the same photos of good parts and as many pairs; no row sees a real anomaly. Rows and cells are kept as those of
core.bench.realism are.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.api import Workbench
from core.api.demo import ASSETS, make_demo
from core.bench.mini import ASSEMBLIES, UNSEEN, _renderer
from core.bench.realism import RealismPlan, RealismTable
from core.bench.realism.environment import signature
from core.bench.realism.rows import Row, concept_of, make_pairs
from core.errors import InputError
from core.evaluation.generation.pairs import GeneratedPair
from core.evaluation.photo_sets import Shot, read_set
from core.evaluation.saturation import CONFIG
from core.images import atomic_write, mask_png_bytes, png_bytes
from core.images.geometry import covered
from core.lookup import named
from core.types import GOOD

FIRST = UNSEEN + 5000
"""First seed of the test photos; no training and no other benchmark has them."""
SHOWN_AT, TESTED_AT = 1024, 512
"""Test photos are rendered and compressed as the shipped ones, then halved: what detectors see is the same."""
GOODS, REPEATS = 36, 4
"""Good test photos, and how often each of the product's faults is shown."""
PAIRS = 25
"""Pairs of each part of a row."""

ONCE = {"epochs": 4, "test_every": 4}
"""The training of every row: nothing looks at the test photos before its end."""
QUICK = {"epochs": 1, "samples": 16, "test_every": 1}

EDITS = (("missing", {"edit": "remove"}), ("extra", {"edit": "repeat"}), ("swapped", {"edit": "swap"}))
BY_CHANCE = (("odd", {"edit": "none"}),)
NOISE = {"mode": "noise", "d_max": 6.0, "candidates": 2}
DAMAGE: tuple[tuple[str, Mapping[str, Any]], ...] = (("scratch", {}), ("stain", {}), ("crack", {}))

Parts = tuple[tuple[str, Mapping[str, Any]], ...]


@dataclass(frozen=True)
class Variant(Row):
    """A row of ``parts`` (label, settings of the engine), each with as many pairs; in all as many as other rows have.

    ``lesson`` is what the engine learned from the good photos: "components", "single", or "" for nothing. ``shared``
    names the pairs, so that rows may learn from the same ones; ``by`` and ``training`` are the detector's.
    """

    parts: Parts = ()
    lesson: str = ""
    shared: str = ""
    by: str = "csda"
    training: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""


def _comgen(name: str, about: str, parts: Parts, shared: str, lesson: str = "components", **more: Any) -> Variant:
    return Variant(name, "comgen", parts=parts, lesson=lesson, shared=shared, about=about, **more)


def _noise(parts: Parts, **more: Any) -> Parts:
    return tuple((label, {**NOISE, **more, **given}) for label, given in parts)


ANYHOW = {"association": "random"}
FROM_NOISE = _noise((EDITS[0], EDITS[1], BY_CHANCE[0]))
VARIANTS: tuple[Variant, ...] = (
    _comgen("comgen", "photos edited: the engine as it comes", EDITS, "comgen"),
    _comgen("comgen-rna", "the same pairs; compared with any good photo", EDITS, "comgen", training=ANYHOW),
    _comgen("comgen-csda", "the same pairs; a head on frozen features", EDITS, "comgen", by="features"),
    _comgen("noise", "drawn from noise, as in the paper: MCL, PM, LS, RNA, CSDA", FROM_NOISE, "noise"),
    _comgen(
        "noise-rna", "masks and detector compare with any good photo",
        _noise((EDITS[0], EDITS[1], BY_CHANCE[0]), compare="photo"), "any", training=ANYHOW,
    ),
    _comgen("noise-pm-ls", "no edit, first picture", _noise(BY_CHANCE, candidates=1), "plain"),
    _comgen("noise-mcl", "one word for all, LS", _noise(BY_CHANCE), "single", "single"),
    Variant(
        "layout", "layout", shared="layout", about="components cut out and pasted, no model",
        parts=(("missing", {"op": "remove"}), ("extra", {"op": "duplicate"}), ("swapped", {"op": "swap"})),
    ),
    Variant("cut_paste", "cut_paste", parts=DAMAGE, shared="cut_paste", about="patches of the photo"),
    Variant("perlin", "perlin", parts=DAMAGE, shared="perlin", about="textures in noise masks"),
)  # fmt: skip
"""In the order of the table; after the dash stands what of ComGEN a row does without."""
TITLES = {"fastener_tray": "a fastener tray", "gear_unit": "a gear unit"}


def measure(
    quick: bool = False,
    *,
    out: Path | None = None,
    product: Sequence[str] = (),
    rows: Sequence[str] = (),
    seeds: int = 3,
    count: int = PAIRS,
    params: Mapping[str, Any] | None = None,
    device: str = "auto",
    progress: Callable[[str], None] = lambda line: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Make the tables and return ``{"signature", "tables": {product: {"config", "rows"}}, "out"}``.

    ``rows`` are names of VARIANTS, ``count`` a third of a row's pairs; ``params`` change the training of ``csda``.
    InputError without ``out`` and for a folder that holds another table, NotFound for an unknown row.
    """
    if out is None:
        raise InputError("bench comgen-table: give --out (where pairs and tables go, and go on)")
    chosen = [_variant(name) for name in rows] or list(VARIANTS)
    more = {**(QUICK if quick else ONCE), **(params or {})}
    tables = {}
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for name in product or ASSEMBLIES:
            named(TITLES, name, "product")
            folder = out.expanduser() / name
            size = (4, 1) if quick else (GOODS, REPEATS)
            test = _test_photos(folder / "test", name, *size, progress)
            plan = RealismPlan(
                ASSETS / name, test, folder, 2 if quick else count, 1 if quick else seeds, "cpu", "csda", more,
                device=device,
            )  # fmt: skip
            _project(folder / "project", name, whole=not quick).close()
            tables[name] = Ablation(plan, chosen, progress, cancelled).make()
    finally:
        cv2.setNumThreads(before)
    return {"signature": signature(device), "out": str(out), "tables": tables}


class Ablation(RealismTable):
    """The table of one product."""

    columns = {
        "image_auroc": "image AUROC",
        "spro": "AU-sPRO (FPR ≤ 5 %)",
        "pixel_ap": "pixel AP",
        "pixel_auroc": "pixel AUROC",
    }

    def photos(self) -> tuple[list[Shot], list[Shot]]:
        """The demo project's good photos, and the rendered test photos."""
        with Workbench.open(self.plan.out / "project") as bench:
            good = [Shot(f"{GOOD}/{row.id}", row.path, GOOD) for row in bench.project.normals()]
        return good, read_set(self.plan.test, "test")

    def pairs(self, bench: Workbench, row: Row, labels: Sequence[str]) -> tuple[list[GeneratedPair], dict[str, Any]]:
        """As many pairs for each row, in equal parts; rows with the same pairs share them."""
        assert isinstance(row, Variant)
        folder, common = self.plan.out / "pairs", dict[str, Any]()
        folder.mkdir(parents=True, exist_ok=True)
        facts: dict[str, Any] = {"about": row.about}
        if row.lesson:
            lesson = {"title": TITLES[self.plan.data.name], "single": row.lesson == "single"}
            taught = Row(row.name, row.engine, learning=lesson)
            found = concept_of(bench, taught, (), folder / "concepts.json", self.say, self.cancelled)
            common["concept"], facts["learn_cpu_s"] = found["id"], found["cpu_s"]
        shots: list[GeneratedPair] = []
        for label, given in row.parts:
            part = Row(f"{row.shared}-{label}", row.engine, {**common, **given})
            count = self.plan.count * len(EDITS) // len(row.parts)
            some, told = make_pairs(bench, part, [label], count, folder, self.say, self.cancelled)
            shots += some
            for key, value in told.items():
                facts[key] = round(facts.get(key, 0) + value, 1)
        return shots, facts

    def training(self, row: Row) -> dict[str, Any]:
        """The row's detector; others than csda as they come, but for what both have."""
        assert isinstance(row, Variant)
        changes = {**self.plan.params, **row.training}
        if row.by != "csda":
            changes = {key: value for key, value in changes.items() if key in ("epochs", "samples", "test_every")}
        return {"detector": row.by, "preset": self.plan.preset, "params": changes}


def _variant(name: str) -> Variant:
    return named({variant.name: variant for variant in VARIANTS}, name, "row")


def _project(path: Path, product: str, whole: bool) -> Workbench:
    """The demo project. With ``whole`` every photo has its regions: those that are not shipped are rendered, as if
    drawn by hand."""
    if path.is_dir():
        return Workbench.open(path)
    part = path.with_name(f"{path.name}.part")
    if part.exists():
        import shutil

        shutil.rmtree(part)
    make_demo(part, product)
    scenes, ship = _renderer(), importlib.import_module("tools.demo_product.ship")
    told = json.loads((ASSETS / product / "demo.json").read_text())["photos"]
    seeds = {photo["file"]: int(photo["seed"]) for photo in told}
    with Workbench.open(part) as bench:
        for row in bench.project.normals() if whole else ():
            if not bench.project.regions(row.id):
                scene = scenes.make(scenes.normal(product, seeds[row.name]), row.width)
                for name, mask in ship.regions(scene).items():
                    bench.project.set_region(row.id, name, mask_png_bytes(mask), "hand", 1.0)
    part.rename(path)
    return Workbench.open(path)


def _test_photos(root: Path, product: str, goods: int, repeats: int, say: Callable[[str], None]) -> Path:
    """Photos of unseen good and faulty parts in MVTec LOCO's layout; those that are there stay."""
    if (root / CONFIG).is_file():
        return root
    scenes = _renderer()
    for i in range(goods):
        _write(root / "test" / GOOD / f"{i:03d}.png", scenes.make(scenes.normal(product, FIRST + i), SHOWN_AT).image)
    counts: dict[str, int] = {}
    for repeat in range(repeats):
        for place, fault in enumerate(scenes.FAULTS[product]):
            twin = scenes.faulty(product, FIRST + 1000 + 100 * repeat + place, fault, SHOWN_AT)
            group = f"{fault.kind}_anomalies"
            number = counts[group] = counts.get(group, -1) + 1
            _write(root / "test" / group / f"{number:03d}.png", twin.after.image)
            for i, mask in enumerate(twin.changes):
                small = covered(mask, (TESTED_AT, TESTED_AT))
                path = root / "ground_truth" / group / f"{number:03d}" / f"{i:03d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                atomic_write(path, mask_png_bytes(small))
    atomic_write(root / CONFIG, (ASSETS / product / CONFIG).read_bytes())
    say(f"{product}: rendered {goods} good and {sum(counts.values()) + len(counts)} faulty photos to test on")
    return root


def _write(path: Path, image: np.ndarray) -> None:
    ship = importlib.import_module("tools.demo_product.ship")
    quality = next(iter(ship.QUALITY.values()))
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    seen = cv2.cvtColor(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    path.parent.mkdir(parents=True, exist_ok=True)
    small = cv2.resize(seen, (TESTED_AT, TESTED_AT), interpolation=cv2.INTER_AREA)
    atomic_write(path, png_bytes(np.asarray(small, np.uint8)))
