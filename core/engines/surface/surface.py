"""What the model-free engines know of the surface they work on, and how they give a result back to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.api import Context
from core.images import inner_alpha, is_grey
from core.images.geometry import mask_box
from core.quality.visible_change import VISIBLE_LEVELS
from core.types import Image, Mask, Request

Pixels = npt.NDArray[np.float32]
"""``float32 (h, w, 3)``, RGB, 0..255: a crop being worked on."""
Tone = Literal["auto", "darker", "brighter"]

_SMALL = 300
"""Pixels of a mask at 256 px photo side below which only a difference of the mean is seen, not one of pattern."""

_DARK_WORDS = ("crack", "hole", "burn", "stain", "pit", "chip", "rust", "corros", "oil", "dirt", "void", "spot")
_BRIGHT_WORDS = ("scratch", "glare", "flash", "residue", "bright", "dust", "solder")


@dataclass(frozen=True)
class Surface:
    """The part of a photo that an engine works on.

    ``rows``, ``cols`` are the mask's box; ``mask`` bool (h, w) and ``pixels`` float32 (h, w, 3) are its crops.
    ``grey``: the photo has no colour. ``two_tone``: its (dark, light) levels when it has but two, else None.
    ``pixel_scale``: how many px of this photo one pixel of a photo of 256 px a side would be, at least 1.
    """

    rows: slice
    cols: slice
    mask: Mask
    pixels: Pixels
    grey: bool
    two_tone: tuple[int, int] | None
    pixel_scale: float

    def soft_edge(self, radius: float) -> npt.NDArray[np.float32]:
        """A soft edge within the mask, see core.images.inner_alpha; a hard one where the photo has but two tones:
        half way between them is one or the other."""
        return inner_alpha(self.mask, radius if self.two_tone is None else 0.0)

    @property
    def texture(self) -> float:
        """Standard deviation, in levels, of the surface's fine structure under the mask."""
        luminance = luma(self.pixels)
        fine = luminance - cv2.blur(luminance, (7, 7))
        return float(fine[self.mask].std())


def crop_surface(request: Request, mask: Mask, ctx: Context, pad: int = 0) -> Surface:
    """Crop the photo to the box of ``mask`` (bool (H, W), not empty) grown by ``pad`` px."""
    photo = request.normal.pixels
    key = ("surface", request.normal.id)
    if key not in ctx.cache:
        ctx.cache[key] = (is_grey(photo), _two_tones(photo))
    grey, two_tone = ctx.cache[key]
    rows, cols = mask_box(mask, pad)
    crop = photo[rows, cols].astype(np.float32)
    return Surface(
        rows, cols, np.ascontiguousarray(mask[rows, cols]), crop, grey, two_tone, max(1.0, min(photo.shape[:2]) / 256)
    )


def paste_surface(request: Request, surface: Surface, pixels: Pixels) -> Image:
    """The photo with ``pixels`` in the mask: rounded, grey where the photo is grey, two-tone where it is two-tone."""
    if surface.grey:
        pixels = np.repeat(luma(pixels)[..., None], 3, axis=2)
    if surface.two_tone is not None:
        dark, light = surface.two_tone
        pixels = np.where(luma(pixels)[..., None] * 2 > dark + light, np.float32(light), np.float32(dark))
        pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    crop = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    image = request.normal.pixels.copy()
    view = image[surface.rows, surface.cols]
    view[surface.mask] = crop[surface.mask]
    return image


