"""Damage drawn into a surface: a height field shaded by the station's light, and what darkens or tints.

Shapes are drawn in units of the picture's side from the flaw's own seed, so they are the same at every size.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from core.demo.spec import SceneFlaw

LIGHT = np.array([-0.707, -0.707])
"""Where the light comes from, as (x, y) with y down: the upper left."""
FLAWS = ("scratch", "dent", "crack", "stain")

Field = NDArray[np.float32]


def apply(picture: Field, flaw: SceneFlaw, to_pixels: NDArray[np.float64]) -> Field:
    """``picture`` float32 (H, W, 3) in 0..1 with one flaw; ``to_pixels`` (2, 3) maps sides to pixels."""
    return {"scratch": _scratch, "dent": _dent, "crack": _crack, "stain": _stain}[flaw.name](picture, flaw, to_pixels)


def _map(points: NDArray[np.float64], to_pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    return points @ to_pixels[:, :2].T + to_pixels[:, 2]


def _draw(shape: tuple[int, ...], points: NDArray[np.float64], widths: NDArray[np.float64]) -> Field:
    """Anti-aliased line of changing width, 0..1: drawn at fourfold size where it is thin."""
    low = np.floor(points.min(0) - widths.max() - 3).astype(int)
    high = np.ceil(points.max(0) + widths.max() + 3).astype(int)
    low, high = np.maximum(low, 0), np.minimum(high, [shape[1], shape[0]])
    out = np.zeros(shape[:2], np.float32)
    if (high <= low).any():
        return out
    zoom = 4
    canvas = np.zeros(((high[1] - low[1]) * zoom, (high[0] - low[0]) * zoom), np.uint8)
    scaled = (points - low) * zoom
    for a, b, width in zip(scaled[:-1], scaled[1:], widths[1:], strict=True):
        thick = max(1, round(float(width) * zoom))
        cv2.line(canvas, tuple(np.rint(a).astype(int)), tuple(np.rint(b).astype(int)), 255, thick, cv2.LINE_AA)
    small = cv2.resize(canvas, tuple(high - low), interpolation=cv2.INTER_AREA)
    out[low[1] : high[1], low[0] : high[0]] = small.astype(np.float32) / 255
    return out


def _shade(height: Field) -> Field:
    """How much brighter a slope is: minus the slope towards the light. ``height`` in pixels."""
    dx = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    dy = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    return np.asarray(-(dx * LIGHT[0] + dy * LIGHT[1]), np.float32)


def _wander(rng: np.random.Generator, flaw: SceneFlaw, steps: int, rough: float, bend: float) -> NDArray[np.float64]:
    """A path of ``flaw.size`` through its place: a bow with a random walk on it."""
    t = np.linspace(-0.5, 0.5, steps)
    side = bend * (t**2 - 0.08) + rough * np.cumsum(rng.normal(size=steps)) / np.sqrt(steps)
    along = np.stack([t, side - side.mean()], 1) * flaw.size
    c, s = np.cos(np.radians(flaw.angle)), np.sin(np.radians(flaw.angle))
    return np.asarray(along @ np.array([[c, -s], [s, c]]) + [flaw.x, flaw.y])


def _scratch(picture: Field, flaw: SceneFlaw, to_pixels: NDArray[np.float64]) -> Field:
    rng = np.random.default_rng(flaw.seed)
    side = picture.shape[0]
    out = picture
    for k in range(int(rng.integers(1, 4))):
        path = _wander(rng, flaw, 60, 0.02, rng.normal(0, 0.25))
        if k:
            part = path[rng.integers(0, 25) : rng.integers(35, 60)]
            path = part + rng.normal(0, 0.012, 2)
        press = np.clip(np.sin(np.linspace(0.12, np.pi - 0.05, len(path))) ** 0.6 * rng.uniform(0.7, 1.15), 0.15, None)
        knots = np.arange(0, len(path) + 6, 6)
        press = press * (1 + 0.25 * np.interp(np.arange(len(path)), knots, rng.normal(size=len(knots))))
        width = (0.0013 if k else 0.0024) * flaw.strength * side * np.clip(press, 0.15, 1.6)
        groove = _draw(picture.shape, _map(path, to_pixels), width)
        soft = cv2.GaussianBlur(groove, (0, 0), max(0.5, 0.0009 * side))
        lit = _shade(-soft) * 0.75 * min(1.6, 1.2 + 0.1 * flaw.strength)
        bright = soft * (0.22 + 0.05 * rng.normal())
        out = out * (1 - 0.22 * soft[..., None]) + (lit + bright)[..., None] * (
            0.35 + 0.65 * out.mean(2, keepdims=True)
        )
    return np.clip(out, 0, 1)


def _blob(rng: np.random.Generator, side: int, flaw: SceneFlaw, to_pixels: NDArray[np.float64], rough: float) -> Field:
    """A lumpy radial field: 1 in the middle, 0 at the rim, negative outside, in the flaw's own ellipse."""
    scale = float(np.hypot(*to_pixels[:, 0]))
    (x, y), radius = _map(np.array([[flaw.x, flaw.y]]), to_pixels)[0], flaw.size / 2 * scale
    ys, xs = np.mgrid[0:side, 0:side].astype(np.float32)
    c, s = np.cos(np.radians(flaw.angle)), np.sin(np.radians(flaw.angle))
    u, v = ((xs - x) * c - (ys - y) * s) / radius, ((xs - x) * s + (ys - y) * c) / (radius * 0.72)
    lumps = cv2.resize(rng.normal(size=(7, 7)).astype(np.float32), (64, 64), interpolation=cv2.INTER_CUBIC)
    lumps += 0.4 * cv2.resize(rng.normal(size=(15, 15)).astype(np.float32), (64, 64), interpolation=cv2.INTER_CUBIC)
    at = [np.clip((w + 1.6) / 3.2 * 63, 0, 63).astype(np.float32) for w in (u, v)]
    wobble = cv2.remap(lumps, at[0], at[1], cv2.INTER_LINEAR)
    return np.asarray(1 - np.sqrt(u * u + v * v) + rough * wobble, np.float32)


