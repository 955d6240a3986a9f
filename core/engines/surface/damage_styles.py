"""The looks that the ``perlin`` engine paints: each turns a masked surface into a damaged one.

A style is a function of a ``Brush``; it returns the surface's new pixels, float32 (h, w, 3), 0..255. All but
``texture`` and ``noise`` modulate the light of the surface that is there, so that its grain goes on underneath.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from core.engines.surface.gradient_noise import FloatMap, blurred, fractal, is_thin, slope_shading, smoothstep
from core.engines.surface.surface import Pixels, Surface, highlight, shade


@dataclass(frozen=True)
class Brush:
    """What a style paints with. ``inside`` is the distance to the outline in px, ``relative_depth`` that over the
    local half width (0..1), ``strength`` the opacity β in 0..1, ``tone`` -1 darker or +1 brighter, ``light`` the
    lamp's angle, ``cell`` the width of the noise's features in px, ``edge`` the px over which the damage sets in.
    """

    surface: Surface
    inside: FloatMap
    relative_depth: FloatMap
    strength: float
    tone: int
    cell: float
    edge: float
    roughness: float
    light: float
    rng: np.random.Generator
    material: Pixels | None = None

    @property
    def thin(self) -> bool:
        """A line rather than an area."""
        return is_thin(self.inside)

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) of the crop."""
        return (self.inside.shape[0], self.inside.shape[1])

    def noise(self, scale: float = 1.0, octaves: int = 4) -> FloatMap:
        """Fractal noise of unit deviation, its widest features ``scale`` times the brush's cell."""
        return fractal(self.shape, max(2.0, self.cell * scale), self.rng, octaves, self.roughness)

    def edge_ramp(self, px: float) -> FloatMap:
        """0 at the outline .. 1 from ``px`` pixels (at most half the shape's width) inwards."""
        return smoothstep(0.0, max(1.0, min(px, float(self.inside.max()))), self.inside)


def stain(brush: Brush) -> Pixels:
    """A dried film: uneven absorption, densest in a line along its outline, brownish on colour photos."""
    width = max(1.5, 0.18 * float(brush.inside.max()), 0.8 * brush.edge)
    ring = np.exp(-(((brush.inside - width) / width) ** 2)).astype(np.float32)
    film = np.clip(0.42 + 0.3 * ring + 0.14 * brush.noise(), 0.12, 1) * brush.edge_ramp(brush.edge)
    return _tinted(brush, shade(brush.surface.pixels, film * np.float32(brush.strength), brush.tone), film, 0.5)


def burn(brush: Brush) -> Pixels:
    """Heat: charred in the middle, fading outwards in ragged tongues, with a straw-coloured halo on colour photos."""
    heat = brush.inside / max(float(brush.inside.max()), 1.0)
    heat = np.clip(1.15 * np.sqrt(heat) + 0.16 * brush.noise(), 0, 1.1)
    char = smoothstep(0.05, 1.0, heat) * 0.92 * brush.edge_ramp(brush.edge)
    return _tinted(brush, shade(brush.surface.pixels, char * np.float32(brush.strength), brush.tone), char, 0.9)


def corrosion(brush: Brush) -> Pixels:
    """Many small pits eaten into the surface, denser towards the middle, each with a lit edge."""
    size = min(1.0, 4 * brush.surface.pixel_scale / brush.cell)
    spread = 0.7 * brush.noise(min(1.0, 6 * size), 2) + 1.3 * brush.edge_ramp(0.5 * float(brush.inside.max()))
    pits = smoothstep(0.1, 1.4, 0.9 * brush.noise(size, 3) + spread - 0.6)
    relief = np.clip(-3.0 * slope_shading(cv2.GaussianBlur(pits, (0, 0), 0.8), brush.light), -0.35, 0.35)
    amount = 0.7 * pits * brush.edge_ramp(1.5) + 0.12 * brush.edge_ramp(brush.edge) + relief * pits
    return _tinted(brush, shade(brush.surface.pixels, amount * np.float32(brush.strength), brush.tone), pits, 0.8)


