"""A mask's surroundings cut out of a photo at the model's size, and put back at the photo's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

from core.errors import InputError, MaskError
from core.images import (
    ContextMargin,
    ContextRectangle,
    PhotoCrop,
    alpha_blend,
    crop_around_mask,
    inner_alpha,
    poisson_blend,
)
from core.images.geometry import resized
from core.images.square_crop import Framing
from core.types import Image, Mask


@dataclass(frozen=True)
class CropSettings:
    """What is cut out and how it comes back: context ``margin`` relative to the mask's box, working ``side`` in pixels
    (0: the model's own), inner ``feather`` in pixels, and how the edge is closed. ``square`` cuts out a square where
    the photo has room for it; ``framed`` one that is filled up by mirror image where it has not, as when learning, and
    ``whole`` with it one that holds the whole photo. A framed square has at least ``least`` photo pixels a side, 0 for
    the working side; with fewer a small mask is seen enlarged. ``detail`` 0..1 gives back that share of the fine
    structure that the model's autoencoder loses, so that the surface's grain goes on inside the mask. A ``context`` is
    cut out as it is, whatever the margin."""

    margin: float = 0.5
    side: int = 0
    feather: float = 3.0
    seam: Literal["feather", "poisson"] = "feather"
    square: bool = False
    framed: bool = False
    whole: bool = False
    least: int = 0
    detail: float = 0.0
    context: ContextRectangle | None = None


@dataclass(frozen=True)
class ModelCrop:
    """A region of the photo, and its ``pixels`` uint8 (h, w, 3) at the model's size.

    Of a square of ``extent`` photo pixels (0: the region alone) the region is a part: ``before`` it come so many rows
    and columns of mirror image.
    """

    photo_crop: PhotoCrop
    pixels: Image
    extent: int = 0
    before: tuple[int, int] = (0, 0)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in photo pixels, mirror image and all."""
        return (self.extent, self.extent) if self.extent else self.photo_crop.shape

    def crop(self, image: Image) -> Image:
        """The same region of another ``image`` of the photo's size, at the model's size."""
        return resized(self._filled(image), (self.pixels.shape[0], self.pixels.shape[1]))

    def crop_mask(self, mask: Mask) -> Mask:
        """The same region of a mask bool (H, W), in photo pixels: what the picture shows, mirror image and all."""
        return self._filled(mask.view(np.uint8)).view(np.bool_)

    def mask_for_model(self, mask: Mask) -> Mask:
        """The same region of a mask bool (H, W), at the model's size: True wherever a pixel of the mask falls."""
        crop = self.crop_mask(mask).astype(np.uint8) * 255
        shape = (self.pixels.shape[0], self.pixels.shape[1])
        return np.asarray(resized(crop, shape, "linear") > (0 if crop.shape > shape else 127), np.bool_)

    def to_photo_crop(self, picture: Image) -> Image:
        """A picture of the model's size as the region of the photo, in photo pixels and without mirror image."""
        (top, left), (height, width) = self.before, self.photo_crop.shape
        return np.ascontiguousarray(resized(picture, self.shape)[top : top + height, left : left + width])

    def _filled(self, array: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        crop = self.photo_crop.crop(array)
        if crop.shape[:2] == self.shape:
            return crop
        (top, left), (height, width) = self.before, self.photo_crop.shape
        bottom, right = self.extent - top - height, self.extent - left - width
        return np.asarray(cv2.copyMakeBorder(crop, top, bottom, left, right, cv2.BORDER_REFLECT), np.uint8)


class PictureSize(Protocol):
    """What a crop must know of a loaded model: its name, the side it was trained at and what sides must divide by."""

    @property
    def name(self) -> str:
        """As in messages."""
        ...

    @property
    def side(self) -> int:
        """In pixels."""
        ...

    @property
    def multiple(self) -> int:
        """In pixels."""
        ...


def crop_for_model(backbone: PictureSize, photo: Image, mask: Mask, frame: CropSettings) -> ModelCrop:
    """The mask's surroundings, at least the working size where the photo is that large, resized to it."""
    if not mask.any():
        raise MaskError("mask: it is empty, so there is nothing to draw; draw or place a mask")
    side = frame.side or backbone.side
    if side % backbone.multiple:
        raise InputError(f"working size: expected a multiple of {backbone.multiple} for {backbone.name}, got {side}")
    if frame.framed:
        square = Framing(side, frame.margin, frame.least or side, frame.whole).around(mask)
        roi, before = square.pixels()
        window = ModelCrop(roi, np.empty((side, side, 3), np.uint8), round(square.extent), before)
        return replace(window, pixels=window.crop(photo))
    roi = (frame.context or ContextMargin(frame.margin, side)).around(mask)
    if frame.square:
        roi = crop_around_mask(mask, frame.margin, max(roi.shape))
    scale = side / max(roi.shape)
    h, w = (max(backbone.multiple, round(n * scale / backbone.multiple) * backbone.multiple) for n in roi.shape)
    return ModelCrop(roi, resized(roi.crop(photo), (h, w)))


def paste_back(
    photo: Image, mask: Mask, window: ModelCrop, generated: Image, frame: CropSettings, begun: Image | None = None
) -> Image:
    """``generated``, of the window's size, back in the photo; outside ``mask`` the photo is exact.

    Where the window is smaller than what it was cut from, the frame's ``detail`` also gives back what ``begun``, of
    the photo's size, lost on the way.
    """
    roi = window.photo_crop
    patch = window.to_photo_crop(generated)
    if begun is not None and frame.detail and max(window.shape) > max(window.pixels.shape[:2]):
        lost = roi.crop(begun).astype(np.float32) - window.to_photo_crop(window.crop(begun))
        patch = np.clip(np.rint(patch + frame.detail * lost), 0, 255).astype(np.uint8)
    under, inside = roi.crop(photo), roi.crop(mask)
    if frame.seam == "poisson":
        return roi.paste(photo, poisson_blend(under, patch, inside))
    depth = float(cv2.distanceTransform(inside.view(np.uint8), cv2.DIST_L2, 3).max()) if not inside.all() else np.inf
    # A ramp wider than the mask is deep would leave a thin defect half drawn.
    alpha = inner_alpha(inside, max(0.0, min(frame.feather, depth / 2 - 0.5)))
    return roi.paste(photo, alpha_blend(under, patch, alpha))


def latent_previewer(z0: Tensor, pixels: Image) -> Callable[[Tensor], Image]:
    """A rough decoder for previews: the colour of each latent, by the linear map that fits this window best.

    The decoder itself costs as much as several steps. ``z0`` (1, C, h, w) are the latents of ``pixels``.
    """
    h, w = z0.shape[2], z0.shape[3]
    colours = cv2.resize(pixels, (w, h), interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.float64)
    solution = np.linalg.lstsq(_rows(z0), colours, rcond=None)[0]

    def sketch(x0: Tensor) -> Image:
        small = np.clip(_rows(x0) @ solution, 0, 255).round().astype(np.uint8).reshape(h, w, 3)
        return resized(small, (pixels.shape[0], pixels.shape[1]))

    return sketch


def _rows(latents: Tensor) -> npt.NDArray[np.float64]:
    """Latents (1, C, h, w) as (h w, C + 1), the last column 1."""
    flat = latents[0].flatten(1).T.double().cpu().numpy()
    return np.concatenate([flat, np.ones((len(flat), 1))], axis=1)
