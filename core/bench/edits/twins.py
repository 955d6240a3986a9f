"""Rendered twins for ``bench edits``: a photo, the edit that is asked for, and how the edited part truly looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from core.bench.mini import UNSEEN_SEED
from core.demo import compose, grounds, scenes
from core.demo.products import FLOOR, GEAR_PLACES, PRODUCTS, TRAY_X, TRAY_Y
from core.demo.scenes import Scene
from core.demo.spec import Item, Spec
from core.types import Image, Mask, NormalImage, Region

FIRST_SEED = UNSEEN_SEED + 79_000_000
"""First seed of the edited photos; no training and no other benchmark has them, and neither engines nor the score card
were fitted to them."""
GOODS_SEED = FIRST_SEED + 1_000_000
"""First seed of the other good photos of the product."""
OPS = ("remove", "move", "swap", "replace", "rotate", "duplicate")
"""Operations whose true outcome can be rendered; a mirrored part cannot."""
TRIES = 60
ON_PLATE = (("nut", 0.185, (0.31, 0.52)), ("washer", 0.145, (0.69, 0.52)))
"""What lies on the brushed plate, which has no loose parts of its own: kind, size, middle (x, y), in sides."""
ROOM = 4 / 512
"""Sides by which a part that is moved or added keeps clear of others."""


@dataclass(frozen=True)
class EditTwin:
    """One edit with its truth.

    ``levels``: float32 (H, W, 3), 0..255, the edited scene without noise; ``true``: the same with this camera's noise;
    ``changed``: bool (H, W), where the edited scene visibly differs from ``photo``; ``outline``: bool (H, W), the part
    that goes away, empty where none does; ``arrived``: bool (H, W), the parts that have come to lie where they did not
    before; ``floor``: bool (H, W), where parts may lie; ``params`` ask the engine ``layout`` for just this edit.
    """

    product: str
    op: str
    photo: NormalImage
    regions: tuple[Region, ...]
    levels: np.ndarray
    true: Image
    changed: Mask
    outline: Mask
    arrived: Mask
    params: Mapping[str, Any]
    target: str
    seed: int
    floor: Mask


def good_spec(product: str, seed: int) -> Spec:
    """A good part as the station sees it; two loose parts lie on the brushed plate."""
    spec = scenes.normal(product, seed)
    if product != "brushed_plate":
        return spec
    rng = np.random.default_rng([seed, 77])
    for kind, size, (x, y) in ON_PLATE:
        at = x + float(rng.uniform(-0.05, 0.05)), y + float(rng.uniform(-0.07, 0.07))
        spec = spec.put(Item(kind, kind, *at, size, float(rng.uniform(0, 60))))
    return spec


def parts_of(scene: Scene) -> dict[str, Mask]:
    """The loose parts of a scene by name; openings of the plate are not loose."""
    return {item.slot: scene.instances[item.slot] for item in scene.spec.items if scene.instances[item.slot].any()}


def regions_of(scene: Scene) -> tuple[Region, ...]:
    """The named regions of a scene, as a person would have them."""
    return tuple(Region(name, mask) for name, mask in scenes.named_regions(scene).items())


@dataclass(frozen=True)
class GoodTwin:
    """A good photo of the product and what a person named on it."""

    photo: NormalImage
    regions: tuple[Region, ...]


@lru_cache(maxsize=6)
def good_photos(product: str, side: int, count: int) -> tuple[GoodTwin, ...]:
    """The product's other good photos."""
    made = (scenes.make(good_spec(product, GOODS_SEED + i), side) for i in range(count))
    return tuple(
        GoodTwin(NormalImage(f"{product}-{i}", f"{i:03d}.png", scene.image), regions_of(scene))
        for i, scene in enumerate(made)
    )


def twins(product: str, op: str, side: int, count: int) -> Iterator[EditTwin]:
    """``count`` edits of different photos; parts take turns."""
    found, seed = 0, FIRST_SEED + 10_000 * OPS.index(op) + 100_000 * PRODUCTS.index(product)
    while found < count:
        made = _twin(product, op, side, seed)
        seed += 1
        if made is not None:
            found += 1
            yield made


