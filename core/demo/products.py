"""The three demo products: how a good one is built, how far good ones differ, and what goes wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from core.demo.flaws import FLAWS
from core.demo.spec import Camera, Ground, Item, SceneFlaw, Spec

Rng = np.random.Generator
ANYWHERE = (0.15, 0.85), (0.38, 0.70)
"""Where flaws lie that have no place of their own: ranges of x and of y, in sides."""
Kind = Literal["structural", "logical"]

PRODUCTS = ("fastener_tray", "gear_unit", "brushed_plate")
TRAY_X, TRAY_Y = (0.165, 0.5, 0.83), (0.25, 0.75)
"""Centres of the tray's pockets; 3 columns, 2 rows."""
POCKETS = {"bolt": (0, 0), "nut": (1, 0), "washer": (2, 0), "spring": (0, 1), "clip": (1, 1), "cap": (2, 1)}
SIZES = {"bolt": 0.31, "nut": 0.185, "washer": 0.145, "spring": 0.285, "clip": 0.21, "cap": 0.205, "pin": 0.23}
FLOOR, RIM, TOP = 1.029, 1.077, 1.045
"""How much nearer to the camera than z = 0 the housing's floor, its rim and the parts' middles are."""
GEAR_SIZES = {"gear": 0.465, "pinion": 0.2485, "bearing": 0.253, "screw": 0.106, "lever": 0.30}
GEAR_PLACES = {"gear": (-0.30, 0.14), "pinion": (0.345, 0.14), "bearing": (0.42, -0.52), "lever": (-0.40, -0.66)}
"""The housing's shafts and seats, in -1..1, y up."""
SCREW_AT = 0.8
TURNS = {"lever": 15.0}


def _place(x: float, y: float, nearer: float) -> tuple[float, float]:
    return 0.5 + x * nearer / 2, 0.5 - y * nearer / 2


def camera(rng: Rng, varied: bool) -> Camera:
    """One exposure of a station in daily use; ``varied`` for training: other stations too."""
    k = 2.5 if varied else 1.0
    return Camera(
        seed=int(rng.integers(2**31)),
        dx=float(rng.normal(0, 0.0025 * k)),
        dy=float(rng.normal(0, 0.0025 * k)),
        roll=float(rng.normal(0, 0.25 * k)),
        gain=float(np.clip(rng.normal(1.10, 0.035 * k), 0.8, 1.35)),
        warmth=float(rng.normal(0.004, 0.007 * k)),
        tint=float(rng.normal(0, 0.0025 * k)),
        vignette=float(rng.uniform(0.10, 0.16)),
        blur=float(rng.uniform(0.7, 1.1)),
        noise=float(rng.uniform(0.6, 0.9) * (1.8 if varied else 1.0)),
    )


def _tray_items(rng: Rng) -> tuple[Item, ...]:
    items = []
    for name, (column, row) in POCKETS.items():
        x, y = TRAY_X[column], TRAY_Y[row]
        if name == "washer":
            for number, dy in ((1, -0.088), (2, 0.088)):
                at = x + rng.uniform(-0.045, 0.045), y + dy + rng.uniform(-0.012, 0.012)
                items.append(Item(f"washer_{number}", "washer", *at, SIZES[name], float(rng.uniform(0, 30))))
            continue
        long = name in ("bolt", "spring")
        angle = rng.choice([90, 270]) + rng.uniform(-22, 22) if long else rng.uniform(0, 360)
        reach = (0.022, 0.018) if long else (0.022, 0.085)
        at = x + rng.uniform(-1, 1) * reach[0], y + rng.uniform(-1, 1) * reach[1]
        items.append(Item(name, name, *at, SIZES[name], float(angle)))
    return tuple(items)


