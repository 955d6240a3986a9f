"""The soft shadow that a part casts on its surface, as a few blurred copies of its outline fitted to the photo.

Model: surface(x) = light(x) * (1 - sum of depth_i * blur(mask shifted by (dy_i, dx_i), sigma_i)). The copies lie along
one direction, that of the light, and close to the part, where it darkens the seam that it stands on. Being a model
rather than a cut-out of pixels, it goes with the part wherever it is put: the light stays where it is when the part
turns.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from core.engines.ground.aligned import Floats
from core.images.geometry import coverage
from core.types import Mask

Doubles = npt.NDArray[np.float64]

WORK_SIZE = 56
"""The part's side, in pixels, to which its window is shrunk for the fit."""
MOST_PIXELS = 700
"""Pixels that the fit looks at, close to the part and farther off each."""
CLOSE = 0.2
"""How far shadows mostly reach, in sides of the part."""
RING = 0.4
"""How far around the part the fit looks, in sides of the part."""
SEAMS = (0.02, 0.05, 0.1)
"""Widths of the dark seam where the part touches its surface, in sides of the part."""
FAR, SOFT = (0.04, 0.08, 0.13, 0.2), (0.35, 0.7, 1.4)
"""How far the cast shadow lies, in sides of the part, and how soft it is, in shares of that way."""
PLAIN_FAR, PLAIN_SOFT = 3, 2
"""How many of these are tried where the surface without the shadow is not known: of a wide shadow and light that bends
nobody can tell which is which."""
DIRECTIONS = 12
PRICE, WIDE = 2.0, 20.0
"""Standard errors that a copy must explain where the surface is not known, and how much more per side of width."""
ROUNDS = 4
"""How often what the model does not explain is left out, and the fit made again."""
MIN_DEPTH = 0.03
MIN_T = 7.0
"""How many standard errors the shadow must be from none; high because texture is correlated."""
STIFF, PLAIN_STIFF = 0.02, 0.1
"""Share of the fit's own power by which unneeded copies are held down, with and without a known surface."""
LEAST_PIXELS = 60
LEAST_LEVEL = 8.0
LEAST_LIGHT = 0.1
"""Share of the light that is left in the deepest shadow."""


@dataclass(frozen=True)
class ShadowCopy:
    """One copy of the outline: ``depth`` 0..1 of darkening, offset (dy, dx) and softness ``sigma`` in pixels."""

    depth: float
    dy: float
    dx: float
    sigma: float

    def scaled(self, scale: float) -> ShadowCopy:
        """The copy of a part ``scale`` times as large."""
        return ShadowCopy(self.depth, self.dy * scale, self.dx * scale, self.sigma * scale)


@dataclass(frozen=True)
class Shadow:
    """What a part takes of its surface's light; without copies it takes none."""

    copies: tuple[ShadowCopy, ...] = ()

    @property
    def reach(self) -> int:
        """How many pixels beyond the part it can be seen."""
        return max((int(np.ceil(max(abs(c.dy), abs(c.dx)) + 3.0 * c.sigma)) for c in self.copies), default=0)

    @property
    def way(self) -> tuple[float, float]:
        """How far it falls, (down, right) in pixels: the mean of its copies, weighted by their depths."""
        depth = max(sum(copy.depth for copy in self.copies), 1e-6)
        down, right = (sum(copy.depth * off for copy, off in zip(self.copies, offs, strict=True)) / depth
                       for offs in ([c.dy for c in self.copies], [c.dx for c in self.copies]))  # fmt: skip
        return down, right

    def scaled(self, scale: float) -> Shadow:
        """The shadow of a part ``scale`` times as large."""
        return Shadow(tuple(copy.scaled(scale) for copy in self.copies))

    def cast(self, alpha: Floats) -> Floats:
        """What the surface is multiplied with, float32 (H, W) in 0..1, for a part of opacity ``alpha`` (H, W)."""
        taken = np.zeros_like(alpha)
        for copy in self.copies:
            taken += np.float32(copy.depth) * _spread(alpha, copy.dy, copy.dx, copy.sigma)
        return np.asarray(np.maximum(1.0 - taken, LEAST_LIGHT), np.float32)


