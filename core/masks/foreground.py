"""Which pixels of a photo are the part, found without any weights.

A part that lies on a plain background is told from it by the colours along the frame. Where the frame's
colours are as varied as the rest, or go on into it, the part fills the photo and every pixel is the part.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.images.geometry import bounding_box
from core.masks.morphology import close, dilate, drop_small, erode, fill_holes, inner_distance, smooth
from core.types import Image, Mask, check_image

WORK_SIDE = 256
"""Longest side in pixels at which the part is searched."""
_PLAIN_SPREAD = 14.0
"""How far in Lab units (0..255 per channel) a pixel of a plain background may be from its smooth colour."""
_PLAIN_SHARE = 0.6
"""Share of the frame that must show the plain background; the rest may be the part that touches it."""
_MIN_CONTRAST = 14.0
"""Smallest colour distance of part and background, in Lab units."""
_MOST_CONTACTS = 2
"""In how many places a part may run off the photo."""
_SHADOW = 0.2
"""Share of the ground's lightness (Lab L) that a cast shadow may take."""
_LEAST_THICKNESS = 0.05
"""Smallest half width of a part, as a share of the photo's short side."""

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
    basis = _basis(lab.shape[0], lab.shape[1])
    # Shadows are darker ground, so the dark side is forgiven first; a part that is itself a little darker than the
    # ground is found without that.
    for shadow in (_SHADOW, 0.0):
        distance = _distance(lab, basis @ background, shadow)
        threshold = _threshold(distance)
        found = _plausible_part(distance, threshold)
        if found is not None:
            if small.shape[:2] != (height, width):
                found = _at_full_size(image, found, background, threshold, shadow)
            return found if found.any() else everything
    return everything


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
    the frame's pixels by weights that fade where a pixel does not follow (a part that touches the frame).
    """
    frame = _frame(lab.shape)
    basis = _basis(lab.shape[0], lab.shape[1])[frame]
    colours = lab[frame]
    # The ridge keeps the curved terms small where the frame does not ask for them.
    ridge = np.diag(np.array([0, 1, 1, 4, 4, 4], np.float32)) * (0.005 * len(basis))
    weights = np.ones(len(basis), np.float32)
    scale = 40.0
    for _ in range(12):
        weighted = basis * weights[:, None]
        coefficients = np.linalg.solve(weighted.T @ basis + ridge * weights.mean(), weighted.T @ colours)
        rest = np.linalg.norm(colours - basis @ coefficients, axis=1)
        scale = max(3.0, 0.7 * scale)
        weights = (1 / (1 + (rest / scale) ** 2) ** 2).astype(np.float32)
    return np.asarray(coefficients, np.float32) if np.mean(rest < _PLAIN_SPREAD) >= _PLAIN_SHARE else None


def _basis(height: int, width: int) -> _Field:
    """Quadratic terms float32 (H, W, 6) of positions scaled to -1..1."""
    y, x = np.meshgrid(
        np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32), indexing="ij"
    )
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def _distance(lab: _Field, expected: _Field, shadow: float) -> _Field:
    """Colour distance (...,) of pixels (..., 3) from the background expected there; ``shadow`` is the share of its
    lightness that a pixel may lack without counting as different."""
    difference = lab - expected
    light = difference[..., 0]
    light = np.where(light < 0, np.minimum(light + shadow * np.maximum(expected[..., 0], 0), 0), light)
    return np.asarray(np.sqrt(light**2 + (difference[..., 1:] ** 2).sum(axis=-1)), np.float32)


def _threshold(distance: _Field) -> float:
    """Otsu's threshold on the distances, their upper tail clipped so that one bright part does not hide others."""
    top = max(float(np.percentile(distance, 95)), 1.0)
    scaled = np.minimum(distance * (255 / top), 255).astype(np.uint8)
    level, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return float(level) * top / 255


def _plausible_part(distance: _Field, threshold: float) -> Mask | None:
    """The pixels beyond the threshold if they look like parts on a plain ground, else None."""
    found = distance > threshold
    found = drop_small(close(found, 1.5), max(12, round(0.002 * found.size)))
    found = fill_holes(found, max_area=round(0.02 * found.size))
    if not 0.01 <= found.mean() <= 0.97:
        return None
    if not _framed_like_a_part(found):
        return None
    if float(inner_distance(np.pad(found, 1)).max()) < _LEAST_THICKNESS * min(found.shape):
        return None
    near, far = erode(found, 2), ~dilate(found, 2)
    if not near.any() or not far.any():
        return None
    contrast = float(np.median(distance[near]) - np.median(distance[far]))
    if contrast < max(_MIN_CONTRAST, 1.5 * float(np.percentile(distance[far], 90))):
        return None
    return found if _has_crisp_edge(found, distance, contrast) else None


def _framed_like_a_part(found: Mask) -> bool:
    """Whether someone aimed the camera at this: about in the middle, and hardly running off the photo.

    Tracks of a board and the weave of a cloth run off in many places and lie anywhere.
    """
    ring = np.concatenate([found[0], found[1:, -1], found[-1, -2::-1], found[-2:0:-1, 0]])
    contacts = np.count_nonzero(ring != np.roll(ring, 1)) // 2
    box_y0, box_x0, box_y1, box_x1 = bounding_box(found) or (0, 0, 0, 0)
    off_y = abs((box_y0 + box_y1) / found.shape[0] - 1) / 2
    off_x = abs((box_x0 + box_x1) / found.shape[1] - 1) / 2
    if not contacts:
        return bool(max(off_y, off_x) <= 0.25)
    return bool(contacts <= _MOST_CONTACTS and max(off_y, off_x) <= 0.12 and found.mean() >= 0.15)


def _has_crisp_edge(found: Mask, distance: _Field, contrast: float) -> bool:
    """Whether most of the outline is a step: a shade or a vignette rises slowly, a part's edge at once."""
    outside, inside = dilate(found, 3) & ~dilate(found, 2), found & ~erode(found, 3) & erode(found, 2)
    if not outside.any() or not inside.any():
        return False
    return float(np.median(distance[inside]) - np.median(distance[outside])) > 0.5 * contrast


def _at_full_size(image: Image, found: Mask, coefficients: _Field, threshold: float, shadow: float) -> Mask:
    """The part at the photo's size, its edge decided anew from the photo's own pixels in a band around it."""
    height, width = image.shape[:2]
    soft = cv2.resize(found.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    mask = np.asarray(soft > 0.5)
    band = (soft > 0.02) & (soft < 0.98)
    rows, cols = np.nonzero(band)
    if not len(rows):
        return mask
    blurred = cv2.GaussianBlur(image, (0, 0), 1.0)
    lab = cv2.cvtColor(blurred[rows, cols][None], cv2.COLOR_RGB2LAB)[0].astype(np.float32)
    x, y = cols * (2 / max(width - 1, 1)) - 1, rows * (2 / max(height - 1, 1)) - 1
    expected = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1) @ coefficients
    mask[rows, cols] = _distance(lab, expected.astype(np.float32), shadow) > threshold
    return smooth(mask, max(height, width) / WORK_SIDE)