def luma(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Luminance (Rec. 601) of float32 (h, w, 3): float32 (h, w), 0..255."""
    return np.asarray(cv2.transform(pixels, np.array([[0.299, 0.587, 0.114]], np.float32)), np.float32)


def shade(pixels: Pixels, amount: npt.NDArray[np.float32], tone: int) -> Pixels:
    """Darken (``tone`` -1) or brighten (+1) by ``amount``, float32 (h, w), 0..1, keeping the surface's texture.

    Darkening multiplies, as an absorbing film or a shadow does; brightening goes towards a highlight that fits
    the exposure, so that a dim photo does not get a white spot. Negative amounts do the opposite.
    """
    peak = highlight(pixels)
    up = np.maximum(amount if tone > 0 else -amount, 0)[..., None]
    down = np.maximum(-amount if tone > 0 else amount, 0)[..., None]
    return np.asarray(pixels * (1 - down) + np.maximum(peak - pixels, 0) * up, np.float32)


def highlight(pixels: Pixels) -> float:
    """The level, 0..255, that a highlight of this surface has."""
    return min(255.0, 1.3 * float(np.quantile(pixels[::3, ::3], 0.95)) + 30.0)


def pick_tone(surface: Surface, tone: Tone, label: str, rng: np.random.Generator) -> int:
    """-1 to go darker, +1 brighter: as asked, else by the label's word, and only where the surface has room."""
    level = float(luma(surface.pixels)[surface.mask].mean())
    if surface.two_tone is not None and tone == "auto":
        dark, light = surface.two_tone
        share = (level - dark) / max(light - dark, 1)
        return -1 if rng.random() < 1.5 * share - 0.25 else 1
    wish = -1 if rng.random() < 0.7 else 1
    if tone != "auto":
        wish = -1 if tone == "darker" else 1
    elif any(word in label for word in _DARK_WORDS):
        wish = -1
    elif any(word in label for word in _BRIGHT_WORDS):
        wish = 1
    if wish < 0 and level < 25:
        return 1
    return -1 if wish > 0 and level > 235 else wish


def min_visible_levels(surface: Surface, least: float, clear: bool) -> float:
    """Levels by which damage must differ to be seen here: ``least``, more on rough and on bright surfaces (Weber).

    ``clear``: it shall be seen by its tone alone, as a line or a small spot must, and so it needs more.
    """
    level = float(luma(surface.pixels)[surface.mask].mean())
    return max(least, 1.5 * surface.texture, min((0.33 if clear else 0.12) * level, 70.0))


def needs_mean_shift(surface: Surface, label: str, tone: Tone, thin: bool) -> bool:
    """Whether the damage must be darker or brighter as a whole: small and thin masks, and labels that say so."""
    words = any(word in label for word in _DARK_WORDS + _BRIGHT_WORDS)
    return thin or words or tone != "auto" or int(np.count_nonzero(surface.mask)) < _SMALL * surface.pixel_scale**2


def strengthen(
    surface: Surface, pixels: Pixels, weight: npt.NDArray[np.float32], levels: float, tone: int, even: bool = False
) -> Pixels:
    """Shift ``pixels`` so that everywhere in the mask the neighbourhood differs from the surface by ``levels``.

    ``weight`` float32 (h, w), 0..1, spreads the shift (a dome, an edge ramp). What differs enough stays as it is;
    the rest moves on in the direction the mean has, or to ``tone`` where it hardly has one. ``even``: all of it
    must differ in its mean towards ``tone``, as a line that the eye shall follow or a small spot.
    """
    heavy = np.where(surface.mask, np.maximum(weight, 1e-3), 0).astype(np.float32)
    gap = (luma(pixels) - luma(surface.pixels)) * heavy
    total = max(float(heavy.sum()), 1e-6)
    drift = float(gap.sum()) / total
    sign = float(np.sign(drift)) if abs(drift) > VISIBLE_LEVELS / 2 and not even else float(tone)
    side = 2 * max(2, int(0.25 * np.sqrt(np.count_nonzero(surface.mask)))) + 1
    around = np.maximum(_near(heavy, side), 1e-6)
    seen, mean = _near(np.abs(gap), side) / around, _near(gap, side) / around
    seen = np.clip(sign * mean, 0, None) if even else seen
    lack = np.clip((levels - seen) * 4 / levels, 0, 1)
    shift = sign * np.clip(levels - sign * mean, 0, None) * lack * weight * surface.mask
    # Darkening multiplies, so that a coloured surface keeps its hue as it would in a shadow.
    down = np.clip(shift, None, 0) / np.maximum(luma(pixels), 1)
    return np.asarray(pixels * np.maximum(1 + down, 0)[..., None] + np.clip(shift, 0, None)[..., None], np.float32)


def _near(field: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """Mean over a window, twice: close to a Gaussian, at a cost that does not depend on ``side``."""
    window = (side, side)
    once = cv2.blur(field, window, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(cv2.blur(once, window, borderType=cv2.BORDER_CONSTANT), np.float32)


def _two_tones(photo: Image) -> tuple[int, int] | None:
    """(dark, light) when 97 % of the pixels lie within 12 levels of two levels far apart, as in a binary scan."""
    step = max(1, min(photo.shape[:2]) // 128)
    counts = np.bincount(photo[::step, ::step, 1].reshape(-1), minlength=256)
    cumulative = np.concatenate(([0], np.cumsum(counts)))
    near = cumulative[np.minimum(np.arange(256) + 13, 256)] - cumulative[np.maximum(np.arange(256) - 12, 0)]
    first = int(near.argmax())
    far = np.abs(np.arange(256) - first) >= 96
    second = int(np.where(far, near, -1).argmax())
    total = cumulative[-1]
    if near[second] < 0.01 * total or near[first] + near[second] < 0.97 * total:
        return None
    tones = []
    for centre in (first, second):
        low = max(0, centre - 12)
        tones.append(low + int(counts[low : centre + 13].argmax()))
    if not is_grey(photo):
        return None
    return (min(tones), max(tones))