def crack(brush: Brush) -> Pixels:
    """A gap in the surface: an almost black core of uneven width, a thin lit lip on the side that faces the lamp.

    In a broad mask it runs as a net of gaps: the ridges of a noise field.
    """
    if brush.thin:
        half = smoothstep(0.15, 0.75, brush.relative_depth + 0.12 * brush.noise(1.5, 2))
        core = half * np.clip(0.85 + 0.12 * brush.noise(2.0, 2), 0.35, 1)
    else:
        veins = brush.noise(1.2, 4)
        slope = np.hypot(slope_shading(veins, 0), slope_shading(veins, np.pi / 2)) + 1e-3
        core = np.exp(-((veins / slope / 1.1) ** 2)).astype(np.float32) * brush.edge_ramp(2.0)
    core = np.minimum(cv2.GaussianBlur(core, (0, 0), 0.6) * 1.15, 1) * (brush.inside > 0)
    lip = np.clip(slope_shading(cv2.GaussianBlur(core, (0, 0), 0.8), brush.light) * 1.5, 0, 1) * (1 - core)
    return shade(brush.surface.pixels, (0.85 * core - 0.3 * lip) * np.float32(brush.strength), brush.tone)


def scratch(brush: Brush) -> Pixels:
    """A groove: one flank catches the lamp, the other lies in shadow, streaks run along it."""
    groove = cv2.GaussianBlur(-smoothstep(0, 1, brush.relative_depth), (0, 0), 0.8)
    flank = slope_shading(groove, brush.light)
    scale = max(float(np.abs(flank[brush.surface.mask]).mean()) * 2.5, 0.02)
    flank = np.clip(flank / scale, -1, 1)
    bare = smoothstep(0.1, 0.8, brush.relative_depth) * np.clip(0.5 + 0.22 * brush.noise(1.0, 3), 0.1, 0.9)
    return shade(brush.surface.pixels, (0.65 * bare + 0.4 * flank) * np.float32(brush.strength), brush.tone)


def dent(brush: Brush) -> Pixels:
    """A hollow pressed into the surface: dark on the side near the lamp, bright on the far one, its grain intact."""
    reach = max(1.0, float(brush.inside.max()))
    bowl = -smoothstep(0, 1.1, brush.inside / reach) * reach + 0.05 * reach * brush.noise(1.5, 2)
    bowl = blurred(bowl, max(0.8, 0.12 * reach))
    light = slope_shading(bowl, brush.light)
    light = light / max(float(np.quantile(np.abs(light[brush.surface.mask]), 0.9)), 1e-3)
    amount = np.clip(0.55 * light - 0.12, -0.8, 0.8) * brush.edge_ramp(2.0)
    return shade(brush.surface.pixels, amount * np.float32(brush.strength), 1)


def pit(brush: Brush) -> Pixels:
    """A hole or blister: a black hollow with a soft wall, its far wall lit."""
    reach = max(1.0, float(brush.inside.max()))
    deep = np.clip(brush.inside / reach + 0.08 * brush.noise(1.0, 2), 0, 1)
    hollow = smoothstep(0.0, 0.45, deep)
    wall = slope_shading(blurred(-hollow, max(0.8, 0.1 * reach)), brush.light)
    wall = np.clip(wall * reach, -1, 1) * brush.edge_ramp(2.0)
    grit = np.clip(1 + 0.06 * brush.noise(0.3, 3), 0.7, 1.1)
    return shade(brush.surface.pixels, (0.8 * hollow * grit - 0.3 * wall) * np.float32(brush.strength), brush.tone)