def _gear_items(rng: Rng) -> tuple[Item, ...]:
    turn = float(rng.uniform(0, 360))
    angles = {"gear": turn, "pinion": 15 - 2 * turn, "bearing": float(rng.uniform(0, 40))}
    angles["lever"] = TURNS["lever"] + float(rng.normal(0, 2.0))
    items = []
    for name, (x, y) in GEAR_PLACES.items():
        items.append(Item(name, name, *_place(x, y, TOP), GEAR_SIZES[name] * TOP, angles[name]))
    for number, (sx, sy) in enumerate(((-1, 1), (1, 1), (-1, -1), (1, -1)), 1):
        at = _place(sx * SCREW_AT, sy * SCREW_AT, RIM)
        items.append(Item(f"screw_{number}", "screw", *at, GEAR_SIZES["screw"] * RIM, float(rng.uniform(0, 60))))
    return tuple(items)


_ITEMS: dict[str, Callable[[Rng], tuple[Item, ...]]] = {"fastener_tray": _tray_items, "gear_unit": _gear_items}
"""The parts of a good one; the brushed plate has none."""


def normal(product: str, seed: int) -> Spec:
    """A good one, as the station sees it on one of many days."""
    rng = np.random.default_rng([seed, PRODUCTS.index(product), 11])
    items = _ITEMS[product](rng) if product in _ITEMS else ()
    # Trays come back; every plate and every housing is a piece of its own.
    ground = Ground(int(rng.integers(4)) if product == "fastener_tray" else int(rng.integers(2**31)))
    return Spec(product, seed, items, (), ground, camera(rng, False))


def varied(product: str, seed: int, keep: float = 0.75) -> Spec:
    """For training: each part is there with the chance ``keep``; some are swapped, of other stuff or flawed."""
    rng = np.random.default_rng([seed, PRODUCTS.index(product), 12])
    spec = normal(product, seed)
    for item in spec.items:
        if rng.random() > keep:
            spec = spec.without(item.slot)
    pockets = [item.slot for item in spec.items if item.slot in POCKETS]
    if len(pockets) > 1 and rng.random() < 0.25:
        spec = spec.swapped(*map(str, rng.choice(pockets, 2, replace=False)))
    for item in spec.items:
        others = ALTERNATIVES.get(item.kind)
        if others and rng.random() < 0.15:
            spec = spec.remade(item.slot, others)
    red, green, blue = (float(c) for c in np.clip(rng.normal(1.0, 0.06, 3) * rng.uniform(0.75, 1.2), 0.5, 1.4))
    ground = Ground(int(rng.integers(2**31)), (red, green, blue), float(rng.uniform(0.6, 1.6)))
    spec = replace(spec, ground=ground, camera=camera(rng, True))
    if rng.random() < (0.5 if product == "brushed_plate" else 0.1):
        spec = spec.flawed(flaw(str(rng.choice(FLAWS)), rng))
    return spec


def flaw(name: str, rng: Rng, x: tuple[float, float] = ANYWHERE[0], y: tuple[float, float] = ANYWHERE[1]) -> SceneFlaw:
    """A flaw of usual size somewhere in the given ranges."""
    low, high = {"scratch": (0.18, 0.42), "dent": (0.06, 0.11), "crack": (0.16, 0.34), "stain": (0.13, 0.26)}[name]
    at = float(rng.uniform(*x)), float(rng.uniform(*y))
    size, angle = float(rng.uniform(low, high)), float(rng.uniform(0, 360))
    return SceneFlaw(name, *at, size, angle, int(rng.integers(2**31)), float(rng.uniform(0.85, 1.25)))


