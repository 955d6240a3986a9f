"""Believable defect shapes drawn from nothing but a label's name, an area and a generator.

Each shape is a field over the pixels that grows from the defect's heart outward; the mask is the ``area``
lowest pixels of it, so the area comes out exact and a shape stays connected where its field has one basin.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, cos, log, pi, sin, sqrt

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.images.geometry import bounding_box
from core.lookup import named
from core.masks.morphology import fill_holes, largest_component, lowest_pixels, signed_edge_distance, to_area
from core.masks.strokes import crack, scratch
from core.types import Mask

_Field = npt.NDArray[np.float32]
ShapeField = Callable[[float, float, float, np.random.Generator], _Field]
"""(area in px, angle of its long axis in radians, longest in px, generator) to a field float32 (h, w) that fits it."""


_SCATTERED = frozenset({"pits"})
_LINES = frozenset({"crack", "scratch"})
_RAGGED = frozenset({"blob", "stain", "pits"})
_RAGGED_AREA = 3000.0


def draw_shape(
    name: str, shape_hw: tuple[int, int], area_px: float, rng: np.random.Generator, angle: float | None = None
) -> Mask:
    """A shape of about ``area_px`` pixels in the middle of an empty (H, W) canvas.

    ``angle`` in radians is the direction of its long axis, from x toward y (clockwise as seen); None draws one.
    Where the shape is longer than the canvas its ends are folded into it by drawing it rounder, and at last cut.
    NotFound for an unknown name, InputError for an area that the canvas cannot hold.
    """
    height, width = shape_hw
    if not 1 <= area_px <= height * width:
        raise InputError(f"shape {name!r}: expected an area of 1 to {height * width} px, got {area_px:g}")
    patch = shape_patch(name, area_px, rng, angle, (height, width))
    mask = np.zeros(shape_hw, np.bool_)
    top, left = (height - patch.shape[0]) // 2, (width - patch.shape[1]) // 2
    mask[top : top + patch.shape[0], left : left + patch.shape[1]] = patch
    return mask


def shape_patch(
    name: str,
    area_px: float,
    rng: np.random.Generator,
    angle: float | None = None,
    max_hw: tuple[int, int] | None = None,
) -> Mask:
    """As :func:`draw_shape`, on a canvas that just fits the shape and is no larger than ``max_hw``."""
    draw = named(SHAPES, name, "shape")
    angle = float(rng.uniform(0, pi)) if angle is None else angle
    longest = np.inf
    if max_hw is not None:
        longest = 0.9 * min(max_hw[0] / max(abs(sin(angle)), 1e-9), max_hw[1] / max(abs(cos(angle)), 1e-9))
    # Ragged shapes are drawn at a bounded size and enlarged: their cost would grow faster than their area.
    enlarge = sqrt(max(1.0, area_px / _RAGGED_AREA)) if name in _RAGGED else 1.0
    field = draw(max(1.0, area_px / enlarge**2), angle, max(1.0, longest), rng)
    if enlarge > 1:
        soft = lowest_pixels(field, area_px / enlarge**2).astype(np.float32)
        field = -cv2.resize(soft, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_CUBIC)
    if max_hw is not None:
        field = _window(field, max_hw, area_px)
    mask = lowest_pixels(field, area_px)
    if name not in _SCATTERED:
        mask = largest_component(mask) if name in _LINES else fill_holes(largest_component(mask))
        if abs(np.count_nonzero(mask) - area_px) > 0.05 * area_px:
            mask = to_area(mask, area_px)
    found = bounding_box(mask)
    assert found is not None
    return mask[found[0] : found[2], found[1] : found[3]]


def shape_for_label(label: str) -> str:
    """The shape that suits a label, by the words in it; "blob" for words that say nothing of a shape."""
    words = label.lower()
    for name, stems in _WORDS:
        if any(stem in words for stem in stems):
            return name
    return "blob"


# In the order in which they are looked for: "pin_hole" must not be read as "hole" alone.
_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("pits", ("pits", "pitting", "pock", "porosity", "rolled_in", "rolled-in", "corrosion", "speck")),
    ("crack", ("crack", "fissure", "craz", "fracture", "rupture", "split", "tear", "torn")),
    ("scratch", ("scratch", "scrape", "scuff", "cut", "thread", "hair", "fiber", "fibre", "line", "groove", "gouge")),
    ("stain", ("stain", "uneven", "discolo", "contamin", "rust", "oil", "burn", "smear", "patch", "water", "spill")),
    ("chip", ("chip", "break", "broken", "fray", "flak", "edge", "bent", "squeez", "missing", "damage", "copper")),
    (
        "spot",
        (
            "spot",
            "hole",
            "dent",
            "bite",
            "spur",
            "bubble",
            "blister",
            "pit",
            "poke",
            "dot",
            "open",
            "short",
            "inclusion",
        ),
    ),
)


def _window(field: _Field, max_hw: tuple[int, int], area_px: float) -> _Field:
    """The field cut to ``max_hw``, and padded to it where the cut would leave no room for the area."""
    for axis in (0, 1):
        room = max_hw[axis]
        excess = field.shape[axis] - room
        if excess > 0:
            field = np.take(field, range(excess // 2, excess // 2 + room), axis=axis)
    if np.isfinite(field).sum() < area_px or min(field.shape) < 3:
        pad = [((m - s) // 2, m - s - (m - s) // 2) for m, s in zip(max_hw, field.shape, strict=True)]
        field = np.pad(field, pad, mode="linear_ramp", end_values=float(field.max()) + max(max_hw))
    return field


def _grid(half_h: float, half_w: float) -> tuple[_Field, _Field]:
    """y, x float32 about the centre of a canvas with these half sides."""
    rows, cols = ceil(half_h), ceil(half_w)
    y, x = np.mgrid[-rows : rows + 1, -cols : cols + 1].astype(np.float32)
    return y, x


def _turned(area: float, angle: float, aspect: float, reach: float) -> tuple[_Field, _Field]:
    """y, x in units of an ellipse of ``area`` and ``aspect`` (long over short) turned by ``angle``."""
    long = sqrt(area / pi * aspect)
    short = long / aspect
    c, s = cos(angle), sin(angle)
    half_w = reach * sqrt((long * c) ** 2 + (short * s) ** 2) + 2
    half_h = reach * sqrt((long * s) ** 2 + (short * c) ** 2) + 2
    y, x = _grid(half_h, half_w)
    return ((y * c - x * s) / short).astype(np.float32), ((x * c + y * s) / long).astype(np.float32)


def _noise(shape: tuple[int, ...], cell: float, octaves: int, rng: np.random.Generator) -> _Field:
    """Fractal noise float32 (h, w) in about -1..1, its coarsest cells ``cell`` px wide."""
    height, width = shape[:2]
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        size = max(cell / 2**octave, 1.0)
        grid = rng.normal(0, 0.5, (ceil(height / size) + 3, ceil(width / size) + 3)).astype(np.float32)
        fine = cv2.resize(grid, None, fx=size, fy=size, interpolation=cv2.INTER_CUBIC)
        total += fine[:height, :width] * 0.55**octave
        if size <= 2:
            break
    return total


def _wavy_radius(theta: _Field, rng: np.random.Generator, amount: float, harmonics: int) -> _Field:
    """A star-shaped outline's radius about 1 for each angle, from a few random harmonics."""
    radius = np.ones_like(theta)
    for k in range(2, harmonics + 2):
        radius += amount / sqrt(k) * float(rng.normal()) * np.cos(k * theta + float(rng.uniform(0, 2 * pi)))
    return np.clip(radius, 0.35, 2.0)


