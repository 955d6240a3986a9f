"""A region of interest: cut it out, work on it at native resolution, paste it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from core.errors import InputError, MaskError
from core.images.geometry import bounding_box
from core.types import Mask

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class PhotoCrop:
    """Rows ``y0`` to ``y1`` and columns ``x0`` to ``x1`` (ends excluded) of an array."""

    y0: int
    x0: int
    y1: int
    x1: int

    def __post_init__(self) -> None:
        if not (0 <= self.y0 < self.y1 and 0 <= self.x0 < self.x1):
            raise InputError(f"{self}: expected 0 <= start < end on both axes; give a box inside the photo")

    @property
    def slices(self) -> tuple[slice, slice]:
        """For indexing: ``array[roi.slices]`` is a view."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.y1 - self.y0, self.x1 - self.x0

    def crop(self, array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """A copy of the region of (H, W, ...); InputError if the array is smaller than the region."""
        self._check(array)
        return array[self.slices].copy()

    def paste(self, array: npt.NDArray[Scalar], patch: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """A copy of ``array`` with the region replaced by ``patch``, of the region's size and the same dtype."""
        self._check(array)
        if patch.shape != self.shape + array.shape[2:] or patch.dtype != array.dtype:
            raise InputError(
                f"patch: expected {array.dtype} {self.shape + array.shape[2:]} for {self}, "
                f"got {patch.dtype} {patch.shape}; resize and convert it first"
            )
        out = array.copy()
        out[self.slices] = patch
        return out

    def _check(self, array: npt.NDArray[Any]) -> None:
        if self.y1 > array.shape[0] or self.x1 > array.shape[1]:
            raise InputError(
                f"{self}: expected a region inside {array.shape[1]}x{array.shape[0]} pixels; take it from this photo"
            )


def crop_around_mask(mask: Mask, margin: float = 0.5, min_side: int = 64) -> PhotoCrop:
    """The box of ``mask`` widened by ``margin`` times its longer side, at least ``min_side`` pixels, inside the frame.

    At the frame's edge the region is shifted inwards before it is cut. MaskError if the mask is empty.
    """
    box = crop_of_mask(mask, grow=0)
    if box is None:
        raise MaskError("mask: it is empty, so there is no region around it; draw or place a mask")
    extra = round(margin * max(box.shape))
    y0, y1 = _widen(box.y0, box.y1, extra, min_side, mask.shape[0])
    x0, x1 = _widen(box.x0, box.x1, extra, min_side, mask.shape[1])
    return PhotoCrop(y0, x0, y1, x1)


def crop_of_mask(mask: Mask, grow: int = 1) -> PhotoCrop | None:
    """The box of the mask, widened by ``grow`` inside the frame; None if it is empty."""
    if (found := bounding_box(mask)) is None:
        return None
    y0, x0, y1, x1 = found
    return PhotoCrop(
        max(y0 - grow, 0), max(x0 - grow, 0), min(y1 + grow, mask.shape[0]), min(x1 + grow, mask.shape[1])
    )


def _widen(start: int, end: int, extra: int, least: int, limit: int) -> tuple[int, int]:
    length = min(limit, max(end - start + 2 * extra, least))
    first = (start + end - length) // 2
    first = min(max(first, 0), limit - length)
    return min(first, start), max(first + length, end)
