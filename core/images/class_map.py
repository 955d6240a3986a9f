"""Masks whose values or colours are classes or objects, as numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.images.decode import MAX_PIXELS, decode

VOID_COLOUR = 224 << 16 | 224 << 8 | 192
"""The colour of "void" in Pascal VOC."""


def class_codes(data: bytes, name: str) -> tuple[npt.NDArray[np.int64], bool]:
    """int (H, W) of a mask file: palette indices or grey values, or colours as R * 65536 + G * 256 + B, and which.

    ImageError for a file that cannot be read.
    """
    decoded = decode(data, name, MAX_PIXELS)
    if decoded.indices is not None:
        return decoded.indices.astype(np.int64), False
    if decoded.colour.ndim == 2:
        return np.nan_to_num(decoded.colour).astype(np.int64), False
    red, green, blue = (decoded.colour[..., k].astype(np.int64) for k in range(3))
    return red << 16 | green << 8 | blue, True
