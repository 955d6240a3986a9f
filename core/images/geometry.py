"""Boxes, sizes, dilation and false colours: where photos and masks are measured and brought to another size.

Images are (H, W) or (H, W, C), masks bool (H, W); shapes are (rows, columns), lengths pixels, ``x`` runs to the right
and ``y`` down. Every function but ``shrunk_to`` returns a new array.

Apart from these stay, since their results differ: ``core.masks.morphology.grow``, by an exact Euclidean disc;
``core.methods.comgen.residual.grown``, by OpenCV's approximate distance, which reaches fractions of a pixel;
``core.evaluation.training.batches.fit_mask``, which takes what is covered by more than half; and
``core.methods.comgen.paste_back.enlarged``, which rounds the steps of a mask that grows.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from core.types import Image, Mask

Scalar = TypeVar("Scalar", bound=np.generic)
Floats = npt.NDArray[np.float32]

_UP = {"cubic": cv2.INTER_CUBIC, "linear": cv2.INTER_LINEAR}


def bounding_box(mask: Mask) -> tuple[int, int, int, int] | None:
    """(y0, x0, y1, x1) of the smallest box around the mask, ends exclusive; None if it is empty."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8) if mask.flags.c_contiguous else mask.astype(np.uint8))
    return (y, x, y + height, x + width) if width else None


def mask_box(mask: Mask, pad: int = 0) -> tuple[slice, slice]:
    """Row and column slices of the smallest box around the mask, wider by ``pad`` inside the frame; empty if it is."""
    if (found := bounding_box(mask)) is None:
        return slice(0, 0), slice(0, 0)
    y0, x0, y1, x1 = found
    return (
        slice(max(0, y0 - pad), min(mask.shape[0], y1 + pad)),
        slice(max(0, x0 - pad), min(mask.shape[1], x1 + pad)),
    )


def resized(
    array: npt.NDArray[Scalar], shape: tuple[int, int], up: Literal["cubic", "linear"] = "cubic"
) -> npt.NDArray[Scalar]:
    """``array`` (H, W) or (H, W, C) at ``shape`` (h, w): area means on the way down, ``up`` on the way up."""
    if array.shape[:2] == shape:
        return array.copy()
    down = shape[0] * shape[1] < array.shape[0] * array.shape[1]
    return np.asarray(cv2.resize(array, shape[::-1], interpolation=cv2.INTER_AREA if down else _UP[up]), array.dtype)


def shrunk_to(image: Image, longest: int) -> Image:
    """``image`` (H, W, 3) by area means so that neither side is more than ``longest``; itself where none is."""
    height, width = image.shape[:2]
    if max(height, width) <= longest:
        return image
    scale = longest / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def coverage(mask: Mask, shape: tuple[int, int]) -> Floats:
    """How much of each cell of a grid of ``shape`` (h, w) the mask covers: float32, 0..1."""
    return np.asarray(cv2.resize(mask.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA), np.float32)


def covered(mask: Mask, shape: tuple[int, int], least: float = 0.5) -> Mask:
    """The cells bool (h, w) of which the mask covers the share ``least``, else those covered most."""
    share = coverage(mask, shape)
    return np.asarray((share >= min(least, float(share.max()))) & (share > 0), np.bool_)


def dilated(mask: Mask, reach: int) -> Mask:
    """The mask and all within ``reach`` pixels of it, by OpenCV's ellipse of whole pixels; as it is below 1."""
    if reach < 1:
        return mask.copy()
    return _dilated(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))


def dilated_square(mask: Mask, reach: int) -> Mask:
    """The mask and all within ``reach`` rows and ``reach`` columns of it."""
    return _dilated(mask, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))


def outer_rim(mask: Mask) -> Mask:
    """The pixels beside the mask that touch it by side or corner."""
    return dilated_square(mask, 1) & ~mask


def false_colours(level: npt.NDArray[np.floating[Any]], table: int) -> Image:
    """``level`` (H, W), 0..1, in the colours of an OpenCV ``table``, as uint8 (H, W, 3) RGB."""
    return np.ascontiguousarray(cv2.applyColorMap((level * 255).astype(np.uint8), table)[..., ::-1])


def _dilated(mask: Mask, kernel: npt.NDArray[np.uint8]) -> Mask:
    return np.asarray(cv2.dilate(np.ascontiguousarray(mask).view(np.uint8), kernel)).view(np.bool_)
