"""The soft shadow a part casts on its surface, as four numbers fitted to the photo.

Model: surface(x) = plane(x) * (1 - depth * blur(mask shifted by (dy, dx), sigma)). Being a model rather than
a cut-out of pixels, it goes with the part wherever it is put: the light stays where it is when the part turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.layout.work_area import Floats, blur, distance_to
from core.images.geometry import coverage
from core.types import Mask

WORK_SIZE = 56
"""The part's side, in pixels, to which its window is shrunk for the fit."""
MOST_PIXELS = 400
"""Pixels that the fit looks at, close to the part and farther off each."""
CLOSE = 0.17
"""How far shadows mostly reach, in sides of the part."""
RING = 0.45
"""How far around the part the fit looks, in sides of the part."""
MIN_DEPTH = 0.03
BENT_WIDTH = 0.08
MIN_T = 6.3
"""How many standard errors the depth must be from 0; high because texture is correlated."""


@dataclass(frozen=True)
class Shadow:
    """``depth`` 0..0.9 of darkening, offset (dy, dx) and softness ``sigma`` in photo pixels; depth 0 is none."""

    depth: float = 0.0
    dy: float = 0.0
    dx: float = 0.0
    sigma: float = 1.0

    @property
    def reach(self) -> int:
        """How many pixels beyond the part it can be seen."""
        return int(np.ceil(max(abs(self.dy), abs(self.dx)) + 3.0 * self.sigma)) if self.depth else 0

    def cast(self, alpha: Floats) -> Floats:
        """What the surface is multiplied with, float32 (H, W) in 0..1, for a part of opacity ``alpha`` (H, W)."""
        if not self.depth:
            return np.ones_like(alpha)
        return 1.0 - self.depth * _spread(alpha, self.dy, self.dx, self.sigma)


def _spread(alpha: Floats, dy: float, dx: float, sigma: float) -> Floats:
    shifted = _shifted(alpha, dy, dx) if dy or dx else alpha
    return blur(shifted, max(sigma, 0.3), cv2.BORDER_REPLICATE)