def fit_shadow(luminance: Floats, part: Mask, surface: Mask, size: float, ground: Floats | None = None) -> Shadow:
    """The shadow of a part, from a window around it.

    luminance: float32 (H, W) in 0..255. part: bool (H, W). surface: bool (H, W), pixels that may show the bare
    surface (not the part, its soft edge or other parts). size: the part's side in pixels. ground: float32 (H, W),
    the surface as it is without the shadow, where that is known; else an even light that bends is fitted with it.
    """
    scale = min(1.0, WORK_SIZE / size)
    small = (max(8, round(luminance.shape[1] * scale)), max(8, round(luminance.shape[0] * scale)))
    values = luminance if ground is None else 128 * luminance / np.maximum(ground, 1.0)
    light = cv2.resize(np.asarray(values, np.float32), small, interpolation=cv2.INTER_AREA)
    alpha = coverage(part, small[::-1])
    seen = coverage(surface, small[::-1]) > 0.99
    away = _away(alpha > 0.5)
    seen &= away < RING * size * scale
    if np.count_nonzero(seen) < LEAST_PIXELS:
        return Shadow()
    fit = _ShadowFit(light, alpha, seen, away, size * scale, known=ground is not None)
    return fit.found().scaled(1 / scale) if fit.level >= LEAST_LEVEL else Shadow()


