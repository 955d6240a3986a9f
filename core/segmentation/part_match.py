"""Is this the same part? Shape under any turn, surface under that turn, colour, and network features."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.images.geometry import coverage
from core.types import Image, Mask

_GRID = 48
_TURNS = 60
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PartAppearance:
    """A part cut out of its photo. ``centre`` (x, y) and ``radius`` in photo pixels.

    ``shapes`` and ``surfaces`` are float32 (_TURNS, _GRID*_GRID): mask and lightness, turned in equal steps about
    the centroid; the grid spans 1.15 radii each way. ``colour`` is a Lab histogram, ``feature`` a unit vector or
    None without torch.
    """

    mask: Mask
    centre: tuple[float, float]
    radius: float
    area: float
    shapes: Floats
    surfaces: Floats
    colour: Floats
    feature: Floats | None


@dataclass(frozen=True)
class PartMatch:
    """``score`` 0..1 over all; ``rotation`` in degrees takes the first onto the second; the parts are 0..1 each."""

    score: float
    rotation: float
    shape: float
    surface: float
    colour: float
    feature: float | None


def describe_part(image: Image, mask: Mask, features: Floats | None = None) -> PartAppearance:
    """Describe ``mask`` (non-empty) on ``image``; ``features`` float32 (h, w, C) is the photo's patch_features."""
    ys, xs = np.nonzero(mask)
    cx, cy = float(xs.mean()), float(ys.mean())
    radius = max(float(np.sqrt(((xs - cx) ** 2 + (ys - cy) ** 2).max())), 2.0)
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    shapes, surfaces = [], []
    soft, grey = mask.astype(np.float32), lab[..., 0].astype(np.float32)
    scale = _GRID / (2.3 * radius)
    if scale < 1:
        k = int(round(1 / scale)) | 1
        soft, grey = cv2.blur(soft, (k, k)), cv2.blur(grey, (k, k))
    for k in range(_TURNS):
        matrix = cv2.getRotationMatrix2D((cx, cy), 360.0 * k / _TURNS, scale)
        matrix[:, 2] += np.array([_GRID / 2 - 0.5 - cx, _GRID / 2 - 0.5 - cy])
        shapes.append(cv2.warpAffine(soft, matrix, (_GRID, _GRID), flags=cv2.INTER_LINEAR).ravel())
        surfaces.append(
            cv2.warpAffine(
                grey, matrix, (_GRID, _GRID), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            ).ravel()
        )
    return PartAppearance(
        mask,
        (cx, cy),
        radius,
        float(len(ys)),
        np.stack(shapes),
        np.stack(surfaces),
        _histogram(lab, mask),
        _pooled(features, mask) if features is not None else None,
    )


def _histogram(lab: npt.NDArray[np.uint8], mask: Mask) -> Floats:
    """Root of a soft 6x16x16 histogram over Lab: chroma fine (parts differ in it), lightness coarse (lamps do)."""
    h, _ = np.histogramdd(lab[mask].astype(np.float32), bins=(6, 16, 16), range=((0, 256), (64, 192), (64, 192)))
    smooth = cv2.GaussianBlur(h.astype(np.float32).reshape(6, 256), (1, 3), 0.8).reshape(6, 16, 16)
    for axis in (1, 2):
        smooth = (np.roll(smooth, 1, axis) + 2 * smooth + np.roll(smooth, -1, axis)) / 4
    return np.asarray(np.sqrt(smooth / smooth.sum()).ravel(), np.float32)


def _pooled(features: Floats, mask: Mask) -> Floats:
    """Mean feature under the mask, less the photo's own mean: what sets the part apart from the scene."""
    h, w = features.shape[:2]
    weight = coverage(mask, (h, w))
    weight = weight / max(float(weight.sum()), 1e-6)
    own = np.einsum("ij,ijk->k", weight, features) - features.mean(axis=(0, 1))
    return np.asarray(own / max(float(np.linalg.norm(own)), 1e-6), np.float32)


def compare_parts(a: PartAppearance, b: PartAppearance) -> PartMatch:
    """How alike two parts are; size counts, since the camera is the same."""
    ratio = a.radius / b.radius
    if not 0.5 < ratio < 2:
        return PartMatch(0.0, 0.0, 0.0, 0.0, 0.0, None)
    size = min(a.area, b.area) / max(a.area, b.area)
    one = b.shapes[0]
    common = np.minimum(a.shapes, one).sum(axis=1)
    union = np.maximum(a.shapes, one).sum(axis=1)
    overlap = common / np.maximum(union, 1e-6)
    best = float(overlap.max())
    # Round parts fit under many turns: among those the surface decides.
    turns = np.flatnonzero(overlap > best - 0.03)
    surface = [_surface(a.shapes[k] * one, a.surfaces[k], b.surfaces[0]) for k in turns]
    pick = int(np.argmax(surface))
    colour = float(a.colour @ b.colour)
    shape = best * np.sqrt(size)
    feature = None if a.feature is None or b.feature is None else float(np.clip(a.feature @ b.feature, 0, 1))
    # Colour weighs little: the same part comes in steel and in brass, under other lamps.
    parts = [(0.62, shape), (0.14, surface[pick]), (0.1, colour), (0.14, shape if feature is None else feature)]
    score = sum(w * v for w, v in parts)
    return PartMatch(
        float(score), 360.0 * int(turns[pick]) / _TURNS, float(shape), float(surface[pick]), colour, feature
    )


def _surface(weight: Floats, p: Floats, q: Floats) -> float:
    """Correlation of lightness under ``weight``; a plain surface counts as half alike."""
    total = float(weight.sum())
    if total < 4:
        return 0.0
    p, q = p - float((weight * p).sum()) / total, q - float((weight * q).sum()) / total
    vp, vq = float((weight * p * p).sum()) / total, float((weight * q * q).sum()) / total
    noise = 16.0
    correlation = float((weight * p * q).sum()) / total / np.sqrt((vp + noise) * (vq + noise))
    return float(0.5 + 0.5 * correlation)
