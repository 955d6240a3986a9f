"""An anomaly bent into another mask: its pixels in the light and colour of the new place, blended as its edge asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.surface.harmony import edge_crispness, fitting_blend, harmonised, is_shaded
from core.engines.surface.outline_warp import OutlineWarp, TurnLimit, warp_onto
from core.engines.surface.surface import Pixels, Surface, min_visible_levels, pick_tone, strengthen
from core.images import inner_alpha, poisson_blend
from core.images.geometry import dilated, mask_box
from core.masks.perturbation import MaskEnhancement, enhance_mask
from core.types import AnomalyExample, Image, Mask

UPRIGHT = TurnLimit(30.0, False)
"""How far an anomaly may be turned that shows where its light comes from."""
_LEAST_VARIED = 40
"""Pixels of a mask below which its outline is left alone."""


@dataclass(frozen=True)
class StampSettings:
    """How an anomaly is stamped.

    ``vary`` moves corners of the outline, as a share of its width; ``blend`` closes the edge, and ``feather`` is the
    width of a fade in pixels. It differs from its surroundings by ``contrast`` levels at least; 0 leaves it as it is.
    """

    vary: float = 0.0
    blend: Literal["auto", "alpha", "feather", "poisson"] = "auto"
    feather: float = 2.0
    contrast: float = 8.0


def shows_light_direction(example: AnomalyExample) -> bool:
    """Whether the anomaly shows where its light comes from, as a dent does, so that it must lie as on its photo."""
    rows, cols = mask_box(example.mask, pad=12)
    return is_shaded(example.pixels[rows, cols], np.ascontiguousarray(example.mask[rows, cols]))


def place_reach(mask: Mask) -> int:
    """Pixels around the mask that say what its surroundings look like."""
    return int(np.clip(0.25 * np.sqrt(np.count_nonzero(mask)), 4, 24))


def stamp_onto(
    surface: Surface,
    example: AnomalyExample,
    limit: TurnLimit,
    settings: StampSettings,
    label: str,
    rng: np.random.Generator,
) -> Pixels:
    """The ``surface`` float32 (h, w, 3) with ``example`` bent into its mask; outside the mask it may differ too.

    ``label`` says whether a faint anomaly is made darker or brighter.
    """
    rows, cols = mask_box(example.mask, pad=place_reach(example.mask) + 8)
    source, defect = example.pixels[rows, cols], np.ascontiguousarray(example.mask[rows, cols])
    soft = inner_alpha(defect, 1.0) if example.alpha is None else example.alpha[rows, cols].astype(np.float32) / 255
    target = _varied(surface.mask, settings.vary, rng)
    warp = warp_onto(defect, target, limit, rng)
    how = cv2.INTER_NEAREST if surface.two_tone is not None else cv2.INTER_LINEAR
    patch = cv2.remap(source, warp.where, None, how, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    alpha = cv2.remap(np.ascontiguousarray(soft), warp.where, None, cv2.INTER_LINEAR).astype(np.float32)
    if surface.two_tone is not None:
        return np.where((alpha >= 0.5)[..., None] & surface.mask[..., None], patch, surface.pixels)
    patch = _in_new_light(patch, source, defect, warp, surface)
    ring = dilated(surface.mask, place_reach(surface.mask)) & ~dilated(surface.mask, 1)
    blend = settings.blend
    if blend == "auto":
        blend = fitting_blend(patch, surface, edge_crispness(source, defect), ring)
    pixels = _blended(blend, patch, alpha, warp, surface, target, settings.feather)
    if not settings.contrast:
        return pixels
    tone = pick_tone(surface, "auto", label, rng)
    levels = min(settings.contrast, min_visible_levels(surface, settings.contrast, False))
    return strengthen(surface, pixels, _weight(alpha, surface, target), levels, tone)


def _varied(mask: Mask, amount: float, rng: np.random.Generator) -> Mask:
    """``mask`` with its outline varied (GAA, eq. 5), a subset of it."""
    if not amount or np.count_nonzero(mask) < _LEAST_VARIED or mask.all():
        return mask
    how = MaskEnhancement(close_px=0, delta=0.05, jitter=amount, bend=0.2 * min(amount, 1), alpha=0)
    varied = enhance_mask(mask, how, rng) & mask
    return varied if 2 * np.count_nonzero(varied) >= np.count_nonzero(mask) else mask


def _in_new_light(patch: Pixels, source: Image, defect: Mask, warp: OutlineWarp, surface: Surface) -> Pixels:
    around = dilated(surface.mask, place_reach(surface.mask)) & ~dilated(surface.mask, 1)
    if warp.with_surroundings:
        covers = cv2.remap(defect.astype(np.uint8), warp.where, None, cv2.INTER_NEAREST, borderValue=1) == 0
        return harmonised(patch, surface.pixels, around & covers, around)
    # Bent without its surroundings: their middle colour stands for them.
    ring = dilated(defect, 8) & ~dilated(defect, 1)
    if not ring.any() or not around.any():
        return patch
    stand_in = patch.copy()
    stand_in[around] = np.median(source[ring], axis=0)
    return harmonised(stand_in, surface.pixels, around, around)


def _weight(alpha: npt.NDArray[np.float32], surface: Surface, target: Mask) -> npt.NDArray[np.float32]:
    """``alpha`` inside the mask; a thin or tiny one, of which nothing is left, counts as a whole."""
    inside = np.where(surface.mask, alpha, 0).astype(np.float32)
    return inside if inside.max() >= 0.5 else target.astype(np.float32)


def _blended(
    blend: str,
    patch: Pixels,
    alpha: npt.NDArray[np.float32],
    warp: OutlineWarp,
    surface: Surface,
    target: Mask,
    feather: float,
) -> Pixels:
    if blend == "poisson" and warp.with_surroundings:
        photo, cut = surface.pixels.astype(np.uint8), np.clip(np.rint(patch), 0, 255).astype(np.uint8)
        return poisson_blend(photo, cut, surface.mask).astype(np.float32)
    weight = _weight(alpha, surface, target)
    if blend == "feather":
        weight = np.minimum(inner_alpha(target, feather), np.maximum(weight, target * np.float32(0.5)))
    return np.asarray(surface.pixels + (patch - surface.pixels) * weight[..., None], np.float32)
