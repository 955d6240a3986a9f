"""Photos of more than 8 bits: their source values beside the 8-bit working copy, and drawn pixels mapped back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import ImageError
from core.images.depth import DepthScale, scaled_to_8_bit
from core.types import Image, check_image

Values = npt.NDArray[np.uint16]
_TOP = 65535
_ROWS = 256
"""Rows that are worked on at once."""


@dataclass(frozen=True)
class SourceDepth:
    """Where the source values of a photo are: a PNG of 16 bits, in which ``low`` and ``high`` are 0 and 255.

    ``dtype`` is the number type that the photo came in, "" where it was not kept.
    """

    file: Path
    low: float
    high: float
    dtype: str = ""


@dataclass(frozen=True)
class DeepPhoto:
    """The same before it has a file: ``png`` are its bytes."""

    png: bytes
    low: float
    high: float
    dtype: str


def deep_photo(colour: npt.NDArray[Any], scale: DepthScale) -> DeepPhoto:
    """The values of ``colour`` (H, W) or (H, W, 3), of any number type above 8 bits, as a PNG of 16 bits.

    Whole numbers in 0..65535 are kept as they are; others (floats, signed ones) are spread so that the scale's range
    fills 16 bits.
    """
    whole = colour.dtype.kind in "ui" and int(colour.min()) >= 0 and int(colour.max()) <= _TOP
    if whole:
        return DeepPhoto(deep_png_bytes(colour.astype(np.uint16)), scale.low, scale.high, colour.dtype.name)
    spread = (np.nan_to_num(colour.astype(np.float64), nan=scale.low) - scale.low) / max(scale.high - scale.low, 1e-30)
    values = np.rint(spread.clip(0, 1) * _TOP).astype(np.uint16)
    return DeepPhoto(deep_png_bytes(values), 0.0, float(_TOP), colour.dtype.name)


def deep_png_bytes(values: Values) -> bytes:
    """A PNG of 16 bits a channel of uint16 (H, W) or (H, W, 3) RGB."""
    array = values if values.ndim == 2 else cv2.cvtColor(values, cv2.COLOR_RGB2BGR)
    done, coded = cv2.imencode(".png", array, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise ImageError(f"image: {values.shape[1]}x{values.shape[0]} pixels could not be coded as PNG")
    return coded.tobytes()


def read_deep_png(data: bytes, name: str) -> Values:
    """uint16 (H, W) or (H, W, 3) RGB of what ``deep_png_bytes`` wrote; ImageError for anything else."""
    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype != np.uint16:
        raise ImageError(f"{name}: expected a PNG of 16 bits; import the photo again")
    return np.asarray(array if array.ndim == 2 else cv2.cvtColor(array, cv2.COLOR_BGR2RGB), np.uint16)


def working_copy(values: Values, low: float, high: float) -> Image:
    """uint8 (H, W, 3): ``values`` uint16 (H, W) or (H, W, 3) with ``low`` as 0 and ``high`` as 255, as an import has
    it."""
    pixels = scaled_to_8_bit(values, DepthScale(low, high, ""))
    return check_image(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2))


def mapped_back(values: Values, before: Image, after: Image, low: float, high: float) -> Values:
    """uint16 (H, W, 3): ``values`` of a photo whose 8-bit copy is ``before``, with what was drawn to get ``after``.

    Pixels that are alike in both keep the source's values. A drawn one gets the value of its 8-bit level, and what the
    level of the pixel below had lost to rounding, so that drawn surfaces have no fewer levels than the photo.
    """
    out = np.empty(after.shape, np.uint16)
    for top in range(0, len(values), _ROWS):
        rows = slice(top, top + _ROWS)
        out[rows] = _mapped_back(values[rows], before[rows], after[rows], low, high)
    return out


def _mapped_back(values: Values, before: Image, after: Image, low: float, high: float) -> Values:
    source = (values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=2)).astype(np.float64)
    step = (high - low) / 255
    within = max(0.0, step / 2 - 0.5)  # rounding must not lead into the next level
    lost = (source - (low + before * step)).clip(-within, within)
    drawn = np.rint(low + after * step + lost).clip(0, _TOP)
    alike = (before == after).all(axis=2, keepdims=True)
    return np.where(alike, source, drawn).astype(np.uint16)
