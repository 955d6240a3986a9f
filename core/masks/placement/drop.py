"""A mask that a person drops on a photo: shaped and sized like its label, where they point, on that component."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, pi, sqrt

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.masks.morphology import largest_component
from core.masks.placement.free_area import PlacementMap
from core.masks.placement.mask_template import MaskTemplate
from core.masks.placement.planner import ExampleMasks
from core.masks.shapes import shape_for_label, shape_patch
from core.types import Mask

SIZE_PCT = (0.1, 0.6)
"""Smallest and largest area in percent of the part's where no real anomaly tells the size."""
SCALES = (0.1, 10.0)
"""Factors on the shape's lengths that a person may ask for."""


@dataclass(frozen=True)
class DropShape:
    """A shape before it is dropped: bool (h, w), cut to its box; its middle comes to lie under the pointer."""

    patch: Mask

    @classmethod
    def for_label(
        cls, label: str, terrain: PlacementMap, rng: np.random.Generator, example_masks: Sequence[Mask] = ()
    ) -> DropShape:
        """Like one of the label's real masks, turned at random; without any, as the label's name says."""
        examples = ExampleMasks.for_photo(example_masks, terrain.shape)
        seed = int(rng.integers(2**63))
        if examples.masks:
            template = MaskTemplate.from_mask(examples.choose(rng), terrain.shape)
            return cls(template.drawer(None, seed, rotate=True)(template.area, None))
        area = exp(rng.uniform(*np.log(SIZE_PCT))) / 100 * terrain.part.area
        own = np.random.default_rng(seed)
        return cls(shape_patch(shape_for_label(label), max(4.0, area), own, float(own.uniform(0, pi)), terrain.shape))

    def changed(self, scale: float, degrees: float) -> DropShape:
        """The same larger by ``scale`` and turned clockwise. InputError for a scale beyond SCALES."""
        if not SCALES[0] <= scale <= SCALES[1]:
            raise InputError(f"size of the mask: expected a factor from {SCALES[0]:g} to {SCALES[1]:g}, got {scale:g}")
        if scale == 1 and degrees % 360 == 0:
            return self
        height, width = self.patch.shape
        side = max(1, round(scale * sqrt(height**2 + width**2)) + 3)
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, scale)
        matrix[:, 2] += ((side - width) / 2, (side - height) / 2)
        soft = cv2.warpAffine(self.patch.astype(np.float32), matrix, (side, side), flags=cv2.INTER_LINEAR)
        turned = soft >= 0.5
        return DropShape(turned if turned.any() else np.ones((1, 1), np.bool_))

    def outline(self) -> list[list[tuple[float, float]]]:
        """Its rings as (x, y) pixels from its middle."""
        height, width = self.patch.shape
        rings, _ = cv2.findContours(np.pad(self.patch, 1).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_TC89_L1)
        middle: npt.NDArray[np.float64] = np.array([width, height]) / 2 + 0.5
        return [[(float(x), float(y)) for x, y in ring[:, 0, :] - middle] for ring in rings]

    def dropped_at(self, x: float, y: float, terrain: PlacementMap) -> Mask:
        """The mask on the photo, bool (H, W): the shape about (x, y) as far as it lies on the component there.

        A shape of one piece stays one. Beside the part it lies there, for a person knows better than the automatic
        mask of the part. InputError where nothing of it lies on the component.
        """
        mask = np.zeros(terrain.shape, np.bool_)
        height, width = self.patch.shape
        top, left = round(y - height / 2), round(x - width / 2)
        y0, x0 = max(0, top), max(0, left)
        y1, x1 = min(mask.shape[0], top + height), min(mask.shape[1], left + width)
        if y0 < y1 and x0 < x1:
            mask[y0:y1, x0:x1] = self.patch[y0 - top : y1 - top, x0 - left : x1 - left]
        mask &= terrain.component_at(y, x).mask
        pieces = cv2.connectedComponents(self.patch.astype(np.uint8), connectivity=8)[0]
        if pieces == 2 and mask.any():
            mask = largest_component(mask)
        if not mask.any():
            raise InputError("nothing of the mask lies on what you pointed at; click nearer to its middle")
        return mask