class _ShadowFit:
    """Least squares at working size: light as a bent sheet, copies of the outline with depths of 0 or more."""

    def __init__(self, light: Floats, alpha: Floats, seen: Mask, away: Floats, size: float, known: bool) -> None:
        self.alpha, self.size = alpha, size
        self.stiff = STIFF if known else PLAIN_STIFF
        self.price = 0.0 if known else PRICE
        self.ways = [(far, soft) for far in FAR[: None if known else PLAIN_FAR]
                     for soft in SOFT[: None if known else PLAIN_SOFT]]  # fmt: skip
        close = seen & (away < CLOSE * size)
        at = np.sort(np.concatenate([_thinned(close), _thinned(seen & ~close)]))
        rows, cols = np.divmod(at, seen.shape[1])
        self.rows, self.cols, self.away = rows.astype(np.float32), cols.astype(np.float32), away[rows, cols]
        down, right = rows / light.shape[0] - 0.5, cols / light.shape[1] - 0.5
        bent = [np.ones(rows.size), down, right, down * down, right * right, down * right]
        self.sheet = np.stack(bent[:1] if known else bent, 1)
        self.values = light[rows, cols].astype(np.float64)
        # The level is read close by: farther off there may be a wall, and another surface behind it.
        home = (self.away > 0.12 * size) & (self.away < 0.3 * size)
        self.home = home if home.sum() > 30 else np.ones_like(home)
        self.level = float(np.median(self.values[self.home]))
        self.weights = self._first_weights()

    def _first_weights(self) -> Doubles:
        """Weights 0/1 that leave out walls, lines and other things; dark pixels near the part may be shadow."""
        residual = self.values - self.level
        weights = np.ones(residual.size)
        for _ in range(3):
            noise = max(0.75, 1.4826 * float(np.median(np.abs(residual[self.home]))))
            weights = (np.abs(residual) < 2.5 * noise).astype(np.float64)
            if weights.sum() < 30:
                break
            plane = self.sheet[:, :3]
            residual = self.values - plane @ _least_squares(plane, self.values, weights)
        shadowed = (self.away < CLOSE * self.size) & (residual < 0) & (residual > -0.8 * self.level)
        return np.asarray((weights > 0) | shadowed, np.float64)

    def found(self) -> Shadow:
        """The shadow under the light that explains most; none where there is none to speak of."""
        turns = [(2 * np.pi * i / DIRECTIONS) for i in range(DIRECTIONS)]
        best = min((self._fitted(turn, 2) for turn in turns), key=lambda one: one[0])
        step = np.pi / DIRECTIONS
        near = [best[2] + f * step for f in (-1.0, -0.5, 0.0, 0.5, 1.0)]
        _, shadow, _, told = min((self._fitted(turn, ROUNDS) for turn in near), key=lambda one: one[0])
        return shadow if told >= MIN_T else Shadow()

    def _fitted(self, turn: float, rounds: int) -> tuple[float, Shadow, float, float]:
        """(rest, shadow, turn, standard errors from none) for light that falls in this direction."""
        copies = self._copies(turn)
        cover = np.stack([self._cover(copy) for copy in copies], axis=1)
        weights, lit = self.weights, np.full(self.values.size, self.level)
        noise = 1.4826 * float(np.median(np.abs(self.values[self.home] - self.level)))
        widths = np.array([np.hypot(copy.dy, copy.dx) + copy.sigma for copy in copies]) / self.size
        for _ in range(rounds):
            columns = np.concatenate([self.sheet, -lit[:, None] * cover], axis=1)
            root = np.sqrt(weights)
            onto, scaled = np.linalg.qr(self.sheet * root[:, None])[0], columns[:, self.sheet.shape[1] :]
            design = scaled * root[:, None]
            design = design - onto @ (onto.T @ design)
            target = self.values * root
            target = target - onto @ (onto.T @ target)
            depths = self._depths(design, target, noise, widths)
            dark = scaled @ depths
            sheet = _least_squares(self.sheet, self.values - dark, weights)
            lit = np.maximum(self.sheet @ sheet, LEAST_LEVEL)
            rest = self.values - dark - self.sheet @ sheet
            noise = max(0.5, 1.4826 * float(np.median(np.abs(rest[weights > 0]))))
            weights = np.clip(1 - (rest / (4.5 * noise)) ** 2, 0, 1) ** 2
        gain = float((target**2).sum() - ((target - design @ depths) ** 2).sum())
        shadow = Shadow(tuple(
            ShadowCopy(float(depth), copy.dy, copy.dx, copy.sigma)
            for depth, copy in zip(depths, copies, strict=True) if depth > 0.003
        ))  # fmt: skip
        near = cover[self.away < 0.12 * self.size] @ depths
        deep = near.size > 0 and float(np.percentile(near, 90)) >= MIN_DEPTH
        # Pixels that a fit leaves out cost as if they were at the limit.
        cost = float(np.minimum(np.abs(rest), 4.5 * 2.0).mean())
        return cost, shadow, turn, float(np.sqrt(max(gain, 0)) / noise) if deep else 0.0

    def _depths(
        self,
        design: Doubles,
        target: Doubles,
        noise: float,
        widths: Doubles,
    ) -> Doubles:
        """Depths of 0 or more; the wider a copy, the more it must explain (the lasso of Tibshirani 1996)."""
        power = design.T @ design
        ridge = self.stiff**2 * power.diagonal().max() + 1e-9
        price = self.price * noise * np.sqrt(power.diagonal()) * (1 + WIDE * widths)
        lower = np.linalg.cholesky(power + ridge * np.eye(len(power)))
        found = nnls(lower.T, np.linalg.solve(lower, design.T @ target - price))[0]
        # Those that were chosen are fitted once more without the price, which makes them too faint.
        chosen = found > 0
        if self.price and chosen.any():
            few = power[np.ix_(chosen, chosen)] + ridge * np.eye(int(chosen.sum()))
            lower = np.linalg.cholesky(few)
            found[chosen] = nnls(lower.T, np.linalg.solve(lower, (design.T @ target)[chosen]))[0]
        return np.asarray(found)

    def _copies(self, turn: float) -> list[ShadowCopy]:
        found = [ShadowCopy(1, 0, 0, max(width * self.size, 0.5)) for width in SEAMS]
        for far, soft in self.ways:
            way = far * self.size
            dy, dx = way * float(np.sin(turn)), way * float(np.cos(turn))
            found.append(ShadowCopy(1, dy, dx, max(soft * way, 0.5)))
        return found

    def _cover(self, copy: ShadowCopy) -> Floats:
        """The softened part at the seen pixels, float32 (pixels,)."""
        soft = _spread(self.alpha, 0, 0, copy.sigma)
        at = (self.cols - np.float32(copy.dx))[None], (self.rows - np.float32(copy.dy))[None]
        out: Floats = cv2.remap(soft, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
        return out


def _spread(alpha: Floats, dy: float, dx: float, sigma: float) -> Floats:
    if dy or dx:
        # A part cut by the frame goes on outside it, and so does its shadow: hence the replicated border.
        move = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        size = (alpha.shape[1], alpha.shape[0])
        alpha = cv2.warpAffine(alpha, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), max(sigma, 0.3), borderType=cv2.BORDER_REPLICATE), np.float32)


def _away(mask: Mask) -> Floats:
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def _least_squares(design: Doubles, values: Doubles, weights: Doubles) -> Doubles:
    normal = (design * weights[:, None]).T
    return np.asarray(np.linalg.solve(normal @ design + 1e-6 * np.eye(design.shape[1]), normal @ values))


def _thinned(chosen: Mask) -> npt.NDArray[np.intp]:
    """Flat indices of at most about MOST_PIXELS of the chosen pixels."""
    at = np.flatnonzero(chosen)
    return at[:: max(1, round(at.size / MOST_PIXELS))]