def _twin(product: str, op: str, side: int, seed: int) -> EditTwin | None:
    """The edit of one photo; None where it has no room for it."""
    spec = good_spec(product, seed)
    before = scenes.make(spec, side)
    parts = parts_of(before)
    slot = list(parts)[seed % len(parts)]
    edit = _EDITS[op](_Edit(before, parts, slot, np.random.default_rng([seed, 5])))
    if edit is None:
        return None
    after_spec, params, gone = edit
    twin = scenes.twins(spec, after_spec, side)
    photo = NormalImage(f"{product}-{op}-{seed}", f"{seed}.png", before.image)
    names = {s: s.replace("_", " ") for s in parts}
    given = {"op": op, "region": names[slot], **params}
    put = [twin.after.instances[i.slot] for i in after_spec.items if i not in spec.items]
    return EditTwin(
        product=product,
        op=op,
        photo=photo,
        regions=regions_of(before),
        levels=twin.after.levels,
        true=twin.after.image,
        changed=twin.mask,
        outline=_union([parts[s] for s in gone], side),
        arrived=_union(put, side),
        params=given,
        target=names[slot],
        seed=seed,
        floor=allowed_floor(product, before),
    )


def _union(masks: Sequence[Mask], side: int) -> Mask:
    return np.asarray(np.logical_or.reduce([*masks, np.zeros((side, side), np.bool_)]), np.bool_)


@dataclass(frozen=True)
class _Edit:
    """What an edit may be made of."""

    scene: Scene
    parts: Mapping[str, Mask]
    slot: str
    rng: np.random.Generator

    @property
    def side(self) -> int:
        return int(self.scene.image.shape[0])

    def item_shift(self, dy: int, dx: int) -> tuple[float, float]:
        """A shift in pixels as one of the spec (x, y), in sides."""
        turn = compose.frame(self.scene.spec.camera, self.side)[:, :2]
        x, y = np.linalg.solve(turn, [dx, dy])
        return float(x), float(y)

    def taken(self, *free: str) -> Mask:
        """Where parts other than ``free`` lie, with some room."""
        mask = _union([mask for name, mask in self.parts.items() if name not in free], self.side)
        reach = max(1, round(ROOM * self.side))
        return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0)

    def place(self, keep: bool) -> tuple[int, int] | None:
        """A shift (down, right) in pixels to allowed free ground; with ``keep`` the part stays where it is too."""
        mask, floor = self.parts[self.slot], allowed_floor(self.scene.spec.product, self.scene)
        bad = self.taken(*(() if keep else (self.slot,))) | ~floor
        rows, columns = np.nonzero(mask)
        for _ in range(TRIES):
            dy, dx = (int(v) for v in np.rint(self.rng.uniform(-0.6, 0.6, 2) * self.side))
            y, x = rows + dy, columns + dx
            if (
                min(y.min(), x.min()) < 3
                or max(y.max(), x.max()) > self.side - 4
                or np.hypot(dy, dx) < 0.1 * self.side
            ):
                continue
            if not bad[y, x].any():
                return dy, dx
        return None


def _centre(mask: Mask) -> np.ndarray:
    return np.asarray(np.argwhere(mask).mean(0))


Outcome = tuple[Spec, dict[str, Any], tuple[str, ...]]


def _remove(edit: _Edit) -> Outcome | None:
    return edit.scene.spec.without(edit.slot), {}, (edit.slot,)


def _move(edit: _Edit) -> Outcome | None:
    if (to := edit.place(keep=False)) is None:
        return None
    spec = edit.scene.spec.moved(edit.slot, *edit.item_shift(*to))
    return spec, {"dy": to[0], "dx": to[1]}, (edit.slot,)


def _duplicate(edit: _Edit) -> Outcome | None:
    if (to := edit.place(keep=True)) is None:
        return None
    item = edit.scene.spec.item(edit.slot)
    x, y = edit.item_shift(*to)
    extra = replace(item, slot=f"{item.slot} copy", x=item.x + x, y=item.y + y)
    return edit.scene.spec.put(extra), {"dy": to[0], "dx": to[1]}, ()


def _partner(edit: _Edit) -> tuple[str, int, int] | None:
    """Another part and the shift (down, right) from this one's middle to its."""
    others = [name for name in edit.parts if edit.scene.spec.item(name).kind != edit.scene.spec.item(edit.slot).kind]
    if not others:
        return None
    other = others[int(edit.rng.integers(len(others)))]
    dy, dx = np.rint(_centre(edit.parts[other]) - _centre(edit.parts[edit.slot])).astype(int)
    return other, int(dy), int(dx)