def _spot(area: float, angle: float, longest: float, rng: np.random.Generator) -> _Field:
    y, x = _turned(area, angle, float(np.exp(abs(rng.normal(0, 0.25)))), 1.6)
    theta = np.arctan2(y, x)
    return np.asarray(np.hypot(x, y) / _wavy_radius(theta, rng, 0.09, 5), np.float32)


def _blob(area: float, angle: float, longest: float, rng: np.random.Generator) -> _Field:
    return _ragged(area, angle, float(rng.uniform(1.0, 1.9)), 0.35, 0.10, rng)


def _stain(area: float, angle: float, longest: float, rng: np.random.Generator) -> _Field:
    return _ragged(area, angle, float(rng.uniform(1.0, 2.4)), 0.5, 0.22, rng)


def _ragged(area: float, angle: float, aspect: float, warp: float, fringe: float, rng: np.random.Generator) -> _Field:
    """An ellipse bent by coarse noise (``warp``) and with a fractal edge (``fringe``), both in its radii."""
    y, x = _turned(area, angle, aspect, 2.2)
    cell = max(3.0, 0.8 * sqrt(area / pi))
    dx, dy = warp * _noise(x.shape, cell, 2, rng), warp * _noise(x.shape, cell, 2, rng)
    field = np.hypot(x + dx, y + dy) + fringe * _noise(x.shape, 0.7 * cell, 5, rng)
    return _one_basin(np.asarray(field, np.float32), area)