ALTERNATIVES = {"bolt": "bolt_black", "nut": "nut_steel", "washer": "washer_copper", "cap": "cap_blue"}
ALTERNATIVES |= {"gear": "gear_brass", "screw": "screw_steel"}


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong; ``edit`` makes a good spec faulty."""

    label: str
    kind: Kind
    edit: Callable[[Spec, Rng], Spec]


def _extra(kind: str, slot: str, size: float, pocket: str | None) -> Callable[[Spec, Rng], Spec]:
    def edit(spec: Spec, rng: Rng) -> Spec:
        if pocket is None:
            x, y = rng.uniform(0.42, 0.56), rng.uniform(0.68, 0.80)
        else:
            column, row = POCKETS[pocket]
            x, y = TRAY_X[column] + rng.uniform(-0.035, 0.035), TRAY_Y[row] + rng.uniform(0.085, 0.11)
            if spec.item(pocket).y > TRAY_Y[row]:  # where there is more room
                y = 2 * TRAY_Y[row] - y
        return spec.put(Item(slot, kind, float(x), float(y), size, float(rng.uniform(0, 360))))

    return edit


def _damaged(
    name: str, x: tuple[float, float] = ANYWHERE[0], y: tuple[float, float] = ANYWHERE[1]
) -> Callable[[Spec, Rng], Spec]:
    return lambda spec, rng: spec.flawed(flaw(name, rng, x, y))


def _onto_the_wall(spec: Spec, rng: Rng) -> Spec:
    washer = spec.item("washer_1")
    return spec.put(replace(washer, x=0.655 + float(rng.uniform(-0.012, 0.012))))


def _twice(spec: Spec, rng: Rng) -> Spec:
    return spec.flawed(flaw("scratch", rng)).flawed(flaw("dent", rng))


FAULTS: dict[str, tuple[Fault, ...]] = {
    "fastener_tray": (
        Fault("missing_bolt", "logical", lambda s, r: s.without("bolt")),
        Fault("missing_nut", "logical", lambda s, r: s.without("nut")),
        Fault("missing_washer", "logical", lambda s, r: s.without(str(r.choice(["washer_1", "washer_2"])))),
        Fault("missing_clip", "logical", lambda s, r: s.without("clip")),
        Fault("swapped", "logical", lambda s, r: s.swapped("nut", "cap")),
        Fault("extra_nut", "logical", _extra("nut", "nut_2", SIZES["nut"], "cap")),
        Fault("foreign_pin", "logical", _extra("pin", "pin", SIZES["pin"], "clip")),
        Fault("wrong_bolt", "logical", lambda s, r: s.remade("bolt", "bolt_black")),
        Fault("wrong_nut", "logical", lambda s, r: s.remade("nut", "nut_steel")),
        Fault("misplaced_washer", "logical", _onto_the_wall),
        Fault("stain", "structural", _damaged("stain", (0.45, 0.55), (0.64, 0.84))),
        Fault("crack", "structural", _damaged("crack", (0.34, 0.66), (0.40, 0.60))),
    ),
    "gear_unit": (
        Fault("missing_screw", "logical", lambda s, r: s.without(f"screw_{r.integers(1, 5)}")),
        Fault("missing_bearing", "logical", lambda s, r: s.without("bearing")),
        Fault("missing_pinion", "logical", lambda s, r: s.without("pinion")),
        Fault("wrong_gear", "logical", lambda s, r: s.remade("gear", "gear_brass")),
        Fault("wrong_screw", "logical", lambda s, r: s.remade(f"screw_{r.integers(1, 5)}", "screw_steel")),
        Fault("turned_lever", "logical", lambda s, r: s.turned("lever", float(r.choice([60, 90, 130])))),
        Fault(
            "misplaced_pinion", "logical", lambda s, r: s.moved("pinion", r.uniform(0.05, 0.09), r.uniform(-0.1, 0.1))
        ),
        Fault("swapped", "logical", lambda s, r: s.swapped("pinion", "bearing")),
        Fault("loose_screw", "logical", _extra("screw", "screw_5", GEAR_SIZES["screw"], None)),
        Fault("scratch", "structural", _damaged("scratch", (0.45, 0.6), (0.13, 0.22))),
        Fault("stain", "structural", _damaged("stain", (0.52, 0.62), (0.66, 0.8))),
        Fault("crack", "structural", _damaged("crack", (0.6, 0.8), (0.12, 0.22))),
    ),
    "brushed_plate": (
        *(Fault(name, "structural", _damaged(name)) for name in FLAWS),
        Fault("scratch_and_dent", "structural", _twice),
    ),
}
"""Per product, in the order in which they are shipped."""
