"""What rules are about: a component of a photo in a few numbers that do not depend on the photo's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from core.images.geometry import mask_box
from core.types import Image, Mask, Region, base_name

ELONGATED = 1.25
"""Length over width from which a part has a direction."""
DIRECTED = 0.12
"""Skewness along the part's axis from which its two ends are told apart."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of the photo's width and height."""


@dataclass(frozen=True)
class MeasuredPart:
    """One component. ``x`` and ``y`` are its middle as shares of the photo's width and height.

    ``size`` is the root of its area over the root of the photo's. ``angle`` is the direction of its long axis in
    degrees, counter-clockwise, 0 to 360; from 0 to 180 where its ends look the same (``directed`` is False), None for
    a part about as long as wide. ``lab`` is its mean CIE Lab colour.
    """

    family: str
    x: float
    y: float
    size: float
    angle: float | None
    directed: bool
    lab: tuple[float, float, float]
    box: Box
    mask: Mask | None = field(default=None, compare=False, repr=False)


def measure_regions(image: Image, regions: Sequence[Region]) -> list[MeasuredPart]:
    """The regions of a photo as parts; "washer 2" belongs to the family "washer"."""
    return [measure_part(image, region.mask, base_name(region.name)) for region in regions]


def measure_part(image: Image, mask: Mask, family: str) -> MeasuredPart:
    """Measure ``mask``, bool (H, W) and not empty, on ``image``, uint8 (H, W, 3)."""
    height, width = mask.shape
    rows, columns = mask_box(mask)
    inner = mask[rows, columns]
    ys, xs = np.nonzero(inner)
    middle = (float(xs.mean()) + columns.start + 0.5, float(ys.mean()) + rows.start + 0.5)
    angle, directed = _direction(xs.astype(np.float64), -ys.astype(np.float64))
    return MeasuredPart(
        family,
        middle[0] / width,
        middle[1] / height,
        float(np.sqrt(xs.size / (height * width))),
        angle,
        directed,
        _mean_lab(image[rows, columns], inner),
        (columns.start / width, rows.start / height, columns.stop / width, rows.stop / height),
        mask,
    )


def colour_distance(a: Sequence[float], b: Sequence[float]) -> float:
    """How differently coloured two Lab colours are. Lightness counts half, since lamps change it."""
    return float(np.hypot(0.5 * (a[0] - b[0]), np.hypot(a[1] - b[1], a[2] - b[2])))


def angle_between(a: float, b: float, period: float) -> float:
    """The smaller turn in degrees from ``b`` to ``a`` where angles repeat after ``period``; it has a sign."""
    return (a - b + period / 2) % period - period / 2


def _direction(xs: np.ndarray, ys: np.ndarray) -> tuple[float | None, bool]:
    """Angle of the principal axis, and whether its ends differ; x to the right, y up."""
    if xs.size < 12:
        return None, False
    xs, ys = xs - xs.mean(), ys - ys.mean()
    values, vectors = np.linalg.eigh(np.cov(np.stack([xs, ys])))
    if values[1] < ELONGATED**2 * max(values[0], 1e-6):
        return None, False
    axis = vectors[:, 1]
    along = xs * axis[0] + ys * axis[1]
    skew = float((along**3).mean() / (along**2).mean() ** 1.5)
    angle = float(np.degrees(np.arctan2(axis[1], axis[0])))
    if abs(skew) < DIRECTED:
        return angle % 180, False
    # The long thin end points where the part points.
    return (angle if skew > 0 else angle + 180) % 360, True


def _mean_lab(pixels: Image, mask: Mask) -> tuple[float, float, float]:
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)
    chosen = inner if inner.any() else mask.astype(np.uint8)
    lab = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2LAB)
    mean = cv2.mean(lab, chosen)
    return (mean[0] * 100 / 255, mean[1] - 128, mean[2] - 128)
