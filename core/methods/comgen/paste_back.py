"""What was drawn at the model's size, in the photo at its own resolution."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve

from core.images import alpha_blend, inner_alpha
from core.images.geometry import coverage, resized
from core.methods.comgen.edit_plan import MovedComponent
from core.types import Image, Mask

Floats = npt.NDArray[np.float32]

FEATHER = 4.0
"""Inner fade at the mask's edge, in pixels of the model's picture."""
TONE = 8.0
"""Pixels of the model's picture over which an error in tone is evened out."""
SWATCH = 12
"""Side, in pixels of the model's picture, of the calm place whose grain goes on; halved where none is free."""


def enlarged(mask: Mask, shape: tuple[int, int]) -> Mask:
    """``mask`` at (H, W), its steps rounded."""
    if mask.shape == shape:
        return mask.copy()
    how = cv2.INTER_AREA if mask.size > shape[0] * shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(mask.astype(np.float32), shape[::-1], interpolation=how) >= 0.5, np.bool_)


def paste_edit(
    photo: Image,
    pixels: Image,
    rebuilt: Image,
    drawn: Image,
    mask: Mask,
    detail: float,
    rng: np.random.Generator,
    carried: Sequence[MovedComponent] = (),
) -> Image:
    """``photo`` with ``drawn`` inside ``mask``, both bool (H, W) and photo at their own size.

    ``pixels``, ``rebuilt`` and ``drawn`` are uint8 (h, w, 3) of the model's size: the photo, the photo through the
    autoencoder, and the edit. By how much the tones are off around the mask they are put right inside it; the photo's
    grain goes on there to the share ``detail``. What was ``carried`` gets back, whole, what the autoencoder took.
    """
    shape = (photo.shape[0], photo.shape[1])
    large = at_photo_size(photo, pixels, rebuilt, drawn, mask, detail, rng)
    lost = photo.astype(np.float32) - resized(rebuilt.astype(np.float32), shape)
    scale = max(shape) / max(pixels.shape[:2])
    for one in carried:
        large = _restored(large, resized(drawn.astype(np.float32), shape), lost, one)
    patch = np.clip(np.rint(large), 0, 255).astype(np.uint8)
    depth = float(cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, 3).max()) if not mask.all() else np.inf
    return alpha_blend(photo, patch, inner_alpha(mask, max(0.0, min(FEATHER * scale, depth / 2 - 0.5))))


def at_photo_size(
    photo: Image, pixels: Image, rebuilt: Image, drawn: Image, mask: Mask, detail: float, rng: np.random.Generator
) -> Floats:
    """``drawn`` enlarged, float32 (H, W, 3) in 0..255, in the photo's tone and with its grain inside ``mask``; all
    as in paste_edit."""
    shape = (photo.shape[0], photo.shape[1])
    small = coverage(mask, (pixels.shape[0], pixels.shape[1]))
    toned = drawn.astype(np.float32) + _tone(pixels.astype(np.float32) - drawn, 1 - small)
    large = np.asarray(resized(toned, shape), np.float32)
    if detail:
        lost = photo.astype(np.float32) - resized(rebuilt.astype(np.float32), shape)
        large += detail * _grain(lost, mask, max(shape) / max(pixels.shape[:2]), rng)
    return large


def _restored(large: Floats, drawn: Floats, lost: Floats, one: MovedComponent) -> Floats:
    """``large`` with what the autoencoder took of a carried component: the same where it was and where it lies now."""
    shape = (large.shape[0], large.shape[1])
    scale = shape[0] / one.new_mask.shape[0], shape[1] / one.new_mask.shape[1]
    shift = np.array([[1, 0, one.shift[1] * scale[1]], [0, 1, one.shift[0] * scale[0]]], np.float32)
    moved = cv2.warpAffine(lost, shift, shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    there, around = enlarged(one.new_mask, shape), enlarged(one.with_ground, shape)
    rim = float(cv2.distanceTransform((~there).view(np.uint8), cv2.DIST_L2, 3)[around].max(initial=0))
    alpha = np.maximum(inner_alpha(around, rim), inner_alpha(there, max(scale)))[..., None]
    return np.asarray(large * (1 - alpha) + alpha * (drawn + moved), np.float32)


def _tone(error: Floats, known: Floats) -> Floats:
    """``error`` (h, w, 3) smoothed over where it is ``known`` (h, w), 0..1, and carried on from there."""
    weight = cv2.GaussianBlur(known, (0, 0), TONE)[..., None]
    return np.asarray(cv2.GaussianBlur(error * known[..., None], (0, 0), TONE) / np.maximum(weight, 1e-3), np.float32)


def _grain(lost: Floats, mask: Mask, scale: float, rng: np.random.Generator) -> Floats:
    """Grain inside the mask like that beside it: spot noise of a calm swatch (Galerne, Gousseau and Morel 2011).

    ``lost`` (H, W, 3) is what the photo has and the autoencoder does not give back. The swatch is the calmest near the
    mask, so that no part's edge comes along; white noise convolved with it has its colours, strength and direction.
    """
    out = np.zeros_like(lost)
    swatch = _swatch(lost, mask, max(8, round(SWATCH * scale)))
    if swatch is None:
        return out
    rows, columns = np.nonzero(mask)
    box = slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(columns.max()) + 1)
    high, wide = box[0].stop - box[0].start, box[1].stop - box[1].start
    side = swatch.shape[0]
    noise = rng.standard_normal((high + side - 1, wide + side - 1)).astype(np.float32)
    spots = [fftconvolve(noise, swatch[..., c], mode="valid") / side for c in range(3)]
    out[box] = np.stack(spots, axis=2) * mask[box][..., None]
    return out


def _swatch(lost: Floats, mask: Mask, side: int) -> Floats | None:
    """The calmest square of ``side`` pixels or less that meets no mask, the nearer the better; its mean is 0."""
    energy = (lost**2).mean(axis=2)
    away = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, 3)
    while side >= 8:
        if min(mask.shape) > side:
            means = cv2.boxFilter(energy, -1, (side, side), borderType=cv2.BORDER_REPLICATE)
            half = side // 2 + 1
            cost = np.where(away > side, means * (1 + away / (8 * side)), np.inf)[half:-half, half:-half]
            if cost.size and np.isfinite(cost).any():
                y, x = np.unravel_index(int(np.argmin(cost)), cost.shape)
                found = lost[y + half - side // 2 :, x + half - side // 2 :][:side, :side]
                return np.asarray(found - found.mean(axis=(0, 1)), np.float32)
        side //= 2
    return None
