"""What the parts lie on: the rendered tray and housing with a material's grain, and the brushed plate drawn whole."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from core.demo.sheet import Picture, Sheet
from core.demo.spec import Ground

PLATE_BORES = ((0.20, 0.24, 0.072), (0.80, 0.24, 0.072))
"""x, y, radius in sides."""
PLATE_SLOT = (0.5, 0.80, 0.22, 0.040)
"""x, y, half length, radius in sides."""
PLATE_MARK = (0.5, 0.235, 0.19, 0.05)
"""The engraving's middle and half extents."""
_LIGHT = (-0.707, -0.707)


def _noise(rng: np.random.Generator, side: int, cells: int) -> Picture:
    """Smooth noise of unit variance at the grid points, ``cells`` to the side, the same at every size."""
    return np.asarray(
        cv2.resize(rng.standard_normal((cells, cells), np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    )


def tray(ground: Ground, side: int, sheet: Sheet) -> Picture:
    """Moulded plastic: fine leather grain and a little dust, in the tray's colour."""
    rng = np.random.default_rng([ground.seed, 1])
    grain = 0.022 * _noise(rng, side, 200) + 0.012 * _noise(rng, side, 90) + 0.012 * _noise(rng, side, 7)
    picture = sheet.base("tray", side) * (1 + ground.grain * grain)[..., None]
    return np.asarray(np.clip(picture * np.asarray(ground.colour, np.float32), 0, 1), np.float32)


def housing(ground: Ground, side: int, sheet: Sheet) -> Picture:
    """Blasted aluminium: fine speckle and faint clouds."""
    rng = np.random.default_rng([ground.seed, 2])
    grain = 0.020 * _noise(rng, side, 250) + 0.014 * _noise(rng, side, 110) + 0.018 * _noise(rng, side, 6)
    picture = sheet.base("housing", side) * (1 + ground.grain * grain)[..., None]
    return np.asarray(np.clip(picture * np.asarray(ground.colour, np.float32), 0, 1), np.float32)


def _brushing(rng: np.random.Generator, side: int) -> Picture:
    """Horizontal strokes of many lengths; variance about 1."""
    total = np.zeros((side, side), np.float32)
    for lines, strokes, weight in ((256, 5, 0.55), (170, 14, 0.5), (256, 40, 0.35), (60, 3, 0.35), (640, 9, 0.40)):
        coarse = rng.standard_normal((lines, strokes), np.float32)
        total += weight * cv2.resize(
            coarse, (side, side), interpolation=cv2.INTER_AREA if lines > side else cv2.INTER_LINEAR
        )
    return total


@lru_cache(maxsize=4)
def _distances(side: int) -> list[Picture]:
    """Signed distances in sides to the openings' edges, negative inside."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    x, y = (x + 0.5) / side, (y + 0.5) / side
    found = [np.hypot(x - cx, y - cy) - r for cx, cy, r in PLATE_BORES]
    cx, cy, half, r = PLATE_SLOT
    found.append(np.hypot(np.maximum(np.abs(x - cx) - half + r, 0), y - cy) - r)
    return [np.asarray(d, np.float32) for d in found]


def _opening(picture: Picture, d: Picture, side: int) -> Picture:
    """Cut a countersunk opening: lit far wall, dark depth, bright broken edge."""
    gx = cv2.Sobel(d, cv2.CV_32F, 1, 0, scale=0.125) * side
    gy = cv2.Sobel(d, cv2.CV_32F, 0, 1, scale=0.125) * side
    facing = -(gx * _LIGHT[0] + gy * _LIGHT[1])  # the edge slopes inward, so it faces away from the rim
    soft = 1.0 / side
    inside = np.clip(0.5 - d / soft / 1.4, 0, 1)
    chamfer = np.clip(0.5 - (d - 0.013) / soft / 1.4, 0, 1) * (1 - inside)
    edge = 0.50 + 0.36 * facing
    depth = np.clip(-d / 0.05, 0, 1)
    wall = (0.20 + 0.20 * np.clip(facing, 0, 1)) * np.exp(-depth * 4.0) + 0.045
    picture = picture * (1 - chamfer[..., None]) + (edge * chamfer)[..., None]
    walls = (wall * inside)[..., None] * np.array([1.0, 1.0, 1.04], np.float32)
    return np.asarray(picture * (1 - inside[..., None]) + walls, np.float32)


@lru_cache(maxsize=4)
def engraving(side: int) -> Picture:
    """The engraved part number as depth 0..1."""
    zoom = 2
    canvas = np.zeros((side * zoom, side * zoom), np.uint8)
    x, y, half_x, half_y = PLATE_MARK
    text, font, thick = "FS 2047", cv2.FONT_HERSHEY_SIMPLEX, max(1, round(side * zoom * 0.006))
    (wide, tall), _ = cv2.getTextSize(text, font, 1.0, 1)
    scale = min(2 * half_x * side * zoom / wide, 1.5 * half_y * side * zoom / tall)
    (wide, tall), _ = cv2.getTextSize(text, font, scale, thick)
    at = (round(x * side * zoom - wide / 2), round(y * side * zoom + tall / 2))
    cv2.putText(canvas, text, at, font, scale, 255, thick, cv2.LINE_AA)
    return np.asarray(cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255)


def plate(ground: Ground, side: int, sheet: Sheet) -> Picture:
    """A brushed steel plate with two countersunk bores, a slot and an engraved number."""
    rng = np.random.default_rng([ground.seed, 3])
    at = (np.arange(side, dtype=np.float32) + 0.5) / side
    # Brushed metal spreads a lamp across its strokes: a broad bright column.
    band = np.exp(-(((at - 0.36 - 0.06 * rng.normal()) / 0.34) ** 2))
    light = 0.44 + 0.24 * band[None] + 0.05 * (0.5 - at)[:, None]
    picture = (light * (1 + ground.grain * 0.045 * _brushing(rng, side)))[..., None].repeat(3, 2)
    picture = picture * np.asarray(ground.colour, np.float32)
    cut = engraving(side)
    slope_x = cv2.Sobel(cut, cv2.CV_32F, 1, 0, scale=0.125)
    slope_y = cv2.Sobel(cut, cv2.CV_32F, 0, 1, scale=0.125)
    relief = (slope_x * _LIGHT[0] + slope_y * _LIGHT[1]) * 0.9
    picture = picture * (1 - 0.42 * cut + 0.5 * relief)[..., None]
    for d in _distances(side):
        picture = _opening(picture, d, side)
    return np.clip(picture, 0, 1).astype(np.float32)


def solid(product: str, side: int) -> Picture | None:
    """Where there is surface to be damaged, float32 (S, S) 0..1; None where it is everywhere."""
    if product != "brushed_plate":
        return None
    return np.asarray(np.clip(0.5 + np.minimum.reduce(_distances(side)) * side / 1.4, 0, 1), np.float32)


def plate_regions(side: int) -> dict[str, np.ndarray]:
    """The plate's named places as bool (S, S), as an unmoved camera sees them."""
    left, right, slot = (d < 0.013 for d in _distances(side))
    x, y, half_x, half_y = PLATE_MARK
    mark = np.zeros((side, side), bool)
    mark[
        round((y - half_y) * side) : round((y + half_y) * side),
        round((x - half_x) * side) : round((x + half_x) * side),
    ] = True
    return {"bore left": left, "bore right": right, "slot": slot, "number": mark}


GROUNDS = {"fastener_tray": tray, "gear_unit": housing, "brushed_plate": plate}