def _shifted(alpha: Floats, dy: float, dx: float) -> Floats:
    # A part cut by the frame goes on outside it, and so does its shadow: hence the replicated border.
    move = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    size = (alpha.shape[1], alpha.shape[0])
    out: Floats = cv2.warpAffine(alpha, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return out


def _least_squares(design: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    normal = (design * weights[:, None]).T
    return np.asarray(np.linalg.solve(normal @ design + 1e-6 * np.eye(design.shape[1]), normal @ values))


def fit_shadow(luminance: Floats, part: Mask, surface: Mask, size: float) -> Shadow:
    """Fit a part's shadow in a window around it.

    luminance: float32 (H, W) in 0..255. part: bool (H, W). surface: bool (H, W), pixels that may show the bare
    surface (not the part, its soft edge or other parts). size: the part's side in pixels.
    """
    scale = min(1.0, WORK_SIZE / size)
    small = (max(8, round(luminance.shape[1] * scale)), max(8, round(luminance.shape[0] * scale)))
    light = cv2.resize(luminance, small, interpolation=cv2.INTER_AREA)
    alpha = coverage(part, small[::-1])
    seen = coverage(surface, small[::-1]) > 0.99
    away = distance_to(alpha > 0.5)
    seen &= away < RING * size * scale
    if seen.sum() < 60:
        return Shadow()
    fit = _ShadowFit(light, alpha, seen, away, size * scale)
    if fit.level < 8:
        return Shadow()
    best = fit.search()
    if best is None:
        return Shadow()
    depth, dy, dx, sigma = best
    return Shadow(depth, dy / scale, dx / scale, sigma / scale)


def _thinned(chosen: Mask) -> npt.NDArray[np.intp]:
    """Flat indices of at most about MOST_PIXELS of the chosen pixels."""
    at = np.flatnonzero(chosen)
    return at[:: max(1, round(at.size / MOST_PIXELS))]


class _ShadowFit:
    """The search at working size: a robust plane first, then offset and softness on a grid, twice finer."""

    def __init__(self, light: Floats, alpha: Floats, seen: Mask, away: Floats, size: float) -> None:
        self.alpha, self.size = alpha, size
        # Close by the shadow shows; farther off only the surface's slope is read.
        close = seen & (away < CLOSE * size)
        at = np.concatenate([_thinned(close), _thinned(seen & ~close)])
        rows, cols = np.divmod(np.sort(at), seen.shape[1])
        away = away[rows, cols]
        self.rows, self.cols = rows.astype(np.float32), cols.astype(np.float32)
        height, width = light.shape
        self.plane = np.stack([np.ones(rows.size), rows / height - 0.5, cols / width - 0.5], 1)
        self.values = light[rows, cols].astype(np.float64)
        self.near = away < 0.12 * size
        # The level is read close by: farther off there may be a wall, and another surface behind it.
        home = ~self.near & (away < 0.3 * size)
        self.home = home if home.sum() > 30 else np.ones_like(home)
        self.level = float(np.median(self.values[self.home]))
        self.noise = 1.0
        self.weights = self._first_weights()

    def _first_weights(self) -> np.ndarray:
        """Weights 0/1 that leave out walls, lines and other things; dark pixels near the part may be shadow."""
        residual = self.values - self.level
        for _ in range(3):
            self.noise = max(0.75, 1.4826 * float(np.median(np.abs(residual[self.home]))))
            weights = (np.abs(residual) < 2.5 * self.noise).astype(float)
            if weights.sum() < 30:
                break
            residual = self.values - self.plane @ _least_squares(self.plane, self.values, weights)
        shadowed = self.near & (residual < 0) & (residual > -0.8 * self.level)
        return ((np.abs(residual) < 2.5 * self.noise) | shadowed).astype(float)

    def search(self) -> tuple[float, float, float, float] | None:
        """(depth, dy, dx, sigma) at working size, or None where there is no shadow to speak of."""
        step = max(0.065 * self.size, 0.9)
        offsets = np.arange(-2, 3) * step
        widths = [max(s * self.size, 0.5) for s in (0.02, 0.045, 0.09, 0.16)]
        found = self._best(widths, offsets, offsets)
        for shrink, spread in ((0.5, (0.75, 1.0, 1.33)), (0.25, (0.87, 1.0, 1.15))):
            if found is None:
                return None
            depth, dy, dx, sigma, _ = found
            self._reweigh(depth, dy, dx, sigma)
            fine = np.array([-1.0, 0.0, 1.0]) * step * shrink
            found = self._best([max(sigma * f, 0.4) for f in spread], dy + fine, dx + fine)
        if found is None:
            return None
        depth, dy, dx, sigma, t = found
        if depth < MIN_DEPTH or t < MIN_T:
            return None
        if self.plane.shape[1] > 3:
            # Of bent light and a wide shadow nobody can tell which is which.
            return (depth, dy, dx, sigma) if sigma <= BENT_WIDTH * self.size else None
        down, right = self.plane[:, 1], self.plane[:, 2]
        bent = np.concatenate([self.plane, np.stack([down * down, right * right, down * right], 1)], axis=1)
        if not self._explains(bent, depth, dy, dx, sigma):
            return depth, dy, dx, sigma
        self.plane = bent
        return self.search()

    def _explains(self, bent: np.ndarray, depth: float, dy: float, dx: float, sigma: float) -> bool:
        """Does light that falls off in a curve explain what is seen as well as a shadow does?"""
        shaded = self.plane * (1.0 - depth * self._cover(sigma, [(dy, dx)])[0])[:, None]
        left = []
        for design in (bent, shaded):
            rest = self.values - design @ _least_squares(design, self.values, self.weights)
            left.append(float((rest * rest * self.weights).sum()))
        return left[0] <= left[1]

    def _cover(self, sigma: float, shifts: Sequence[tuple[float, float]]) -> Floats:
        """The softened part at the seen pixels for every (dy, dx): float32 (shifts, pixels)."""
        soft = _spread(self.alpha, 0, 0, sigma)
        dy, dx = (np.array([shift[axis] for shift in shifts], np.float32)[:, None] for axis in (0, 1))
        at_x, at_y = self.cols - dx, self.rows - dy
        out: Floats = cv2.remap(soft, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return out

    def _best(
        self, widths: Sequence[float], downs: npt.NDArray[Any], rights: npt.NDArray[Any]
    ) -> tuple[float, float, float, float, float] | None:
        """The grid point that explains most, with its depth and how many standard errors that is from 0."""
        shifts = [(float(dy), float(dx)) for dy, dx in product(downs, rights)]
        # The level taken off first, single precision is enough.
        root = np.sqrt(self.weights).astype(np.float32)
        base = self.plane.astype(np.float32) * root[:, None]
        size = base.shape[1]
        # What the plane explains is taken off both sides.
        onto = base @ np.linalg.inv(base.T @ base + 1e-3 * np.eye(size, dtype=np.float32)).astype(np.float32)
        target = (self.values - self.level).astype(np.float32) * root
        target = target - onto @ (base.T @ target)
        best: tuple[float, float, float, float, float] | None = None
        for sigma in widths:
            rows = self._cover(sigma, shifts) * root
            rows -= (rows @ onto) @ base.T
            power = np.einsum("ij,ij->i", rows, rows) + 1e-9
            slopes = rows @ target / power
            gain = np.where(slopes < 0, slopes * slopes * power, 0.0)
            i = int(np.argmax(gain))
            t = float(np.sqrt(gain[i]) / self.noise)
            if gain[i] > 0 and (best is None or t > best[4]):
                best = (float(np.clip(-slopes[i] / max(self.level, 1.0), 0.0, 0.9)), *shifts[i], sigma, t)
        return best

    def _reweigh(self, depth: float, dy: float, dx: float, sigma: float) -> None:
        """Leave out what the model does not explain."""
        design = self.plane * (1.0 - depth * self._cover(sigma, [(dy, dx)])[0])[:, None]
        residual = self.values - design @ _least_squares(design, self.values, self.weights)
        scale = max(0.75, 1.4826 * float(np.median(np.abs(residual[self.weights > 0]))))
        self.noise = scale
        self.weights = (np.abs(residual) < 3.0 * scale).astype(float)
