"""Any number of scenes of the demo products, from a seed, with exact truth; numpy and OpenCV only.

    sheet = load_sheet()
    scene = make(normal("fastener_tray", seed=7), 256, sheet)      # image, instances, components, caption
    scene = make(varied("fastener_tray", seed=7), 256, sheet)      # for training: parts left out, other colours, flaws
    twin = twins(spec, spec.without("nut"), 256, sheet)            # before, after, and the mask of what changed

The noise of two scenes with the same camera is the same, so twins differ only where the scene differs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from core.demo import compose, grounds
from core.demo.products import FAULTS, PRODUCTS, Fault, normal, varied
from core.demo.sheet import Picture, Sheet, load_sheet
from core.demo.spec import Camera, Ground, Item, SceneFlaw, Spec

__all__ = [
    "FAULTS", "PRODUCTS", "Camera", "Fault", "SceneFlaw", "Ground", "Item", "Scene", "Sheet", "Spec", "Twins",
    "caption", "faulty", "load_sheet", "make", "named_regions", "normal", "twins", "varied",
]  # fmt: skip

VISIBLE = 6.0
"""Levels (of 255) by which a pixel must differ, before noise, for a person to see it; well above the noise."""

JPEG_QUALITY = 70
"""Quality of the shipped photos, from 0 to 100."""

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

TITLES = {
    "fastener_tray": "a fastener tray",
    "gear_unit": "a gear unit",
    "brushed_plate": "a brushed steel plate",
}
_NUMBERS = ("no", "a", "two", "three", "four", "five", "six", "seven", "eight")
_FLAW_ORDER = ("scratch", "dent", "crack", "stain")


@dataclass(frozen=True)
class Scene:
    """A picture and its truth.

    ``image`` uint8 (S, S, 3) RGB; ``levels`` float32 (S, S, 3), 0..255, the same without noise; ``instances`` maps
    each slot to the bool (S, S) mask of the pixels that show the part there; parts hidden by others have no pixel.
    """

    spec: Spec
    image: Image
    levels: Picture
    instances: dict[str, Mask]
    caption: str

    @property
    def components(self) -> dict[str, Mask]:
        """One mask per word of the caption: all washers together are "washer"."""
        by_word: dict[str, Mask] = {}
        for item in self.spec.items:
            mask = self.instances[item.slot]
            by_word[item.word] = by_word[item.word] | mask if item.word in by_word else mask
        return by_word


@dataclass(frozen=True)
class Twins:
    """The same moment twice.

    ``mask`` is where ``after`` visibly differs or shows another part, though of the same grey; ``changes`` is that per
    edited slot or flaw.
    """

    before: Scene
    after: Scene
    mask: Mask
    changes: tuple[Mask, ...]


def make(spec: Spec, side: int, sheet: Sheet | None = None) -> Scene:
    """Compose ``spec`` at ``side`` pixels; same spec and side, same bytes."""
    levels, owner = _levels(spec, side, sheet or load_sheet())
    instances = {item.slot: owner == number for number, item in enumerate(spec.items)}
    if spec.product == "brushed_plate":
        instances |= _plate_regions(spec, side)
    return Scene(spec, compose.add_noise(levels, spec.camera), levels, instances, caption(spec))


def twins(before: Spec, after: Spec, side: int, sheet: Sheet | None = None) -> Twins:
    """Both scenes and where they differ by more than VISIBLE levels; ValueError if ground or camera differ."""
    if (before.product, before.ground, before.camera) != (after.product, after.ground, after.camera):
        raise ValueError("twins: expected the same product, ground and camera in both; change items and flaws only")
    sheet = sheet or load_sheet()
    a, b = make(before, side, sheet), make(after, side, sheet)
    mask = _changed(a, b)
    changes = [mask & _changed(make(one, side, sheet), b) for one in _undone(before, after)]
    return Twins(a, b, mask, tuple(c for c in changes if c.any()) or (mask,))


def faulty(product: str, seed: int, fault: Fault, side: int, sheet: Sheet | None = None) -> Twins:
    """A good one and the same with ``fault``."""
    before = normal(product, seed)
    after = fault.edit(before, np.random.default_rng([seed, sum(map(ord, fault.label))]))
    return twins(before, after, side, sheet)


def named_regions(scene: Scene) -> dict[str, Mask]:
    """Named regions for a person: one per part, numbered where there are several of a word; none that is hidden."""
    return {name.replace("_", " "): mask for name, mask in scene.instances.items() if mask.any()}


def _changed(a: Scene, b: Scene) -> Mask:
    """Where two scenes visibly differ, or a part is seen in one that is not seen there in the other."""
    mask = difference(a.levels, b.levels)
    for one, two in ((a, b), (b, a)):
        for item in one.spec.items:
            there = two.instances[item.slot] if item in two.spec.items else np.zeros_like(mask)
            mask = mask | (one.instances[item.slot] & ~there)
    return mask


def difference(a: Picture, b: Picture) -> Mask:
    """Bool (H, W): where two noiseless pictures (float32 (H, W, 3), levels) visibly differ, without specks."""
    seen = (np.abs(a - b).max(axis=2) > VISIBLE).astype(np.uint8)
    if seen.shape[0] >= 512:
        # Hair cracks in a shadow's rim are one change to the eye.
        seen = cv2.morphologyEx(seen, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(seen, connectivity=8)
    least = (seen.shape[0] / 128) ** 2
    large = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= least]
    return np.isin(labels, large)


def caption(spec: Spec) -> str:
    """Names what is there and how often, in the order of the product, then the flaws."""
    counts = Counter(item.word for item in spec.items)
    things = [_counted(word, n) for word, n in counts.items()]
    flaws = [_counted(name, n) for name, n in Counter(f.name for f in spec.flaws).items()]
    things += sorted(flaws, key=lambda text: [name in text for name in _FLAW_ORDER], reverse=True)
    title = TITLES[spec.product]
    if not things:
        return title if spec.product == "brushed_plate" else f"an empty {title.split(' ', 1)[1]}"
    listed = things[0] if len(things) == 1 else ", ".join(things[:-1]) + " and " + things[-1]
    return f"{title} with {listed}"


def _counted(word: str, n: int) -> str:
    plural = word + ("es" if word.endswith(("ch", "s")) else "s")
    return f"a {word}" if n == 1 else f"{_NUMBERS[n] if n < len(_NUMBERS) else n} {plural}"


def _levels(spec: Spec, side: int, sheet: Sheet) -> tuple[Picture, NDArray[np.int16]]:
    base = grounds.GROUNDS[spec.product](spec.ground, side, sheet)
    solid = grounds.solid(spec.product, side)
    ground = compose.damage(compose.lay_ground(base, spec.camera), spec, solid)
    picture, owner = compose.parts_on(ground, spec, sheet)
    return compose.expose(picture, spec.camera), owner


def _plate_regions(spec: Spec, side: int) -> dict[str, Mask]:
    move = {name: mask.astype(np.float32) for name, mask in grounds.plate_regions(side).items()}
    return {name: compose.lay_ground(mask, spec.camera) > 0.5 for name, mask in move.items()}


def _undone(before: Spec, after: Spec) -> Sequence[Spec]:
    """``after`` with one change taken back at a time."""
    old, new = {i.slot: i for i in before.items}, {i.slot: i for i in after.items}
    result = []
    for slot in dict.fromkeys([*old, *new]):
        if old.get(slot) == new.get(slot):
            continue
        result.append(after.put(old[slot]) if slot in old else after.without(slot))
    added = [f for f in after.flaws if f not in before.flaws]
    result += [replace(after, flaws=tuple(f for f in after.flaws if f is not one)) for one in added]
    return result
