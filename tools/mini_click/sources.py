"""Pictures with exact masks of what a person may click: parts, holes, pockets, flaws, pasted things, tracks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from core.demo import compose, flaws, scenes
from core.demo.products import POCKETS, TRAY_X, TRAY_Y
from core.demo.products import flaw as random_flaw
from tools.mini_click.assemblies import assembly, text
from tools.mini_click.shapes import line, shape
from tools.mini_click.stuff import (
    SIDE,
    Field,
    LabelledPicture,
    Mask,
    Rng,
    bores,
    closed,
    exposed,
    large,
    photo_crop,
    stuff,
)
from tools.mini_model.surfaces import surface

_POCKET = (0.139, 0.227, 0.045)
"""Half width, half height and corner radius of a tray's compartment, in sides."""


def scene(rng: Rng, side: int = SIDE) -> LabelledPicture:
    """A rendered scene: its parts, their bores, empty pockets, openings and damage."""
    product = scenes.PRODUCTS[int(rng.choice(3, p=(0.45, 0.4, 0.15)))]
    spec = scenes.varied(product, TRAINING_SEEDS + int(rng.integers(10**6)))
    made = scenes.make(spec, side)
    found = list(made.instances.values())
    found += [hole for mask in found for hole in bores(mask)]
    for one in spec.flaws:
        rest = replace(spec, flaws=tuple(f for f in spec.flaws if f is not one))
        found += 3 * [scenes.difference(made.levels, scenes.make(rest, side).levels)]
    if product == "fastener_tray" and rng.random() < 0.5:
        found += _pockets(spec, side, made.instances)
    return LabelledPicture(made.image, large(found))


def flawed_surface(rng: Rng, side: int = SIDE) -> LabelledPicture:
    """A drawn surface with a named flaw, holes, chips, cracks or dull patches."""
    if rng.random() < 0.4:
        made = surface(rng, side, 1.0)
        return LabelledPicture(made.image, large([closed(m) for m in made.flaws.values()]))
    return _damaged(surface(rng, side, 0.0).image, rng)


def flawed_photo(rng: Rng, side: int = SIDE) -> LabelledPicture:
    """A photo's crop that is damaged."""
    picture = photo_crop(rng, side)
    if rng.random() < 0.5:
        return _damaged(picture, rng)
    before = picture.astype(np.float32) / 255
    drawn = random_flaw(str(rng.choice(flaws.FLAWS)), rng, (0.2, 0.8), (0.2, 0.8))
    after = flaws.apply(before, drawn, np.array([[side, 0, 0], [0, side, 0]], float))
    mask = closed(np.abs(after - before).max(axis=2) > 8 / 255)
    return LabelledPicture(np.clip(after * 255, 0, 255).astype(np.uint8), large([mask]))


def collage(rng: Rng, side: int = SIDE) -> LabelledPicture:
    """Things of any outline and stuff, pasted with shadows onto a photo or surface; only what is seen counts."""
    ground = stuff(rng, side).astype(np.float32)
    owner = np.full((side, side), -1, np.int16)
    count = int(rng.integers(1, 9))
    alike = rng.random() < 0.3
    filling = stuff(rng, side)
    for number in range(count):
        alpha = shape(rng, side, float(np.exp(rng.uniform(np.log(10), np.log(side * 0.6)))))
        if not alike:
            filling = stuff(rng, side)
        ground = _paste(ground, filling, alpha, rng)
        owner[alpha >= 0.5] = number
    masks = [owner == n for n in range(count)]
    masks += [hole for mask in masks for hole in bores(mask)]
    return LabelledPicture(np.clip(ground, 0, 255).astype(np.uint8), large(masks))


def tracks(rng: Rng, side: int = SIDE) -> LabelledPicture:
    """Two-tone tracks and pads with bridges, gaps, bites, spurs and pinholes: targets are what was changed."""
    board = _board(rng, side)
    wide = rng.uniform(6, 16)
    changed: list[Mask] = []
    after = board.copy()
    for _ in range(int(rng.integers(1, 5))):
        mask = _board_fault(rng, after, wide)
        value = not bool(after[mask].mean() > 0.5) if mask.any() else False
        spot = mask & (after != value)
        after[spot] = value
        changed.append(spot)
    low, high = sorted(rng.uniform(0, 255, 2)) if rng.random() < 0.4 else (0.0, 255.0)
    image = np.where(after, max(high, low + 60), low).astype(np.float32)
    picture = np.repeat(image[..., None], 3, 2)
    if rng.random() < 0.4:
        picture = picture * rng.uniform(0.5, 1, 3) + rng.normal(0, rng.uniform(0, 8), picture.shape)
    return LabelledPicture(np.clip(picture, 0, 255).astype(np.uint8), large(changed))


