"""``launch.py bench comgen-table``: what each part of ComGEN is worth to a detector (the paper's Table III).

On demo products, whose test photos are rendered anew: good ones, and faulty ones with exact masks. Every row learns
from the same photos of good parts and as many pairs; no row sees a real anomaly. Rows and cells are kept as those of
core.bench.realism are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.api import Workbench
from core.api.demo import ASSETS, make_demo
from core.bench.mini import ASSEMBLIES, UNSEEN_SEED
from core.bench.realism import RealismPlan, RealismTable
from core.bench.realism.environment import environment
from core.bench.realism.rows import TableRow, learn_concept, make_pairs
from core.demo import scenes
from core.errors import InputError
from core.evaluation.generation.pairs import GeneratedPair
from core.evaluation.photo_sets import Shot, read_photo_set
from core.evaluation.saturation import DEFECTS_CONFIG_FILE
from core.images import atomic_write, mask_png_bytes, png_bytes
from core.images.geometry import covered
from core.lookup import named
from core.types import GOOD

FIRST_SEED = UNSEEN_SEED + 5000
"""First seed of the test photos; no training and no other benchmark has them."""
RENDERED_SIDE, TESTED_SIDE = 1024, 512
"""Test photos are rendered and compressed as the shipped ones, then halved: what detectors see is the same."""
GOOD_PHOTOS, REPEATS = 36, 4
"""Good test photos, and how often each of the product's faults is shown."""
PAIRS = 25
"""Pairs of each part of a row."""

ONE_TEST = {"epochs": 4, "test_every": 4}
"""The training of every row: nothing looks at the test photos before its end."""
QUICK = {"epochs": 1, "samples": 16, "test_every": 1}

EDITS = (("missing", {"edit": "remove"}), ("extra", {"edit": "repeat"}), ("swapped", {"edit": "swap"}))
UNEDITED = (("odd", {"edit": "none"}),)
NOISE = {"mode": "noise", "d_max": 6.0, "candidates": 2}
DAMAGE: tuple[tuple[str, Mapping[str, Any]], ...] = (("scratch", {}), ("stain", {}), ("crack", {}))

Parts = tuple[tuple[str, Mapping[str, Any]], ...]


@dataclass(frozen=True)
class AblationRow(TableRow):
    """A row of ``parts`` (label, settings of the engine), each with as many pairs; in all as many as other rows have.

    ``learned`` is what the engine learned from the good photos: "components", "single", or "" for nothing.
    ``pairs_name`` names the pairs, so that rows may learn from the same ones; ``training`` are the ``detector``'s.
    """

    parts: Parts = ()
    learned: str = ""
    pairs_name: str = ""
    detector: str = "csda"
    training: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""


def _comgen_row(
    name: str, about: str, parts: Parts, shared: str, lesson: str = "components", **more: Any
) -> AblationRow:
    return AblationRow(name, "comgen", parts=parts, learned=lesson, pairs_name=shared, about=about, **more)


def _drawn_from_noise(parts: Parts, **more: Any) -> Parts:
    return tuple((label, {**NOISE, **more, **given}) for label, given in parts)


