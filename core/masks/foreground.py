"""Which pixels of a photo are the part, found without any weights.

A part that lies on a plain background is told from it by the colours along the frame. Where the frame's
colours are as varied as the rest, or go on into it, the part fills the photo and every pixel is the part.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.masks.morphology import drop_small, fill_holes, grow, shrink
from core.types import Image, Mask, check_image

WORK_SIDE = 256
"""Longest side in pixels at which the part is searched."""
_PLAIN_SPREAD = 9.0
"""Largest noise of a background still called plain, in Lab units (0..255 per channel)."""
_MIN_CONTRAST = 14.0
"""Smallest colour distance of part and background, in Lab units."""

_Field = npt.NDArray[np.float32]


def object_mask(image: Image) -> Mask:
    """The part in a photo: uint8 (H, W, 3) RGB to bool (H, W), never empty.

    All True where the part fills the photo (a tile, a board, a texture); the part, without holes that are
    background, where it lies on a plain background.
    """
    check_image(image)
    height, width = image.shape[:2]
    everything = np.ones((height, width), np.bool_)
    small = _reduced(image)
    lab = cv2.cvtColor(cv2.GaussianBlur(small, (0, 0), 1.0), cv2.COLOR_RGB2LAB).astype(np.float32)
    background = _background_model(lab)
    if background is None:
        return everything
    distance = _distance(lab, background)
    threshold = _threshold(distance)
    found = _plausible_part(distance, threshold, lab)
    if found is None:
        return everything
    mask = found if small.shape[:2] == (height, width) else _at_full_size(image, found, background, threshold)
    return mask if mask.any() else everything


def _reduced(image: Image) -> Image:
    height, width = image.shape[:2]
    factor = WORK_SIDE / max(height, width)
    if factor >= 1:
        return image
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _frame(shape: tuple[int, ...]) -> Mask:
    band = max(2, round(0.02 * min(shape[:2])))
    frame = np.ones(shape[:2], np.bool_)
    frame[band:-band, band:-band] = False
    return frame


def _background_model(lab: _Field) -> _Field | None:
    """Coefficients (6, 3) of the background's colour as a quadratic of the position, or None if it is not plain.

    Lighting falls off smoothly over a table, so one constant colour would call its dark corners a part. Fitted to
    the frame's pixels with outliers (a part that touches the frame) left out step by step.
    """
    frame = _frame(lab.shape)
    basis = _basis(lab.shape[0], lab.shape[1])[frame]
    colours = lab[frame]
    inside = np.linalg.norm(colours - np.median(colours, axis=0), axis=1) < 3 * _PLAIN_SPREAD
    coefficients = np.zeros((6, 3), np.float32)
    for _ in range(4):
        if inside.mean() < 0.55:
            return None
        # A ridge keeps the curved terms small where the frame does not ask for them.
        ridge = np.diag(np.array([0, 1, 1, 4, 4, 4], np.float32)) * (0.02 * inside.sum())
        design = basis[inside]
        coefficients = np.linalg.solve(design.T @ design + ridge, design.T @ colours[inside])
        rest = np.linalg.norm(colours - basis @ coefficients, axis=1)
        spread = 1.4826 * float(np.median(rest[inside]))
        inside = rest < max(4.0, 3 * spread)
    return np.asarray(coefficients, np.float32) if spread <= _PLAIN_SPREAD and inside.mean() >= 0.55 else None


def _basis(height: int, width: int) -> _Field:
    """Quadratic terms float32 (H, W, 6) of positions scaled to -1..1."""
    y, x = np.meshgrid(
        np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32), indexing="ij"
    )
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def _distance(lab: _Field, coefficients: _Field) -> _Field:
    expected = _basis(lab.shape[0], lab.shape[1]) @ coefficients
    return np.asarray(np.sqrt(((lab - expected) ** 2).sum(axis=-1)), np.float32)


def _threshold(distance: _Field) -> float:
    """Otsu's threshold on the distances, their upper tail clipped so that one bright part does not hide others."""
    top = max(float(np.percentile(distance, 95)), 1.0)
    scaled = np.minimum(distance * (255 / top), 255).astype(np.uint8)
    level, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return float(level) * top / 255


def _plausible_part(distance: _Field, threshold: float, lab: _Field) -> Mask | None:
    """The pixels beyond the threshold if they look like parts on a plain ground, else None."""
    found = distance > threshold
    found = drop_small(shrink(grow(found, 1.5), 1.5), max(12, round(0.002 * found.size)))
    found = fill_holes(found, max_area=round(0.02 * found.size))
    share = found.mean()
    if not 0.01 <= share <= 0.97:
        return None
    frame = _frame(found.shape)
    if found[frame].mean() > 0.45:
        return None
    near, far = shrink(found, 2), ~grow(found, 2)
    if not near.any() or not far.any():
        return None
    contrast = float(np.median(distance[near]) - np.median(distance[far]))
    noise = float(np.percentile(distance[far], 90))
    if contrast < max(_MIN_CONTRAST, 2.0 * noise):
        return None
    # The ground of a photo is one piece along the frame; islands of it mean that the part is a pattern.
    return found


def _at_full_size(image: Image, found: Mask, coefficients: _Field, threshold: float) -> Mask:
    """The part at the photo's size: its edge decided anew from the photo's own pixels in a band around it."""
    height, width = image.shape[:2]
    factor = max(height, width) / WORK_SIDE
    soft = cv2.resize(found.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(soft > 0.5)
