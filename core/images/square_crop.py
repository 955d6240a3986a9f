"""The square of a photo that a model sees: one value, made by one function for learning and for drawing alike.

A square lies on the photo wherever the photo has room for it. Where the photo is narrower than the square, the photo
lies in its middle and what is beyond the edge is the photo's mirror image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import MaskError
from core.images.crop import PhotoCrop, crop_of_mask
from core.types import Image, Mask

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SquareCrop:
    """A square of ``extent`` photo pixels about ``centre`` (x, y), seen at ``side`` pixels; ``shape`` (H, W) is the
    photo's. Pixel centres are at whole numbers."""

    side: int
    extent: float
    centre: tuple[float, float]
    shape: tuple[int, int]

    @property
    def matrix(self) -> Matrix:
        """2x3, from photo to crop."""
        scale = self.side / self.extent
        half = (self.side - 1) / 2
        return np.array([[scale, 0, half - scale * self.centre[0]], [0, scale, half - scale * self.centre[1]]])

    def kept_inside(self) -> SquareCrop:
        """The same moved onto the photo, along each axis on which the photo is as long as the square."""
        centre = []
        for at, length in zip(self.centre, self.shape[::-1], strict=True):
            room = self.extent / 2 - 0.5
            centre.append(float(np.clip(at, room, length - 1 - room)) if length >= self.extent else (length - 1) / 2)
        return SquareCrop(self.side, self.extent, (centre[0], centre[1]), self.shape)

    def crop_image(self, image: Image) -> Image:
        """uint8 (side, side, 3) of a photo uint8 (H, W, 3)."""
        blurred = image
        if self.extent > 1.34 * self.side:
            # Warping alone would skip pixels.
            blurred = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.4 * self.extent / self.side), np.uint8)
        how = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REFLECT_101}
        return np.asarray(cv2.warpAffine(blurred, self.matrix, (self.side, self.side), **how), np.uint8)

    def crop_mask(self, mask: Mask) -> Mask:
        """bool (side, side) of a mask bool (H, W); what is thin stays."""
        soft = cv2.warpAffine(mask.astype(np.float32), self.matrix, (self.side, self.side), flags=cv2.INTER_LINEAR)
        return np.asarray(soft > 0.25, np.bool_)

    def to_photo(self, picture: npt.NDArray[np.floating] | Image) -> npt.NDArray[np.float32]:
        """float32 (H, W, ...) of what was drawn (side, side, ...); 0 beyond the crop."""
        flags = (
            cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP if picture.ndim == 3 else cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        size = (self.shape[1], self.shape[0])
        return np.asarray(cv2.warpAffine(picture.astype(np.float32), self.matrix, size, flags=flags), np.float32)

    def mask_to_photo(self, mask: Mask) -> Mask:
        """bool (H, W) of a mask bool (side, side)."""
        return np.asarray(self.to_photo(mask.astype(np.float32)) > 0.5, np.bool_)

    def pixels(self) -> tuple[PhotoCrop, tuple[int, int]]:
        """The square in whole pixels: the part of it that lies on the photo, and how many rows and columns of mirror
        image come before that. For squares of ``square_around`` and ``whole_photo``, which begin at whole pixels."""
        size = round(self.extent)
        top, left = (math.floor(at - (size - 1) / 2) for at in self.centre[::-1])
        height, width = self.shape
        crop = PhotoCrop(max(top, 0), max(left, 0), min(top + size, height), min(left + size, width))
        return crop, (max(-top, 0), max(-left, 0))


@dataclass(frozen=True)
class Framing:
    """What of a photo a model of ``side`` pixels sees of a mask: the ``whole`` photo, or the mask's surroundings, its
    box with ``margin`` times its longer side all around and at least ``least`` photo pixels. ``whole_pixels`` begins
    squares at whole pixels, so that they can be cut out and pasted back as they are."""

    side: int
    margin: float
    least: float
    whole: bool = False
    whole_pixels: bool = True

    def around(self, mask: Mask) -> SquareCrop:
        """The square for a mask bool (H, W); MaskError if it is empty."""
        if self.whole:
            return whole_photo((mask.shape[0], mask.shape[1]), self.side)
        make = square_around if self.whole_pixels else crop_around
        return make(mask, self.side, self.margin, self.least)


def whole_photo(shape: tuple[int, int], side: int) -> SquareCrop:
    """All of a photo of ``shape`` (H, W), in the middle of the square."""
    return SquareCrop(side, float(max(shape)), ((shape[1] - 1) / 2, (shape[0] - 1) / 2), shape)


def square_around(mask: Mask, side: int, margin: float, least: float) -> SquareCrop:
    """The surroundings of a mask bool (H, W), in whole pixels: its box with ``margin`` times its longer side all
    around, at least ``least`` photo pixels, on the photo. MaskError if the mask is empty."""
    box = crop_of_mask(mask, grow=0)
    if box is None:
        raise MaskError("mask: it is empty, so there is no region around it; draw or place a mask")
    extra = round(margin * max(box.shape))
    lengths = [
        min(limit, max(length + 2 * extra, round(min(least, *mask.shape))))
        for length, limit in zip(box.shape, mask.shape, strict=True)
    ]
    extent = max(lengths)
    middle = []
    for start, end, limit in ((box.x0, box.x1, mask.shape[1]), (box.y0, box.y1, mask.shape[0])):
        first = (start + end - extent) // 2
        first = min(max(first, 0), limit - extent) if limit >= extent else -((extent - limit) // 2)
        middle.append(first + (extent - 1) / 2)
    return SquareCrop(side, float(extent), (middle[0], middle[1]), (mask.shape[0], mask.shape[1]))


def crop_around(mask: Mask, side: int, margin: float, least: float) -> SquareCrop:
    """The surroundings of a mask bool (H, W), not empty: its box with ``margin`` of it on every side, but at least
    ``least`` photo pixels and no more than the photo's longer side, kept on it. Not bound to whole pixels."""
    found = crop_of_mask(mask, grow=0)
    if found is None:
        raise MaskError("mask: it is empty, so there is no region around it; draw or place a mask")
    box = max(found.shape)
    extent = float(min(max(box * (1 + 2 * margin), min(least, *mask.shape)), max(max(mask.shape), box + 4)))
    centre = ((found.x0 + found.x1 - 1) / 2, (found.y0 + found.y1 - 1) / 2)
    return SquareCrop(side, extent, centre, (mask.shape[0], mask.shape[1])).kept_inside()
