"""``launch.py bench edits``: does an edited photo look as the edited part truly would?

Twins are rendered with and without the edit from seeds that nothing else uses. Each edit is made with this photo alone
and with more good photos of the product.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np

from core.bench.edits.blind import BlindPair, blind_figures, blind_pair
from core.bench.edits.card import card_figures
from core.bench.edits.extra import extra_figures
from core.bench.edits.measures import error_levels, ghost, iou, telea
from core.bench.edits.twins import OPS, EditTwin, GoodTwin, good_photos, twins
from core.demo.products import PRODUCTS
from core.engines.api import Context
from core.engines.registry import engine
from core.errors import InputError, NotFound, Unavailable
from core.methods.comgen.component_prompt import component_name
from core.types import Image, NormalImage, Region, Request, Sample

SIDES = (512, 1024)
GOODS = (1, 5, 24)
"""So many good photos are in the project, the edited one among them."""
COUNT = 16
"""Edits of each product and operation."""
EXTRA = "extra"
"""The row of extra parts at places of the engine's own choice."""
COMGEN = {"remove": "remove", "swap": "swap"}
"""Operations that the engine ``comgen`` is asked for, as its prompt edits."""
OTHER = "piece"
"""What parts are called that are of an edited part's kind and stay."""
LEAST_LEFT = 0.1
"""Share of a part's outline that must be laid bare for a ghost to be told."""
CARD = "card"
"""The row that measures the score card instead of an engine."""
BLIND = "blind"
"""The row of the blind test: is a photo without its part told from one that ``layout`` emptied?"""
WHOLE_ROWS = ((CARD, "remove"), (BLIND, "remove"), (EXTRA, "duplicate"))
"""Rows that are no engine's, with the operation whose twins they take."""
WORST = 95
"""Percentile of ``error_worst``."""


