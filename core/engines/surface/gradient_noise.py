"""Gradient noise and distance fields: the brushes of the model-free engines."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.types import Mask

FloatMap = npt.NDArray[np.float32]
"""``float32 (H, W)``."""

_SAMPLES_PER_CELL = 6


def perlin(shape: tuple[int, int], cell: float, rng: np.random.Generator) -> FloatMap:
    """Perlin's gradient noise over ``shape`` (H, W): float32, about -1..1, features ``cell`` px wide.

    Coarse cells are evaluated on a coarse grid and enlarged: the noise is smooth there, so that the cost does not
    grow with the picture.
    """
    cell = max(1.0, cell)
    step = max(1, int(cell / _SAMPLES_PER_CELL))
    rows, cols = (max(2, -(-side // step) + 1) for side in shape)
    y, x = np.arange(rows, dtype=np.float32) * (step / cell), np.arange(cols, dtype=np.float32) * (step / cell)
    iy, ix = y.astype(np.intp), x.astype(np.intp)
    fy, fx = (y - iy)[:, None], (x - ix)[None, :]
    angle = rng.uniform(0, 2 * np.pi, (iy[-1] + 2, ix[-1] + 2)).astype(np.float32)
    gy, gx = np.sin(angle), np.cos(angle)

    def corner(dy: int, dx: int) -> FloatMap:
        at = np.ix_(iy + dy, ix + dx)
        return np.asarray(gy[at] * (fy - dy) + gx[at] * (fx - dx), np.float32)

    sy, sx = _fade(fy), _fade(fx)
    top = corner(0, 0) * (1 - sx) + corner(0, 1) * sx
    low = corner(1, 0) * (1 - sx) + corner(1, 1) * sx
    noise = (top * (1 - sy) + low * sy) * np.float32(np.sqrt(2))
    if step > 1:
        noise = cv2.resize(noise, (cols * step, rows * step), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(noise[: shape[0], : shape[1]], np.float32)


def fractal(
    shape: tuple[int, int], cell: float, rng: np.random.Generator, octaves: int = 4, roughness: float = 0.5
) -> FloatMap:
    """Sum of ``octaves`` of perlin, each half as wide and ``roughness`` times as strong; float32, unit deviation."""
    total = perlin(shape, cell, rng)
    for octave in range(1, octaves):
        if cell / 2**octave < 1:
            break
        total += np.float32(roughness**octave) * perlin(shape, cell / 2**octave, rng)
    return np.asarray((total - total.mean()) / max(float(total.std()), 1e-3), np.float32)


def depth(mask: Mask) -> FloatMap:
    """Distance in pixels from each pixel of ``mask`` to the nearest one outside; 0 outside. The frame is no edge."""
    if mask.all():
        return np.full(mask.shape, max(mask.shape) / 2, np.float32)
    return np.asarray(cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, 5), np.float32)


def relative_depth(inside: FloatMap) -> FloatMap:
    """0 at the outline .. 1 on the middle line of a shape of any width; ``inside`` as from ``depth``."""
    widest = float(inside.max())
    if widest < 1:
        return (inside > 0).astype(np.float32)
    # The local maximum of a wide shape's distances varies slowly: it is looked for on a coarse grid.
    step = max(1, int(widest / 12))
    coarse = inside[::step, ::step] if step > 1 else inside
    side = 2 * int(np.ceil(widest / step)) + 1
    peak = cv2.blur(cv2.dilate(coarse, np.ones((side, side), np.uint8)), (3, 3))
    if step > 1:
        peak = cv2.resize(peak, (inside.shape[1], inside.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.minimum(inside / np.maximum(peak, 1e-3), 1), np.float32)


def blurred(field: FloatMap, sigma: float) -> FloatMap:
    """Gaussian blur of any width at a cost that does not grow with it: wide ones are done on a coarse grid."""
    step = int(sigma / 3)
    if step < 2 or min(field.shape) < 4 * step:
        return np.asarray(cv2.GaussianBlur(field, (0, 0), max(sigma, 0.1)), np.float32)
    height, width = field.shape
    coarse = cv2.resize(field, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_AREA)
    coarse = cv2.GaussianBlur(coarse, (0, 0), sigma / step)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def is_thin(inside: FloatMap) -> bool:
    """Whether a shape with this distance field is a line: much longer than wide."""
    widest = max(float(inside.max()), 0.5)
    return float(np.count_nonzero(inside)) > 25 * widest * widest


def uneven_line(inside: FloatMap, rng: np.random.Generator) -> FloatMap:
    """Weight 0..1 of a line that narrows, widens and fades along its way, as cracks do; strongest in its middle."""
    widest = max(float(inside.max()), 1.0)
    sway = fractal((inside.shape[0], inside.shape[1]), 12 * widest, rng, 3)
    core = smoothstep(0.0, 0.75, relative_depth(inside) + 0.15 * sway)
    return np.asarray(core * np.clip(0.9 + 0.14 * sway, 0.6, 1), np.float32)


def smoothstep(low: float, high: float, x: FloatMap) -> FloatMap:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((x - np.float32(low)) / np.float32(max(high - low, 1e-6)), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def slope_shading(height: FloatMap, angle: float) -> FloatMap:
    """Shading of a height field under light from ``angle`` (radians): the slope towards it, float32, signed."""
    gx = cv2.Scharr(height, cv2.CV_32F, 1, 0, scale=1 / 32)
    gy = cv2.Scharr(height, cv2.CV_32F, 0, 1, scale=1 / 32)
    return np.asarray(gx * np.float32(np.cos(angle)) + gy * np.float32(np.sin(angle)), np.float32)


def _fade(t: FloatMap) -> FloatMap:
    return np.asarray(t * t * t * (t * (t * 6 - 15) + 10), np.float32)