def texture(brush: Brush) -> Pixels:
    """Foreign material laid over the surface with opacity β (DRAEM eq. 1, (1-β)·photo + β·texture)."""
    assert brush.material is not None
    beta = (np.float32(brush.strength) * brush.edge_ramp(1.5))[..., None]
    return np.asarray(brush.surface.pixels * (1 - beta) + brush.material * beta, np.float32)


def noise(brush: Brush) -> Pixels:
    """DRAEM's anomaly source without a texture library: noise in the photo's range, coloured on colour photos."""
    channels = 1 if brush.surface.grey else 3
    fields = [brush.noise(0.4, 4) for _ in range(channels)] * (3 // channels)
    top = highlight(brush.surface.pixels)
    material = np.dstack([np.clip(0.45 + 0.3 * f, 0, 1) * top for f in fields]).astype(np.float32)
    if brush.surface.two_tone is not None:
        material = np.where(np.dstack(fields) > 0, *map(np.float32, brush.surface.two_tone))
    beta = (np.float32(brush.strength) * brush.edge_ramp(1.5))[..., None]
    return np.asarray(brush.surface.pixels * (1 - beta) + material * beta, np.float32)


STYLES: dict[str, Callable[[Brush], Pixels]] = {
    f.__name__: f for f in (stain, burn, corrosion, crack, scratch, dent, pit, texture, noise)
}

_WORDS = {
    "crack": ("crack", "fissure", "split", "cut"),
    "scratch": ("scratch", "scrape", "groove", "abras"),
    "dent": ("dent", "bump", "bulge", "deform", "press", "squeez", "uneven"),
    "pit": ("hole", "pit", "blister", "bubble", "void", "pore", "chip", "break", "broken", "bite"),
    "burn": ("burn", "scorch", "char", "heat"),
    "corrosion": ("rust", "corros", "oxid", "rough", "fray"),
    "stain": ("stain", "oil", "dirt", "spot", "contam", "water", "glue", "discol", "liquid", "smudge"),
    "texture": ("fold", "thread", "color", "colour", "foreign", "metal_contamination"),
}


_SOFT_EDGES = {"stain": 0.45, "burn": 0.5, "corrosion": 0.35}
"""Styles that fade out, and over what share of their half width they do."""
_WET_WORDS = ("oil", "water", "liquid", "discol", "smudge", "wet", "haze", "fog")
_DRY_WORDS = ("glue", "dirt", "paint", "ink", "dried")
_USUAL_GRAIN = 0.35


def soft_edge_share(label: str, style: str, grain: float) -> float:
    """Over what share of its half width damage fades out; 0 for a style with an edge of its own.

    What is wet runs out softly, what has dried ends sooner, and finer ``grain`` makes the edge finer too.
    """
    share = _SOFT_EDGES.get(style, 0.0)
    if any(word in label for word in _WET_WORDS):
        share *= 1.5
    elif any(word in label for word in _DRY_WORDS):
        share *= 0.6
    return share * float(np.clip(grain / _USUAL_GRAIN, 0.5, 1.3))


def choose_style(label: str, inside: FloatMap, rng: np.random.Generator) -> str:
    """The style that fits a label's words, else the mask's geometry: long thin masks are cracks or scratches."""
    for style, words in _WORDS.items():
        if any(word in label for word in words):
            return style
    if is_thin(inside):
        return str(rng.choice(["crack", "scratch"]))
    if np.count_nonzero(inside) < 60:
        return "pit"
    return str(rng.choice(["stain", "burn", "corrosion", "dent", "pit"]))


def _tinted(brush: Brush, pixels: Pixels, amount: FloatMap, how: float) -> Pixels:
    """Warm the darkened part of a colour photo: oxides and films absorb blue before red."""
    if brush.surface.grey or brush.tone > 0:
        return pixels
    warm = np.clip(amount * (1.3 - amount) * 2.4, 0, 1) * np.float32(how * brush.strength)
    colour = np.array([1.08, 0.92, 0.68], np.float32)
    return np.asarray(pixels * (1 + (colour - 1) * warm[..., None]), np.float32)