def measure(
    quick: bool = False,
    *,
    rows: Sequence[str] = (),
    product: Sequence[str] = (),
    count: int | None = None,
    params: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """``{ENGINE.OP: {SIDE: {GOODS: {"error_levels", "telea", "noise", "ghost", "mask_iou", ...}}}}``: medians.

    ``rows``: ``layout``, ``comgen`` or one operation of them, as ``layout.remove``; ``card``: how often the score card
    is right; ``blind``: how often a classifier tells an emptied place from one that was never taken; ``extra``:
    whether an extra part comes to lie where parts may lie. ``params``: ``side`` and ``goods`` take one of SIDES and
    GOODS alone; ``regions=0`` leaves the other photos' parts unnamed. NotFound for an unknown row or product.
    """
    given = dict(params or {})
    sides = [int(given.pop("side"))] if "side" in given else [SIDES[0]] if quick else list(SIDES)
    goods = [int(given.pop("goods"))] if "goods" in given else list(GOODS)
    regions = bool(int(given.pop("regions", 1)))
    if given:
        raise InputError(f"bench edits: --param {next(iter(given))} is not known; there are side, goods and regions")
    if strange := set(product) - set(PRODUCTS):
        raise NotFound(f"product {sorted(strange)[0]!r}: there are {', '.join(PRODUCTS)}")
    many = count or (1 if quick else COUNT)
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        plan = EditsPlan(tuple(product) or PRODUCTS, tuple(sides), tuple(goods), many, regions, progress)
        return {name if name in (CARD, BLIND) else f"{name}.{op}": plan.row(name, op) for name, op in _rows(rows)}
    finally:
        cv2.setNumThreads(before)


def _rows(rows: Sequence[str]) -> list[tuple[str, str]]:
    there = [("layout", op) for op in OPS] + [("comgen", op) for op in COMGEN] + list(WHOLE_ROWS)
    wanted = list(rows) or ["layout"]
    found = [pair for pair in there if pair[0] in wanted or ".".join(pair) in wanted]
    known = {name for pair in there for name in (pair[0], ".".join(pair))} - {".".join(pair) for pair in WHOLE_ROWS}
    if strange := [row for row in wanted if row not in known]:
        raise NotFound(f"row {strange[0]!r}: there are {', '.join(sorted(known))}")
    return found


@dataclass(frozen=True)
class TwinGoods:
    """A project's good photos, as an engine sees them."""

    photos: tuple[NormalImage, ...]
    regions: Mapping[str, tuple[Region, ...]] = field(default_factory=dict)

    def normal(self, normal_id: str) -> NormalImage:
        """The photo with this id."""
        for photo in self.photos:
            if photo.id == normal_id:
                return photo
        raise NotFound(f"photo {normal_id!r}: there are {', '.join(p.id for p in self.photos)}")

    def normal_ids(self) -> tuple[str, ...]:
        """The ids of all."""
        return tuple(photo.id for photo in self.photos)

    def regions_of(self, normal_id: str) -> tuple[Region, ...]:
        """The named regions of the photo, where it has any."""
        return self.regions.get(normal_id, ())

    def nearest(self, image: Image, cancelled: Callable[[], bool] = lambda: False) -> NormalImage:
        """The first one: no engine that this bench asks looks for the nearest."""
        return self.photos[0]


@dataclass(frozen=True)
class EditsPlan:
    """What is measured, and how much of it."""

    products: tuple[str, ...]
    sides: tuple[int, ...]
    goods: tuple[int, ...]
    count: int
    regions: bool
    say: Callable[[str], None]

    def row(self, name: str, op: str) -> dict[str, Any]:
        """The figures of one row."""
        if name == CARD:
            return self.card()
        if name == EXTRA:
            return self.extra()
        return self.blind() if name == BLIND else self.measured(name, op)

    def extra(self) -> dict[str, Any]:
        """``{SIDE: {PRODUCT: figures}}`` of extra parts at places of the engine's own choice."""
        return {str(side): {p: self._extra(p, side) for p in self.products} for side in self.sides}

    def _extra(self, product: str, side: int) -> dict[str, float]:
        others = good_photos(product, side, max(self.goods))[: max(self.goods) - 1]
        orders = twins(product, "duplicate", side, self.count)
        figures = extra_figures(orders, lambda twin: made("layout", twin, goods_of(twin, others, self.regions)))
        self.say(f"{EXTRA} {product} {side}: {figures}")
        return figures

    def blind(self) -> dict[str, Any]:
        """``{SIDE: {GOODS: figures}}`` of the blind test on removals by ``layout``, of all products and of each."""
        table: dict[str, Any] = {}
        for side in self.sides:
            for number in self.goods:
                found = {p: list(self._blind_pairs(p, side, number)) for p in self.products}
                every = [pair for some in found.values() for pair in some]
                figures = {**blind_figures(every), "products": {p: blind_figures(f) for p, f in found.items()}}
                table.setdefault(str(side), {})[str(number)] = figures
                self.say(f"{BLIND} {side} with {number}: {figures}")
        return table

    def _blind_pairs(self, product: str, side: int, number: int) -> Iterator[BlindPair]:
        others = good_photos(product, side, max(self.goods))[: number - 1]
        for twin in twins(product, "remove", side, self.count):
            sample = made("layout", twin, goods_of(twin, others, self.regions))
            yield blind_pair(twin, {"layout": sample.image})

    def measured(self, name: str, op: str) -> dict[str, Any]:
        """``{SIDE: {GOODS: figures}}`` of one engine and operation, with the figures of each product inside."""
        return {str(side): self._at(name, op, side) for side in self.sides}

    def card(self) -> dict[str, Any]:
        """``{SIDE: figures}`` of the score card on removals, with the figures of each product inside."""
        out: dict[str, Any] = {}
        for side in self.sides:
            by_product = {p: tuple(twins(p, "remove", side, self.count)) for p in self.products}
            every = (twin for some in by_product.values() for twin in some)
            out[str(side)] = {**card_figures(every), "products": {p: card_figures(t) for p, t in by_product.items()}}
            self.say(f"{CARD} {side}: {out[str(side)]}")
        return out

    def _at(self, name: str, op: str, side: int) -> dict[str, Any]:
        found: dict[str, dict[str, list[dict[str, float]]]] = {}
        for product in self.products:
            for twin in twins(product, op, side, self.count):
                for number in self.goods:
                    others = good_photos(product, side, max(self.goods))[: number - 1]
                    known = goods_of(twin, others, self.regions)
                    found.setdefault(str(number), defaultdict(list))[product].append(edited(name, twin, known))
        table: dict[str, Any] = {}
        for key, by_product in found.items():
            every = [f for some in by_product.values() for f in some]
            table[key] = {**summary(every), "products": {p: summary(f) for p, f in by_product.items()}}
            self.say(f"{name}.{op} {side} with {key}: {summary(every)}")
        return table


def goods_of(twin: EditTwin, others: Sequence[GoodTwin], regions: bool = True) -> TwinGoods:
    """A project with the twin's photo and ``others``, whose parts are named if ``regions``."""
    named = {one.photo.id: one.regions for one in others} if regions else {}
    return TwinGoods((twin.photo, *(one.photo for one in others)), named)


def edited(name: str, twin: EditTwin, known: TwinGoods) -> dict[str, float]:
    """The figures of one edit; {} with ``failed`` 1 where the engine refuses it."""
    began = time.process_time()
    try:
        sample = made(name, twin, known)
    except Unavailable:
        raise
    except InputError:
        return {"failed": 1.0}
    spent = time.process_time() - began
    return {"failed": 0.0, "cpu_s": spent, **figures(twin, sample)}


def figures(twin: EditTwin, sample: Sample) -> dict[str, float]:
    """How far a sample is from its twin."""
    found = {
        "error_levels": error_levels(sample.image, twin.levels, twin.changed),
        "noise": error_levels(twin.true, twin.levels, twin.changed),
        "mask_iou": iou(sample.mask, twin.changed),
    }
    # A round part that turns where it lies leaves no place behind.
    if (twin.outline & ~twin.arrived).sum() > LEAST_LEFT * twin.outline.sum():
        found["ghost"] = ghost(sample.image, twin.levels, twin.outline, twin.arrived)
    if twin.op == "remove":
        found["telea"] = error_levels(telea(twin.photo.pixels, twin.changed), twin.levels, twin.changed)
    return found


def made(name: str, twin: EditTwin, known: TwinGoods) -> Sample:
    """The sample that the engine makes of the twin's edit."""
    ctx = Context(normals=known, regions_of=known.regions_of)
    params, regions = (dict(twin.params), twin.regions) if name == "layout" else _prompt_edit(twin)
    request = Request(twin.photo, twin.op, params, twin.seed, regions=regions)
    return next(iter(engine(name).generate(request, ctx)))


def _prompt_edit(twin: EditTwin) -> tuple[dict[str, Any], tuple[Region, ...]]:
    """The twin's edit as one of a prompt, which names kinds: other parts of the edited kinds are called otherwise."""
    edited = [twin.target, *([twin.params["partner"]] if "partner" in twin.params else [])]
    kinds = [component_name(name) for name in edited]
    regions = tuple(
        replace(region, name=f"{OTHER} {i}")
        if component_name(region.name) in kinds and region.name not in edited
        else region
        for i, region in enumerate(twin.regions, 1)
    )
    return {"edit": f"{COMGEN[twin.op]}:{','.join(kinds)}"}, regions


def summary(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Medians of what was found, the worst errors, and how many edits were refused."""
    done = [f for f in found if not f["failed"]]
    out: dict[str, float] = {"edits": float(len(found)), "failed": float(len(found) - len(done))}
    for key in ("error_levels", "telea", "noise", "ghost", "mask_iou", "cpu_s"):
        if values := [f[key] for f in done if key in f]:
            out[key] = round(float(np.median(values)), 3)
    if done:
        out["error_worst"] = round(float(np.percentile([f["error_levels"] for f in done], WORST)), 2)
        out["mask_iou_worst"] = round(float(np.percentile([f["mask_iou"] for f in done], 100 - WORST)), 3)
    if ghosts := [f["ghost"] for f in done if "ghost" in f]:
        out["ghost_worst"] = round(float(np.percentile(ghosts, WORST)), 2)
    return out
