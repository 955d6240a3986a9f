"""The piece of a photo that is drawn: a square, at the model's size, and back again."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.images.geometry import mask_box
from core.types import Image, Mask


@dataclass(frozen=True)
class SquareCrop:
    """A square of ``extent`` photo pixels about ``middle`` (x, y), seen at ``side`` pixels; ``shape`` (H, W) is the
    photo's. What lies beyond the photo's edge is its mirror image, as it was when learning."""

    side: int
    extent: float
    centre: tuple[float, float]
    shape: tuple[int, int]

    @property
    def _matrix(self) -> npt.NDArray[np.float64]:
        """2x3, from photo to pane; pixel centres are at whole numbers."""
        scale = self.side / self.extent
        half = (self.side - 1) / 2
        return np.array([[scale, 0, half - scale * self.centre[0]], [0, scale, half - scale * self.centre[1]]])

    def crop_image(self, image: Image) -> Image:
        """uint8 (side, side, 3) of a photo uint8 (H, W, 3)."""
        blurred = image
        if self.extent > 1.34 * self.side:
            # Warping alone would skip pixels.
            blurred = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.4 * self.extent / self.side), np.uint8)
        how = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REFLECT_101}
        return np.asarray(cv2.warpAffine(blurred, self._matrix, (self.side, self.side), **how), np.uint8)

    def crop_mask(self, mask: Mask) -> Mask:
        """bool (side, side) of a mask bool (H, W); what is thin stays."""
        soft = cv2.warpAffine(mask.astype(np.float32), self._matrix, (self.side, self.side), flags=cv2.INTER_LINEAR)
        return np.asarray(soft > 0.25, np.bool_)

    def to_photo(self, picture: npt.NDArray[np.floating] | Image) -> npt.NDArray[np.float32]:
        """float32 (H, W, ...) of what was drawn (side, side, ...); 0 beyond the pane."""
        flags = (
            cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP if picture.ndim == 3 else cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        size = (self.shape[1], self.shape[0])
        return np.asarray(cv2.warpAffine(picture.astype(np.float32), self._matrix, size, flags=flags), np.float32)

    def mask_to_photo(self, mask: Mask) -> Mask:
        """bool (H, W) of a mask bool (side, side)."""
        return np.asarray(self.to_photo(mask.astype(np.float32)) > 0.5, np.bool_)


def whole_photo_crop(shape: tuple[int, int], side: int) -> SquareCrop:
    """All of a photo of ``shape`` (H, W), in the middle of the square."""
    return SquareCrop(side, float(max(shape)), ((shape[1] - 1) / 2, (shape[0] - 1) / 2), shape)


def crop_around(mask: Mask, side: int, margin: float, least: float) -> SquareCrop:
    """The surroundings of a mask bool (H, W), not empty, as a window has them when learning: its box with ``margin``
    of it on every side, but at least ``least`` photo pixels and no more than the photo's longer side, kept on it."""
    rows, cols = mask_box(mask)
    box = max(rows.stop - rows.start, cols.stop - cols.start)
    extent = float(min(max(box * (1 + 2 * margin), min(least, *mask.shape)), max(max(mask.shape), box + 4)))
    middle = []
    for part, length in ((cols, mask.shape[1]), (rows, mask.shape[0])):
        centre = (part.start + part.stop - 1) / 2
        room = extent / 2 - 0.5
        middle.append(float(np.clip(centre, room, length - 1 - room)) if length >= extent else (length - 1) / 2)
    return SquareCrop(side, extent, (middle[0], middle[1]), (mask.shape[0], mask.shape[1]))