def _one_basin(field: _Field, area: float) -> _Field:
    """The field where its ``area`` lowest pixels, once islands are dropped and holes filled, are one piece."""
    low, high = area, min(2.0 * area, field.size - 1.0)
    goal = min(round(area), field.size)
    piece = None
    for _ in range(7):
        middle = (low + high) / 2
        candidate = fill_holes(largest_component(lowest_pixels(field, middle)))
        size = int(candidate.sum())
        if piece is None or size >= goal:
            piece = candidate
        if size >= goal:
            high = middle
        else:
            low = middle
        if goal <= size <= goal + max(1, 0.02 * goal):
            break
    assert piece is not None
    # Signed distance: ranks trim or grow the piece evenly along its edge and open no holes.
    return signed_edge_distance(piece)


def _chip(area: float, angle: float, longest: float, rng: np.random.Generator) -> _Field:
    y, x = _turned(area, angle, float(rng.uniform(1.1, 2.2)), 2.0)
    corners = int(rng.integers(5, 9))
    turns = (np.arange(corners) + rng.uniform(-0.35, 0.35, corners)) * (2 * pi / corners)
    radii = rng.uniform(0.6, 1.25, corners)
    px, py = radii * np.cos(turns), radii * np.sin(turns)
    theta = np.arctan2(y, x)
    field = np.zeros_like(x)
    for i in range(corners):
        j = (i + 1) % corners
        span = (turns[j] - turns[i]) % (2 * pi)
        sector = np.mod(theta - turns[i], 2 * pi) <= span
        cross = px[i] * py[j] - px[j] * py[i]
        # The edge from corner i to j as the line n.p = 1: how far out a pixel is relative to it.
        gauge = (x * (py[j] - py[i]) - y * (px[j] - px[i])) / cross
        field = np.where(sector, gauge, field)
    return np.asarray(field, np.float32)


def _pits(area: float, angle: float, longest: float, rng: np.random.Generator) -> _Field:
    count = int(np.clip(round(3 + log(max(area, 2)) * rng.uniform(0.5, 1.6)), 2, max(2, area / 4)))
    radii = np.exp(rng.normal(0, 0.45, count))
    radii *= sqrt(area / pi / float((radii**2).sum()))
    spread = sqrt(area) * float(rng.uniform(1.2, 2.0))
    along, across = rng.normal(0, spread * 0.8, count), rng.normal(0, spread * 0.45, count)
    cx = along * cos(angle) - across * sin(angle)
    cy = along * sin(angle) + across * cos(angle)
    reach = float(radii.max()) * 2 + 2
    rows = np.arange(int(cy.min() - reach), int(cy.max() + reach) + 2, dtype=np.float32)
    cols = np.arange(int(cx.min() - reach), int(cx.max() + reach) + 2, dtype=np.float32)
    field = np.full((rows.size, cols.size), np.inf, np.float32)
    for i in range(count):
        d = np.hypot(rows[:, None] - cy[i], cols[None, :] - cx[i]) / max(float(radii[i]), 0.5)
        field = np.minimum(field, d)
    return np.asarray(field + 0.15 * _noise(field.shape, max(2.0, float(radii.mean())), 2, rng), np.float32)


SHAPES: dict[str, ShapeField] = {
    "crack": crack,
    "scratch": scratch,
    "spot": _spot,
    "blob": _blob,
    "pits": _pits,
    "chip": _chip,
    "stain": _stain,
}
"""Every shape by name, for menus and for :func:`draw_shape`."""