TRAINING_SEEDS = 10_000_000
"""Scenes with lower seeds are never trained on."""

MIX: tuple[tuple[float, Callable[[Rng, int], LabelledPicture]], ...] = (
    (0.42, scene),
    (0.15, flawed_surface),
    (0.08, flawed_photo),
    (0.10, collage),
    (0.14, assembly),
    (0.03, text),
    (0.08, tracks),
)
"""Share of each source."""


def picture(rng: Rng, side: int | None = None) -> LabelledPicture:
    """A picture of a random source with at least one target, at any exposure; scenes are also drawn larger."""
    while True:
        make = MIX[int(rng.choice(len(MIX), p=[share for share, _ in MIX]))][1]
        large = int(rng.choice([SIDE, SIDE * 3 // 2])) if make is scene else SIDE
        made = make(rng, side or large)
        if made.targets:
            return replace(made, image=exposed(made.image, rng))


def _pockets(spec: scenes.Spec, side: int, instances: dict[str, Mask]) -> list[Mask]:
    half_x, half_y, radius = _POCKET
    at = (np.arange(side, dtype=np.float32) + 0.5) / side
    taken = np.logical_or.reduce([*instances.values(), np.zeros((side, side), bool)])
    found = []
    for column, row in POCKETS.values():
        dx = np.maximum(np.abs(at - TRAY_X[column]) - half_x + radius, 0)
        dy = np.maximum(np.abs(at - TRAY_Y[row]) - half_y + radius, 0)
        inside = (np.hypot(dx[None], dy[:, None]) < radius).astype(np.float32)
        found.append((compose.lay_ground(inside, spec.camera) > 0.5) & ~taken)
    return found


def _paste(ground: Field, filling: NDArray[np.uint8], alpha: Field, rng: Rng) -> Field:
    if rng.random() < 0.6:
        reach, soft = rng.normal(0, 4, 2), rng.uniform(1, 5)
        cast = cv2.warpAffine(alpha, np.array([[1, 0, reach[0]], [0, 1, reach[1]]]), alpha.shape[::-1])
        ground = ground * (1 - rng.uniform(0.2, 0.6) * cv2.GaussianBlur(cast, (0, 0), soft))[..., None]
    fill = filling.astype(np.float32)
    if rng.random() < 0.5:
        # Light on a rounded rim.
        height = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(1, 4))
        angle = rng.uniform(0, 2 * np.pi)
        along, across = (cv2.Sobel(height, cv2.CV_32F, *d) for d in ((1, 0), (0, 1)))
        slope = np.cos(angle) * along + np.sin(angle) * across
        fill = fill * (1 + rng.uniform(0.1, 0.5) * slope[..., None])
    edge = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.4, 1.2))[..., None]
    return np.asarray(ground * (1 - edge) + fill * edge, np.float32)


def _damaged(picture: NDArray[np.uint8], rng: Rng) -> LabelledPicture:
    """``picture`` with one to three holes, chips, cracks or dull patches."""
    side = picture.shape[0]
    after = picture.astype(np.float32)
    masks = []
    for _ in range(int(rng.integers(1, 4))):
        alpha = _DAMAGE[int(rng.choice(len(_DAMAGE), p=(0.45, 0.25, 0.15, 0.15)))](rng, side)
        after = _changed(after, alpha, rng)
        masks.append(closed(alpha > rng.uniform(0.2, 0.5)))
    return LabelledPicture(np.clip(after, 0, 255).astype(np.uint8), large(masks))


def _hole(rng: Rng, side: int) -> Field:
    return shape(rng, side, float(np.exp(rng.uniform(np.log(6), np.log(60)))))


def _crack(rng: Rng, side: int) -> Field:
    return line(rng, side, float(rng.uniform(0.2, 1.1) * side), float(np.exp(rng.uniform(np.log(1.5), np.log(9)))))


