"""How a region hangs together with its surroundings: an island, a bump on an edge, or a bridge between two parts.

A walk around the region notes at each step how much what lies just outside looks like the inside. Missing and extra
material of the same kind differ in nothing else: a spot touches nothing (the walk is flat and low), a spur or a nick
grows out of one side (one hump), a short or a break reaches from side to side (two humps).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.methods.gaa.clustering.region_crop import RegionCrop

_STEPS = 128
_HARMONICS = 4
_AWAY = 0.12
"""How far outside the walk goes, as a share of the root of the region's area: past a sloppy outline's slivers."""
_LEAST_AWAY = 2.0
"""The same in photo pixels, at least: past the blurred edge."""

RIM_SIZE = _HARMONICS + 1


def rim_spectrum(window: RegionCrop) -> npt.NDArray[np.float64]:
    """float64 (5,), 0..1: the mean likeness along the rim, and the strength of 1, 2, 3 and 4 humps around it.

    The magnitudes of a Fourier series do not depend on where the walk starts, nor on how the part lies on the photo.
    Beyond the photo's frame the region is taken to go on.
    """
    walk = rim_likeness(window)
    at = np.linspace(0, len(walk), _STEPS, endpoint=False)
    even = np.interp(at, np.arange(len(walk) + 1), np.append(walk, walk[0]))
    strength = np.abs(np.fft.rfft(even)) / _STEPS
    strength[1:] *= 2
    return strength[:RIM_SIZE]


def rim_likeness(window: RegionCrop) -> npt.NDArray[np.float64]:
    """Likeness 0..1 to the inside, one value per pixel of the outline of the grown region, in order along it.

    1 is the inside's own median colour (CIELAB), 0 is as far from it as the surroundings get (90th percentile).
    """
    lab = cv2.cvtColor(window.image.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    mask = window.mask.astype(np.uint8)
    away = max(_AWAY * float(np.sqrt(np.count_nonzero(mask))), _LEAST_AWAY * window.scale)
    core = cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=0).astype(np.bool_)
    inside = np.median(lab[core if core.any() else window.mask], axis=0)
    outside = (mask == 0).astype(np.float32)
    sigma = max(away / 2, 0.8)
    blurred = cv2.GaussianBlur(lab * outside[..., None], (0, 0), sigma)
    weight = np.maximum(cv2.GaussianBlur(outside, (0, 0), sigma), 1e-3)
    apart = np.linalg.norm(blurred / weight[..., None] - inside, axis=2)
    far = float(np.percentile(apart[window.ring], 90)) if window.ring.any() else 0.0
    likeness = 1.0 - np.clip(apart / max(far, 1e-3), 0.0, 1.0)
    x, y = _outline(mask, away).T
    return np.asarray(likeness[y, x], np.float64)


def _outline(mask: npt.NDArray[np.uint8], away: float) -> npt.NDArray[np.int32]:
    """Pixels (x, y) around the largest part of the region grown by ``away``, in order."""
    distance = cv2.distanceTransform(1 - mask, cv2.DIST_L2, cv2.DIST_MASK_5)
    grown = (distance <= away).astype(np.uint8)
    outlines, _ = cv2.findContours(grown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(max(outlines, key=len)[:, 0], np.int32)