def _fits(edit: _Edit, name: str, dy: int, dx: int, *free: str) -> bool:
    rows, columns = np.nonzero(edit.parts[name])
    y, x = rows + dy, columns + dx
    inside = min(y.min(), x.min()) >= 2 and max(y.max(), x.max()) < edit.side - 2
    return bool(inside and not edit.taken(*free)[y, x].any())


def _swap(edit: _Edit) -> Outcome | None:
    if (found := _partner(edit)) is None:
        return None
    other, dy, dx = found
    both = (edit.slot, other)
    if not (_fits(edit, edit.slot, dy, dx, *both) and _fits(edit, other, -dy, -dx, *both)):
        return None
    x, y = edit.item_shift(dy, dx)
    spec = edit.scene.spec.moved(edit.slot, x, y).moved(other, -x, -y)
    return spec, {"partner": other.replace("_", " ")}, both


def _replace(edit: _Edit) -> Outcome | None:
    if (found := _partner(edit)) is None:
        return None
    other, dy, dx = found
    if not _fits(edit, other, -dy, -dx, edit.slot):
        return None
    x, y = edit.item_shift(dy, dx)
    item = edit.scene.spec.item(other)
    spec = edit.scene.spec.put(replace(item, slot=edit.slot, x=item.x - x, y=item.y - y))
    return spec, {"partner": other.replace("_", " ")}, (edit.slot,)


def _rotate(edit: _Edit) -> Outcome | None:
    """Turned about the middle of its mask, as the engine does; the renderer turns about the part's own axis."""
    angle = float(edit.rng.choice([40, 75, 140, 200]))
    spec = edit.scene.spec.turned(edit.slot, angle)
    there = scenes.make(spec, edit.side).instances[edit.slot]
    if not there.any():
        return None
    dy, dx = _centre(edit.parts[edit.slot]) - _centre(there)
    x, y = edit.item_shift(dy, dx)
    return spec.moved(edit.slot, x, y), {"angle": angle}, (edit.slot,)


_EDITS: dict[str, Callable[[_Edit], Outcome | None]] = {
    "remove": _remove,
    "move": _move,
    "swap": _swap,
    "replace": _replace,
    "rotate": _rotate,
    "duplicate": _duplicate,
}


def allowed_floor(product: str, scene: Scene) -> Mask:
    """Where a part may come to lie whole, as this camera sees it: bool (H, W)."""
    side = scene.image.shape[0]
    flat = _flat_floor(product, side).astype(np.float32)
    return np.asarray(compose.lay_ground(flat, scene.spec.camera) > 0.5, np.bool_)


@lru_cache(maxsize=6)
def _flat_floor(product: str, side: int) -> Mask:
    y, x = (np.mgrid[0:side, 0:side] + 0.5) / side
    if product == "fastener_tray":
        return _union([(abs(x - cx) < 0.128) & (abs(y - cy) < 0.208) for cx in TRAY_X for cy in TRAY_Y], side)
    if product == "brushed_plate":
        closed = np.logical_or.reduce(list(grounds.plate_regions(side).values()))
        return np.asarray(~closed, np.bool_)
    floor = (np.maximum(abs(x - 0.5), abs(y - 0.5)) < 0.43) & ~_discs(x, y, _corners(), 0.14)
    for name, radius in (("gear", 0.085), ("pinion", 0.075), ("bearing", 0.14), ("lever", 0.065)):
        px, py = GEAR_PLACES[name]
        floor &= ~_discs(x, y, [(0.5 + px * FLOOR / 2, 0.5 - py * FLOOR / 2)], radius)
    return np.asarray(floor, np.bool_)


def _corners() -> Sequence[tuple[float, float]]:
    return [(0.5 + sx * 0.431, 0.5 + sy * 0.431) for sx in (-1, 1) for sy in (-1, 1)]


def _discs(x: np.ndarray, y: np.ndarray, middles: Sequence[tuple[float, float]], radius: float) -> Mask:
    return _union([np.hypot(x - cx, y - cy) < radius for cx, cy in middles], x.shape[0])