def _chip(rng: Rng, side: int) -> Field:
    """At the picture's frame."""
    along, edge = rng.uniform(0, side), rng.choice([0.0, float(side)])
    at = (along, edge) if rng.random() < 0.5 else (edge, along)
    return shape(rng, side, float(np.exp(rng.uniform(np.log(10), np.log(110)))), at)


def _patch(rng: Rng, side: int) -> Field:
    """A large dull area with a crisp or soft rim, often up to the frame."""
    noise = cv2.resize(rng.normal(size=(4, 4)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    ramp = np.linspace(-1, 1, side, dtype=np.float32)
    field = noise * rng.uniform(0.1, 0.7) + rng.normal() * ramp[None] + rng.normal() * ramp[:, None]
    level = float(np.quantile(field, rng.uniform(0.45, 0.85)))
    return np.asarray(np.clip((field - level) * side / rng.uniform(2, 12) + 0.5, 0, 1), np.float32)


_DAMAGE = (_hole, _crack, _chip, _patch)


def _changed(picture: Field, alpha: Field, rng: Rng) -> Field:
    """Darker, brighter, of other stuff, or smeared where ``alpha`` is."""
    soft = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.4, 1.6))[..., None]
    kind = rng.random()
    if kind < 0.55:
        other = picture * rng.uniform(0.15, 0.8) + rng.uniform(-8, 8)
    elif kind < 0.7:
        other = picture * rng.uniform(1.15, 1.8) + rng.uniform(0, 20)
    elif kind < 0.85:
        other = np.roll(stuff(rng, picture.shape[0]), 31, 0).astype(np.float32)
    else:
        other = cv2.GaussianBlur(picture, (0, 0), rng.uniform(2, 6)) * rng.uniform(0.7, 1.2)
    after = picture * (1 - soft) + other * soft
    if rng.random() < 0.3:
        rim = np.clip(cv2.GaussianBlur(alpha, (0, 0), 2.0) - alpha, 0, 1)[..., None]
        after = after + rim * rng.uniform(20, 90)
    return np.asarray(after, np.float32)


def _board(rng: Rng, side: int) -> Mask:
    canvas = np.zeros((side, side), np.uint8)
    for _ in range(int(rng.integers(5, 14))):
        wide = int(rng.integers(4, 24))
        point = rng.uniform(0, side, 2)
        for _ in range(int(rng.integers(1, 4))):
            angle = np.radians(45 * int(rng.choice([0, 2, 4, 6, 1, 3], p=[0.22, 0.22, 0.22, 0.22, 0.06, 0.06])))
            end = point + rng.uniform(30, 160) * np.array([np.cos(angle), np.sin(angle)])
            cv2.line(canvas, tuple(point.astype(int)), tuple(end.astype(int)), 1, wide)
            point = end
        if rng.random() < 0.5:
            cv2.circle(canvas, tuple(point.astype(int)), int(wide * rng.uniform(0.8, 1.5)), 1, -1)
    rough = canvas * 1.0 + cv2.GaussianBlur(rng.normal(0, 1.0, canvas.shape), (0, 0), 1.5) * rng.uniform(0, 0.8)
    board = cv2.GaussianBlur(rough, (0, 0), 1.0) > 0.5
    return ~board if rng.random() < 0.4 else board


def _board_fault(rng: Rng, board: Mask, wide: float) -> Mask:
    """Where a bridge, gap, bite, spur or pinhole is; near an edge more often than not."""
    side = board.shape[0]
    edges = cv2.morphologyEx(board.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    ys, xs = np.nonzero(edges if rng.random() < 0.75 else np.ones_like(edges))
    if not len(ys):
        return np.zeros_like(board)
    k = int(rng.integers(len(ys)))
    at: tuple[float, float] = (float(xs[k]), float(ys[k]))
    if rng.random() < 0.35:
        canvas = np.zeros((side, side), np.uint8)
        angle = rng.choice([0, np.pi / 2])
        reach = rng.uniform(4, 2.0 * wide) * np.array([np.cos(angle), np.sin(angle)])
        a, b = np.array(at) - reach, np.array(at) + reach
        cv2.line(canvas, tuple(a.astype(int)), tuple(b.astype(int)), 1, int(rng.integers(2, 8)))
        return canvas > 0
    return shape(rng, side, float(rng.uniform(5, 1.6 * wide)), at) > 0.5


def describe() -> dict[str, Any]:
    """The mix, for the model card."""
    return {make.__name__: share for share, make in MIX}
