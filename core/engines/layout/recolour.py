"""Another colour for a part, its texture and shading kept."""

from __future__ import annotations

import cv2
import numpy as np

from core.engines.layout.work_area import Floats

NEUTRAL = 6.0
"""Mean Lab chroma below which a part counts as grey."""


def random_shift(colour: Floats, weight: Floats, grey: bool, rng: np.random.Generator) -> tuple[float, float, float]:
    """(hue in degrees, saturation and lightness in Lab units) that plainly shows on this part.

    colour: float32 (h, w, 3) in 0..255; weight: float32 (h, w).
    """
    lab = to_lab(colour)
    light, chroma = _mean_light(lab, weight), float(np.hypot(*_mean_tint(lab, weight)))
    up = light < 35 or (light < 65 and rng.random() < 0.5)
    if grey:
        return 0.0, 0.0, float(rng.uniform(14, 26) * (1 if up else -1))
    lightness = float(rng.uniform(0, 12) * (1 if up else -1))
    if chroma < NEUTRAL:
        return float(rng.uniform(-180, 180)), float(rng.uniform(18, 40)), lightness
    return float(rng.uniform(40, 180) * rng.choice([-1, 1])), float(rng.uniform(-8, 8)), lightness


def recoloured(colour: Floats, weight: Floats, hue: float, saturation: float, lightness: float, grey: bool) -> Floats:
    """``colour`` (h, w, 3) float32 in 0..255 with its hue turned and saturation and lightness shifted.

    Lightness goes through a power curve that moves the mean by ``lightness`` and keeps black and white where
    they are, so no texture is clipped. Saturation adds chroma in proportion to a pixel's lightness, along the
    part's mean hue; a neutral part takes the hue ``hue`` itself. A grey photo gets lightness only.
    """
    lab = to_lab(colour)
    light = _mean_light(lab, weight)
    level = float(np.clip(light / 100, 0.02, 0.98))
    wanted = float(np.clip((light + lightness) / 100, 0.02, 0.98))
    new_light = 100 * np.clip(lab[..., 0] / 100, 0, 1) ** (np.log(wanted) / np.log(level))
    if grey:
        return np.repeat(_grey_of_lightness(new_light)[..., None], 3, axis=2)
    tint = _mean_tint(lab, weight)
    chroma = float(np.hypot(*tint))
    home = float(np.arctan2(tint[1], tint[0])) if chroma >= NEUTRAL else 0.0
    turn = np.deg2rad(hue)
    a = lab[..., 1] * np.cos(turn) - lab[..., 2] * np.sin(turn)
    b = lab[..., 1] * np.sin(turn) + lab[..., 2] * np.cos(turn)
    if saturation < 0:
        keep = max(0.0, 1 + saturation / max(chroma, 1.0))
        a, b = a * keep, b * keep
    else:
        added = saturation * np.clip(new_light / (100 * wanted), 0, 1.5)
        a, b = a + added * np.cos(home + turn), b + added * np.sin(home + turn)
    out = cv2.cvtColor(np.stack([new_light, a, b], 2).astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.asarray(np.clip(out * 255, 0, 255), np.float32)


def to_lab(colour: Floats) -> Floats:
    """sRGB float32 (h, w, 3) in 0..255 as CIE Lab, L in 0..100."""
    lab: Floats = cv2.cvtColor((colour / 255).astype(np.float32), cv2.COLOR_RGB2LAB)
    return lab


def _mean_light(lab: Floats, weight: Floats) -> float:
    return float((lab[..., 0] * weight).sum() / max(float(weight.sum()), 1e-6))


def _mean_tint(lab: Floats, weight: Floats) -> tuple[float, float]:
    total = max(float(weight.sum()), 1e-6)
    return float((lab[..., 1] * weight).sum() / total), float((lab[..., 2] * weight).sum() / total)


def _grey_of_lightness(light: Floats) -> Floats:
    """CIE lightness 0..100 as sRGB grey 0..255."""
    f = (light + 16) / 116
    linear = np.where(light > 8, f**3, light / 903.3)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    return np.asarray(np.clip(srgb * 255, 0, 255), np.float32)
