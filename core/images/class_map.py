"""Masks whose values or colours are classes or objects, as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.images.decode import MAX_PIXELS, decode

VOID_COLOUR = 224 << 16 | 224 << 8 | 192
"""The colour of "void" in Pascal VOC."""


@dataclass(frozen=True, slots=True)
class ClassAreas:
    """How many pixels each class of a mask covers, by its number as in ``class_codes``, in the order of numbers."""

    pixels: Mapping[int, int]
    coloured: bool

    @classmethod
    def of(cls, codes: npt.NDArray[np.int64], coloured: bool) -> ClassAreas:
        """From what ``class_codes`` gives, int64 (H, W). Equal neighbours are counted at once, so little is sorted."""
        flat = codes.ravel()
        starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1)) if flat.size else np.zeros(0, int)
        numbers, run = np.unique(flat[starts], return_inverse=True)
        areas = np.bincount(run, weights=np.diff(starts, append=flat.size), minlength=numbers.size)
        return cls(dict(zip(numbers.tolist(), areas.astype(np.int64).tolist(), strict=True)), coloured)


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


def class_areas(data: bytes, name: str) -> ClassAreas:
    """``ClassAreas`` of a mask file; ImageError for one that cannot be read."""
    return ClassAreas.of(*class_codes(data, name))
