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


def made_of_pieces(rng: Rng, side: int, size: float) -> list[Field]:
    """Coverages of two to six pieces that lie together and make one thing about ``size`` pixels long, lowest first."""
    centre = rng.uniform(0.1, 0.9, 2) * side * _ZOOM
    drawn = _ASSEMBLIES[int(rng.choice(len(_ASSEMBLIES), p=_ASSEMBLY_SHARES))](rng, side * _ZOOM, centre, size * _ZOOM)
    return [cv2.resize(c, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255 for c in drawn]


def lettering(rng: Rng, side: int, height: float) -> tuple[Field, tuple[int, int, int, int]]:
    """Coverage of a line of text whose capitals are ``height`` pixels tall, and its box x0, y0, x1, y1."""
    signs = "ABCDEFGHKLMNPRSTUVXYZ0123456789-. "
    text = "".join(rng.choice(list(signs), int(rng.integers(2, 9)))).strip() or "A1"
    font, tall = int(rng.choice([0, 1, 2, 3, 4])), round(height * _ZOOM)
    thick = max(1, round(tall * rng.uniform(0.08, 0.22)))
    scale = tall / cv2.getTextSize("H", font, 1.0, 1)[0][1]
    (wide, _), _ = cv2.getTextSize(text, font, scale, thick)
    room = side * _ZOOM - wide
    at = (int(rng.uniform(min(room, 0), max(room, 1))), int(rng.uniform(1.2 * tall, side * _ZOOM - 0.2 * tall)))
    canvas = np.zeros((side * _ZOOM, side * _ZOOM), np.uint8)
    cv2.putText(canvas, text, at, font, scale, 255, thick, cv2.LINE_AA)
    x, y, w, h = cv2.boundingRect(canvas)
    small = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return small, (x // _ZOOM, y // _ZOOM, -(-(x + w) // _ZOOM), -(-(y + h) // _ZOOM))


Canvases = list[NDArray[np.uint8]]


def _stack(rng: Rng, side: int, centre: NDArray[np.float64], size: float) -> Canvases:
    """Things on one another about one centre: a hub on a wheel, a cap on a nut."""
    out = []
    for scale in np.sort(rng.uniform(0.25, 1, int(rng.integers(2, 5))))[::-1]:
        canvas = np.zeros((side, side), np.uint8)
        kind = (_round, _polygon, _gear, _ring)[int(rng.choice(4, p=(0.4, 0.25, 0.2, 0.15)))]
        kind(rng, canvas, centre, size * float(scale))
        out.append(canvas)
    return out


def _row(rng: Rng, side: int, centre: NDArray[np.float64], size: float) -> Canvases:
    """Things one behind the other along an axis: head, neck and thread."""
    turn = rng.uniform(0, 2 * np.pi)
    axis, across = (np.array([np.cos(t), np.sin(t)]) for t in (turn, turn + np.pi / 2))
    count = int(rng.integers(2, 6))
    cuts = np.concatenate([[0], np.sort(rng.uniform(0.1, 0.9, count - 1)), [1]]) - 0.5
    out = []
    for a, b in zip(cuts[:-1], cuts[1:], strict=True):
        canvas = np.zeros((side, side), np.uint8)
        wide, narrow = size * rng.uniform(0.08, 0.3), rng.uniform(0.8, 1.0)
        ends = (centre + axis * size * (a - 0.01), centre + axis * size * (b + 0.01))
        if rng.random() < 0.3:
            # A thread: teeth on both sides.
            n = max(4, int(size * (b - a) / max(0.1 * wide, 9)))
            along = np.linspace(ends[0], ends[1], n)
            teeth = wide * (1 - 0.16 * (np.arange(n) % 2))[:, None]
            corners = np.concatenate([along + teeth * across, (along - teeth * across)[::-1]])
        else:
            corners = np.array([ends[0] + wide * across, ends[1] + narrow * wide * across,
                                ends[1] - narrow * wide * across, ends[0] - wide * across])  # fmt: skip
        cv2.fillPoly(canvas, [np.rint(corners).astype(np.int32)], 255)
        out.append(canvas)
    return out


def _coil(rng: Rng, side: int, centre: NDArray[np.float64], size: float) -> Canvases:
    """A spring seen from the side: its far strokes, then its near ones."""
    turn, wide = rng.uniform(0, 2 * np.pi), size * rng.uniform(0.12, 0.3)
    axis, across = (np.array([np.cos(t), np.sin(t)]) for t in (turn, turn + np.pi / 2))
    turns = int(rng.integers(4, 10))
    thick = max(3, round(size / turns * rng.uniform(0.25, 0.6)))
    back, front = np.zeros((side, side), np.uint8), np.zeros((side, side), np.uint8)
    for k in range(2 * turns):
        a, b = (centre + axis * size * (j / (2 * turns) - 0.5) + across * wide * (-1) ** j for j in (k, k + 1))
        cv2.line(back if k % 2 else front, _whole(a), _whole(b), 255, thick, cv2.LINE_AA)
    return [back, front]


def _arc(rng: Rng, side: int, centre: NDArray[np.float64], size: float) -> Canvases:
    """An open ring with two eyes, as circlips are, or a hook."""
    canvas = np.zeros((side, side), np.uint8)
    turn, span = rng.uniform(0, 360), rng.uniform(150, 340)
    axes = (int(size / 2), int(size / 2 * rng.choice([1.0, rng.uniform(0.5, 1)])))
    thick = max(3, round(size * rng.uniform(0.04, 0.14)))
    cv2.ellipse(canvas, _whole(centre), axes, turn, 0, span, 255, thick, cv2.LINE_AA)
    if rng.random() < 0.6:
        ends = cv2.ellipse2Poly(_whole(centre), axes, int(turn), 0, int(span), 2)
        for end in (ends[0], ends[-1]):
            cv2.circle(canvas, tuple(map(int, end)), round(thick * rng.uniform(0.7, 1.1)), 255, -1, cv2.LINE_AA)
            cv2.circle(canvas, tuple(map(int, end)), max(1, round(thick * 0.3)), 0, -1, cv2.LINE_AA)
    return [canvas]


def _heap(rng: Rng, side: int, centre: NDArray[np.float64], size: float) -> Canvases:
    """Any outlines that overlap."""
    out = []
    for _ in range(int(rng.integers(2, 4))):
        canvas = np.zeros((side, side), np.uint8)
        kind = _KINDS[int(rng.choice(len(_KINDS), p=_SHARES))]
        kind(rng, canvas, centre + rng.uniform(-0.22, 0.22, 2) * size, size * rng.uniform(0.4, 0.8))
        out.append(canvas)
    return out


_ASSEMBLIES = (_stack, _row, _coil, _arc, _heap)
_ASSEMBLY_SHARES = (0.25, 0.28, 0.17, 0.17, 0.13)
