"""Windows: work happens in a small box around what changes, never on the whole frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core.images.geometry import mask_box
from core.types import Mask

Floats = npt.NDArray[np.float32]
COARSE_SIGMA = 1.8
"""Blurs of at least twice this many pixels are worked out on a shrunk picture."""


@dataclass(frozen=True)
class WorkArea:
    """Rows y0..y1 and columns x0..x1 of a frame, ends excluded; it may hang over the frame's border."""

    y0: int
    x0: int
    y1: int
    x1: int

    @property
    def shape(self) -> tuple[int, int]:
        return (self.y1 - self.y0, self.x1 - self.x0)

    @property
    def slices(self) -> tuple[slice, slice]:
        return (slice(self.y0, self.y1), slice(self.x0, self.x1))

    def grown(self, margin: int) -> WorkArea:
        return WorkArea(self.y0 - margin, self.x0 - margin, self.y1 + margin, self.x1 + margin)

    def clipped(self, shape: tuple[int, ...]) -> WorkArea:
        """The part inside a frame of ``shape`` (H, W, ...); may be empty."""
        y0, x0 = max(self.y0, 0), max(self.x0, 0)
        return WorkArea(y0, x0, max(min(self.y1, shape[0]), y0), max(min(self.x1, shape[1]), x0))

    def slices_in(self, outer: WorkArea) -> tuple[slice, slice]:
        """Slices of this window in the coordinates of ``outer``, which holds it."""
        return (
            slice(self.y0 - outer.y0, self.y1 - outer.y0),
            slice(self.x0 - outer.x0, self.x1 - outer.x0),
        )

    def padded(self, picture: npt.NDArray[np.uint8], border: int = cv2.BORDER_REPLICATE) -> npt.NDArray[np.uint8]:
        """The window of a picture (H, W) or (H, W, 3); what hangs over its border is filled up."""
        seen = self.clipped(picture.shape)
        sides = (seen.y0 - self.y0, self.y1 - seen.y1, seen.x0 - self.x0, self.x1 - seen.x1)
        if not any(sides):
            return np.ascontiguousarray(picture[seen.slices])
        return np.asarray(cv2.copyMakeBorder(np.ascontiguousarray(picture[seen.slices]), *sides, border), np.uint8)

    def full_mask(self, patch: npt.NDArray[Any], shape: tuple[int, int]) -> Mask:
        """A bool mask of ``shape`` that holds the bool ``patch`` at this window, cut at the border."""
        full = np.zeros(shape, np.bool_)
        seen = self.clipped(shape)
        full[seen.slices] = patch[seen.slices_in(self)]
        return full


def work_area_of(mask: Mask) -> WorkArea:
    """The tight box of a mask that is not empty."""
    rows, columns = mask_box(mask)
    return WorkArea(rows.start, columns.start, rows.stop, columns.stop)


def distance(mask: Mask) -> Floats:
    """Euclidean distance in pixels to the nearest False; inside only, 0 elsewhere. Float32 (H, W)."""
    out: Floats = cv2.distanceTransform(np.ascontiguousarray(mask, np.uint8), cv2.DIST_L2, 5)
    return out


def distance_to(mask: Mask) -> Floats:
    """Euclidean distance in pixels to the nearest True; 0 inside. Far away everywhere if there is none."""
    if not mask.any():
        return np.full(mask.shape, 1e6, np.float32)
    return distance(~mask)


def count(mask: Mask) -> int:
    """How many pixels are True; much faster than a sum."""
    return cv2.countNonZero(np.ascontiguousarray(mask).view(np.uint8))


def sampled_pixels(array: npt.NDArray[Any], chosen: Mask, most: int) -> npt.NDArray[Any]:
    """The chosen pixels of (H, W, ...), at most about ``most`` of them, evenly picked: (N, ...)."""
    at = np.flatnonzero(chosen)
    rows, cols = np.divmod(at[:: max(1, at.size // most)], chosen.shape[1])
    return np.asarray(array[rows, cols])


def blur(array: npt.NDArray[Any], sigma: float, border: int = cv2.BORDER_REFLECT_101) -> Floats:
    """Gaussian blur of a float32 array (H, W) or (H, W, C); the border is mirrored unless said otherwise.

    A wide one is worked out on a picture shrunk so far that nothing of it is lost.
    """
    if sigma <= 0.05:
        return array
    scale = int(sigma / COARSE_SIGMA)
    if scale < 2 or min(array.shape[:2]) < 4 * scale:
        out: Floats = cv2.GaussianBlur(array, (0, 0), sigma, borderType=border)
        return out
    height, width = array.shape[:2]
    # Whole blocks, lest the shrunk picture be shifted against the full one.
    pad = (0, -height % scale, 0, -width % scale)
    whole = cv2.copyMakeBorder(array, *pad, cv2.BORDER_REPLICATE) if any(pad) else array
    size = (whole.shape[1] // scale, whole.shape[0] // scale)
    small = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / scale, borderType=border)
    out = cv2.resize(small, (whole.shape[1], whole.shape[0]), interpolation=cv2.INTER_LINEAR)
    return out[:height, :width]