RANDOM_ASSOCIATION = {"association": "random"}
FROM_NOISE = _drawn_from_noise((EDITS[0], EDITS[1], UNEDITED[0]))
ROWS: tuple[AblationRow, ...] = (
    _comgen_row("comgen", "photos edited: the engine as it comes", EDITS, "comgen"),
    _comgen_row("comgen-rna", "the same pairs; any neighbour", EDITS, "comgen", training=RANDOM_ASSOCIATION),
    _comgen_row("comgen-csda", "the same pairs; a head on frozen features", EDITS, "comgen", detector="features"),
    _comgen_row("noise", "drawn from noise, as in the paper: MCL, PM, LS, RNA, CSDA", FROM_NOISE, "noise"),
    _comgen_row(
        "noise-rna", "masks and detector compare with any good photo",
        _drawn_from_noise((EDITS[0], EDITS[1], UNEDITED[0]), compare="photo"), "any", training=RANDOM_ASSOCIATION,
    ),
    _comgen_row("noise-pm-ls", "no edit, first picture", _drawn_from_noise(UNEDITED, candidates=1), "plain"),
    _comgen_row("noise-mcl", "one word for all, LS", _drawn_from_noise(UNEDITED), "single", "single"),
    AblationRow(
        "layout", "layout", pairs_name="layout", about="components cut out and pasted, no model",
        parts=(("missing", {"op": "remove"}), ("extra", {"op": "duplicate"}), ("swapped", {"op": "swap"})),
    ),
    AblationRow("cut_paste", "cut_paste", parts=DAMAGE, pairs_name="cut_paste", about="patches of the photo"),
    AblationRow("perlin", "perlin", parts=DAMAGE, pairs_name="perlin", about="textures in noise masks"),
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
    params: Mapping[str, object] | None = None,
    device: str = "auto",
    progress: Callable[[str], None] = lambda line: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Make the tables and return ``{"signature", "tables": {product: {"config", "rows"}}, "out"}``.

    ``rows`` are names of ROWS, ``count`` a third of a row's pairs; ``params`` change the training of ``csda``.
    InputError without ``out`` and for a folder that holds another table, NotFound for an unknown row.
    """
    if out is None:
        raise InputError("bench comgen-table: give --out (where pairs and tables go, and go on)")
    chosen = [_find_row(name) for name in rows] or list(ROWS)
    more = {**(QUICK if quick else ONE_TEST), **(params or {})}
    tables = {}
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for name in product or ASSEMBLIES:
            named(TITLES, name, "product")
            folder = out.expanduser() / name
            size = (4, 1) if quick else (GOOD_PHOTOS, REPEATS)
            test = _test_photos(folder / "test", name, *size, progress)
            plan = RealismPlan(
                ASSETS / name, test, folder, 2 if quick else count, 1 if quick else seeds, "cpu", "csda", more,
                device=device,
            )  # fmt: skip
            _project(folder / "project", name, whole=not quick).close()
            tables[name] = AblationTable(plan, chosen, progress, cancelled).run()
    finally:
        cv2.setNumThreads(before)
    return {"signature": environment(device), "out": str(out), "tables": tables}


class AblationTable(RealismTable):
    """The table of one product."""

    columns = {
        "image_auroc": "image AUROC",
        "spro": "AU-sPRO (FPR ≤ 5 %)",
        "pixel_ap": "pixel AP",
        "pixel_auroc": "pixel AUROC",
    }

    def photos(self) -> tuple[list[Shot], list[Shot]]:
        """The demo project's good photos, and the rendered test photos."""
        with Workbench.open(self.spec.out / "project") as bench:
            good = [Shot(f"{GOOD}/{row.id}", row.path, GOOD) for row in bench.project.normals()]
        return good, read_photo_set(self.spec.test, "test")

    def pairs(
        self, bench: Workbench, row: TableRow, labels: Sequence[str]
    ) -> tuple[list[GeneratedPair], dict[str, Any]]:
        """As many pairs for each row, in equal parts; rows with the same pairs share them."""
        assert isinstance(row, AblationRow)
        folder, common = self.spec.out / "pairs", dict[str, Any]()
        folder.mkdir(parents=True, exist_ok=True)
        facts: dict[str, Any] = {"about": row.about}
        if row.learned:
            lesson = {"title": TITLES[self.spec.data.name], "single": row.learned == "single"}
            taught = TableRow(row.name, row.engine, learning=lesson)
            found = learn_concept(bench, taught, (), folder / "concepts.json", self.report_line, self.cancelled)
            common["concept"], facts["learn_cpu_s"] = found["id"], found["cpu_s"]
        shots: list[GeneratedPair] = []
        for label, given in row.parts:
            part = TableRow(f"{row.pairs_name}-{label}", row.engine, {**common, **given})
            count = self.spec.count * len(EDITS) // len(row.parts)
            some, told = make_pairs(bench, part, [label], count, folder, self.report_line, self.cancelled)
            shots += some
            for key, value in told.items():
                facts[key] = round(facts.get(key, 0) + value, 1)
        return shots, facts

    def training(self, row: TableRow) -> dict[str, Any]:
        """The row's detector; others than csda as they come, but for what both have."""
        assert isinstance(row, AblationRow)
        changes = {**self.spec.params, **row.training}
        if row.detector != "csda":
            changes = {key: value for key, value in changes.items() if key in ("epochs", "samples", "test_every")}
        return {"detector": row.detector, "preset": self.spec.preset, "params": changes}


def _find_row(name: str) -> AblationRow:
    return named({variant.name: variant for variant in ROWS}, name, "row")


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
    told = json.loads((ASSETS / product / "demo.json").read_text())["photos"]
    seeds = {photo["file"]: int(photo["seed"]) for photo in told}
    with Workbench.open(part) as bench:
        for row in bench.project.normals() if whole else ():
            if not bench.project.regions(row.id):
                scene = scenes.make(scenes.normal(product, seeds[row.name]), row.width)
                for name, mask in scenes.named_regions(scene).items():
                    bench.project.set_region(row.id, name, mask_png_bytes(mask), "hand", 1.0)
    part.rename(path)
    return Workbench.open(path)


def _test_photos(root: Path, product: str, goods: int, repeats: int, say: Callable[[str], None]) -> Path:
    """Photos of unseen good and faulty parts in MVTec LOCO's layout; those that are there stay."""
    if (root / DEFECTS_CONFIG_FILE).is_file():
        return root
    for i in range(goods):
        _write(
            root / "test" / GOOD / f"{i:03d}.png",
            scenes.make(scenes.normal(product, FIRST_SEED + i), RENDERED_SIDE).image,
        )
    counts: dict[str, int] = {}
    for repeat in range(repeats):
        for place, fault in enumerate(scenes.FAULTS[product]):
            twin = scenes.faulty(product, FIRST_SEED + 1000 + 100 * repeat + place, fault, RENDERED_SIDE)
            group = f"{fault.kind}_anomalies"
            number = counts[group] = counts.get(group, -1) + 1
            _write(root / "test" / group / f"{number:03d}.png", twin.after.image)
            for i, mask in enumerate(twin.changes):
                small = covered(mask, (TESTED_SIDE, TESTED_SIDE))
                path = root / "ground_truth" / group / f"{number:03d}" / f"{i:03d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                atomic_write(path, mask_png_bytes(small))
    atomic_write(root / DEFECTS_CONFIG_FILE, (ASSETS / product / DEFECTS_CONFIG_FILE).read_bytes())
    say(f"{product}: rendered {goods} good and {sum(counts.values()) + len(counts)} faulty photos to test on")
    return root


def _write(path: Path, image: np.ndarray) -> None:
    flags = [cv2.IMWRITE_JPEG_QUALITY, scenes.JPEG_QUALITY]
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), flags)
    seen = cv2.cvtColor(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    path.parent.mkdir(parents=True, exist_ok=True)
    small = cv2.resize(seen, (TESTED_SIDE, TESTED_SIDE), interpolation=cv2.INTER_AREA)
    atomic_write(path, png_bytes(np.asarray(small, np.uint8)))