def _dent(picture: Field, flaw: SceneFlaw, to_pixels: NDArray[np.float64]) -> Field:
    rng = np.random.default_rng(flaw.seed)
    side = picture.shape[0]
    inside = _blob(rng, side, flaw, to_pixels, 0.10)
    bowl = np.clip(inside, 0, 1)
    bowl = bowl * bowl * (3 - 2 * bowl)
    rim = np.exp(-((inside / 0.16) ** 2)) * 0.10
    depth = flaw.size * side * 0.15 * flaw.strength
    height = cv2.GaussianBlur(
        ((rim - 0.55 * bowl) * depth).astype(np.float32), (0, 0), max(0.6, flaw.size * side * 0.03)
    )
    lit = _shade(height)
    lit = np.where(lit > 0, 0.75 * lit, 0.95 * lit)
    glint = np.clip(lit - 0.13, 0, None) * 1.2
    # The brushing is pressed flat in the bowl.
    calm = cv2.GaussianBlur(picture, (0, 0), max(0.8, 0.003 * side))
    worn = picture + (calm - picture) * (0.7 * bowl)[..., None]
    return np.asarray(np.clip(worn * (1 + 1.25 * lit - 0.10 * bowl)[..., None] + glint[..., None], 0, 1), np.float32)


def _crack(picture: Field, flaw: SceneFlaw, to_pixels: NDArray[np.float64]) -> Field:
    rng = np.random.default_rng(flaw.seed)
    side = picture.shape[0]
    trunk = _wander(rng, flaw, 36, 0.13, rng.normal(0, 0.15))
    trunk += rng.normal(0, 0.006 * flaw.size, trunk.shape)
    paths = [(trunk, 1.0)]
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(8, 28))
        twig = SceneFlaw(
            "crack",
            0,
            0,
            flaw.size * rng.uniform(0.15, 0.35),
            flaw.angle + rng.choice([-1, 1]) * rng.uniform(25, 60),
            0,
        )
        branch = _wander(rng, twig, 14, 0.12, 0.0)
        paths.append((branch - branch[0] + trunk[at], 0.6))
    gap = np.zeros(picture.shape[:2], np.float32)
    for path, share in paths:
        taper = np.linspace(1, 0.25, len(path)) * rng.uniform(0.6, 1.3, len(path))
        gap = np.maximum(
            gap, _draw(picture.shape, _map(path, to_pixels), 0.0031 * flaw.strength * side * share * taper)
        )
    soft = cv2.GaussianBlur(gap, (0, 0), max(0.45, 0.0006 * side))
    near = cv2.GaussianBlur(gap, (0, 0), max(0.8, 0.0028 * side))
    lit = _shade(-near) * 0.5
    dark = picture * (1 - 0.78 * soft - 0.16 * near)[..., None]
    return np.asarray(np.clip(dark + lit[..., None] * 0.5, 0, 1), np.float32)


def _stain(picture: Field, flaw: SceneFlaw, to_pixels: NDArray[np.float64]) -> Field:
    rng = np.random.default_rng(flaw.seed)
    inside = _blob(rng, picture.shape[0], flaw, to_pixels, 0.22)
    body = np.clip(inside / 0.12, 0, 1)
    body = body * body * (3 - 2 * body)
    ring = np.exp(-(((inside - 0.10) / 0.07) ** 2))
    mottle = 0.75 + 0.25 * np.clip(np.sin(inside * 9 + rng.uniform(0, 6)), -1, 1)
    colour = np.asarray([(0.66, 0.45, 0.22), (0.42, 0.32, 0.22), (0.60, 0.50, 0.26)][int(rng.integers(3))], np.float32)
    cover = np.clip((0.42 * body * mottle + 0.30 * ring) * flaw.strength, 0, 0.85)[..., None].astype(np.float32)
    grey = picture.mean(2, keepdims=True)
    tinted = picture * (1 - cover) + cover * colour * (0.25 + 0.75 * grey) * 0.95
    return np.asarray(np.clip(tinted, 0, 1), np.float32)
