"""Outlines of things that are on no list: blobs, polygons, gears, rings, bars and cracks, drawn with soft edges."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Rng = np.random.Generator
_ZOOM = 3


def shape(rng: Rng, side: int, size: float, at: tuple[float, float] | None = None) -> Field:
    """Coverage float32 (side, side) 0..1 of one thing about ``size`` pixels long."""
    canvas = np.zeros((side * _ZOOM, side * _ZOOM), np.uint8)
    x, y = at if at is not None else tuple(rng.uniform(0.05, 0.95, 2) * side)
    centre = np.array([x, y]) * _ZOOM
    _KINDS[int(rng.choice(len(_KINDS), p=_SHARES))](rng, canvas, centre, size * _ZOOM)
    return cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def line(rng: Rng, side: int, length: float, width: float) -> Field:
    """Coverage of a wandering line, ``length`` and ``width`` in pixels, thinner towards its ends."""
    canvas = np.zeros((side * _ZOOM, side * _ZOOM), np.uint8)
    n = max(8, int(length / 4))
    turn = np.cumsum(rng.normal(0, rng.uniform(0.05, 0.45), n)) + rng.uniform(0, 2 * np.pi)
    path = np.cumsum(np.stack([np.cos(turn), np.sin(turn)], 1), 0) * length / n
    path += rng.uniform(0.1, 0.9, 2) * side - path[n // 2]
    widths = width * (0.5 + np.sin(np.linspace(0.3, np.pi - 0.3, n))) * rng.uniform(0.7, 1.3, n) / 1.4
    for a, b, w in zip(path[:-1], path[1:], widths, strict=False):
        cv2.line(canvas, _whole(a * _ZOOM), _whole(b * _ZOOM), 255, max(1, round(w * _ZOOM)), cv2.LINE_AA)
    return cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _whole(point: NDArray[np.float64]) -> tuple[int, int]:
    return int(round(point[0])), int(round(point[1]))


def _radial(rng: Rng, centre: NDArray[np.float64], radii: NDArray[np.float64], squeeze: float) -> NDArray[np.int32]:
    angle = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    points = np.stack([np.cos(angle) * radii, np.sin(angle) * radii * squeeze], 1)
    turn = rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.rint(points @ rotation.T + centre).astype(np.int32)


def _blob(rng: Rng, canvas: NDArray[np.uint8], centre: NDArray[np.float64], size: float) -> None:
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    radii = np.ones(72)
    for k in range(2, 9):
        radii += rng.normal(0, 0.28 / k) * np.cos(k * angle + rng.uniform(0, 6.3))
    cv2.fillPoly(canvas, [_radial(rng, centre, size / 2 * np.clip(radii, 0.25, 2), rng.uniform(0.3, 1))], 255)


def _polygon(rng: Rng, canvas: NDArray[np.uint8], centre: NDArray[np.float64], size: float) -> None:
    corners = int(rng.integers(3, 9))
    even = rng.random() < 0.5
    radii = size / 2 * (np.ones(corners) if even else rng.uniform(0.5, 1.1, corners))
    cv2.fillPoly(canvas, [_radial(rng, centre, radii, rng.uniform(0.4, 1))], 255)


def _round(rng: Rng, canvas: NDArray[np.uint8], centre: NDArray[np.float64], size: float) -> None:
    cv2.fillPoly(canvas, [_radial(rng, centre, np.full(64, size / 2), rng.choice([1.0, rng.uniform(0.35, 1)]))], 255)


def _gear(rng: Rng, canvas: NDArray[np.uint8], centre: NDArray[np.float64], size: float) -> None:
    teeth = int(rng.integers(5, 22))
    wave = np.clip(np.sin(np.linspace(0, 2 * np.pi * teeth, 240)) * 3, -1, 1)
    cv2.fillPoly(canvas, [_radial(rng, centre, size / 2 * (0.88 + 0.1 * wave), 1.0)], 255)
    if rng.random() < 0.6:
        cv2.circle(canvas, _whole(centre), max(1, int(size * rng.uniform(0.06, 0.25))), 0, -1)


def _ring(rng: Rng, canvas: NDArray[np.uint8], centre: NDArray[np.float64], size: float) -> None:
    (_round if rng.random() < 0.7 else _polygon)(rng, canvas, centre, size)
    cv2.circle(canvas, _whole(centre), max(1, int(size * rng.uniform(0.1, 0.26))), 0, -1)


def _bar(rng: Rng, canvas: NDArray[np.uint8], centre: NDArray[np.float64], size: float) -> None:
    turn, wide = rng.uniform(0, 180), size * rng.uniform(0.06, 0.4)
    cv2.fillPoly(canvas, [np.rint(cv2.boxPoints((tuple(centre), (size, wide), turn))).astype(np.int32)], 255)
    if rng.random() < 0.5:
        for end in (-1, 1):
            a = np.radians(turn)
            tip = centre + end * size / 2 * np.array([np.cos(a), np.sin(a)])
            cv2.circle(canvas, _whole(tip), int(wide * rng.uniform(0.5, 0.9)), 255, -1)


def _bent(rng: Rng, canvas: NDArray[np.uint8], centre: NDArray[np.float64], size: float) -> None:
    points = centre + rng.uniform(-0.5, 0.5, (int(rng.integers(3, 5)), 2)) * size
    cv2.polylines(canvas, [np.rint(points).astype(np.int32)], False, 255, max(2, int(size * rng.uniform(0.06, 0.2))))


_KINDS = (_blob, _polygon, _round, _gear, _ring, _bar, _bent)
_SHARES = (0.34, 0.14, 0.14, 0.08, 0.12, 0.1, 0.08)
