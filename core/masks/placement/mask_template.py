"""A real example's mask, ready to be varied, turned, resized and drawn elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import atan2, pi, sqrt

import numpy as np

from core.images.geometry import bounding_box
from core.masks.perturbation import MaskEnhancement, perturb_contours, scaled_to, trace_contours, turned
from core.types import Mask


@dataclass(frozen=True)
class MaskTemplate:
    """``patch`` is the mask cut to its box, ``scale`` the factor on lengths that brings it to the photo's scale,
    ``centre`` the middle of that box (row, column) as shares of its own photo's sides."""

    patch: Mask
    scale: float
    centre: tuple[float, float]

    @classmethod
    def from_mask(cls, mask: Mask, shape_hw: tuple[int, int]) -> MaskTemplate:
        """Stencil of a non-empty example mask for a photo of (H, W) pixels."""
        found = bounding_box(mask)
        assert found is not None, "an empty example mask"
        y0, x0, y1, x1 = found
        centre = ((y0 + y1) / 2 / mask.shape[0], (x0 + x1) / 2 / mask.shape[1])
        return cls(mask[y0:y1, x0:x1], scale_to_photo(mask, shape_hw), centre)

    @property
    def area(self) -> float:
        """Pixels on the photo."""
        return int(np.count_nonzero(self.patch)) * self.scale**2

    @property
    def axis(self) -> float:
        """Direction of the long axis in radians from x toward y."""
        return long_axis(self.patch)

    def drawer(self, params: MaskEnhancement | None, seed: int, rotate: bool) -> Callable[[float, float | None], Mask]:
        """What draws this mask with a given area in pixels and direction in radians (None: as it comes)."""
        rng = np.random.default_rng(seed)
        contours = perturb_contours(self.patch, params, rng) if params else trace_contours(self.patch)
        mirror = bool(rng.random() < 0.5) and rotate
        turn = float(rng.uniform(0, 2 * pi)) if rotate else 0.0
        upside_down = pi if rotate and rng.random() < 0.5 else 0.0
        own = long_axis(self.patch)

        def draw(area_px: float, angle: float | None) -> Mask:
            by = turn if angle is None else angle + upside_down - (pi - own if mirror else own)
            if angle is None and not rotate and params is None and abs(area_px - self.patch.sum()) < 1:
                return self.patch
            placed = turned(contours, by, mirror)
            start = sqrt(area_px / np.count_nonzero(self.patch))
            return scaled_to([[ring * start for ring in part] for part in placed], area_px)

        return draw


def long_axis(mask: Mask) -> float:
    """Direction of the long axis of a non-empty mask in radians from x toward y, 0 <= axis < pi."""
    rows, cols = np.nonzero(mask)
    y, x = rows - rows.mean(), cols - cols.mean()
    return 0.5 * atan2(2 * float((x * y).mean()), float((x * x).mean() - (y * y).mean())) % pi


def scale_to_photo(mask: Mask, shape_hw: tuple[int, int]) -> float:
    """Factor on lengths that brings an example to a photo of (H, W) pixels.

    1 for photos of about the same size, which were likely taken by the same camera; else the ratio of sides.
    """
    ratio = max(shape_hw) / max(int(n) for n in mask.shape)
    return 1.0 if 0.5 <= ratio <= 2 else ratio
