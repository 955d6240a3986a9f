"""YOLO's label files and lists of classes, for whoever reads the format: import, and the reader of exports."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import InputError, MaskError
from core.masks.annotation_shapes import polygon_mask
from core.types import Mask

Corners = npt.NDArray[np.float64]
INSIDE = 0.25
"""Outlines of pixels have their corners this far inside their pixel: readers that cut off decimals and readers that
round both come back to it."""
_EXACT = 0.02


@dataclass(frozen=True)
class YoloDefect:
    """A line of a label file: ``corners`` float64 (N >= 3, 2) x, y in 0..1, None for a box; ``line`` counts from 1."""

    label: str
    corners: Corners | None
    line: int

    def mask(self, shape: tuple[int, int]) -> Mask:
        """bool (H, W) inside the corners; MaskError for a box, which is none.

        Corners that all lie ``INSIDE`` their pixels are an outline of pixels, which belong to it; others are points of
        the picture, as people click them.
        """
        if self.corners is None:
            raise MaskError(f"mask: line {self.line} is a box; expected a polygon, draw or segment it")
        height, width = shape
        places = self.corners * (width, height)
        if np.abs(places - np.floor(places) - INSIDE).max() < _EXACT:
            pixels = np.floor(places).clip(0, (width - 1, height - 1)).astype(np.int32)
            canvas = np.zeros(shape, np.uint8)
            cv2.fillPoly(canvas, [pixels], 1)
            return canvas.astype(np.bool_)
        mask = polygon_mask(places.tolist(), shape)
        if not mask.any():
            raise MaskError("mask: the polygon is empty; draw it again")
        return mask


def read_yolo(text: str, names: dict[int, str], name: str) -> list[YoloDefect]:
    """The defects of one photo's label file; InputError names ``name`` and the line that is none."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            values = np.array([float(word) for word in words[1:]])
            index = int(float(words[0]))
            if len(values) < 4 or not np.isfinite(values).all():
                raise ValueError("corners")
        except (ValueError, OverflowError) as error:
            raise InputError(
                f"{name}: line {number} is no polygon (a class and at least three corners x y in 0..1)"
            ) from error
        corners = values.reshape(-1, 2) if len(values) >= 6 and len(values) % 2 == 0 else None
        found.append(YoloDefect(names.get(index, f"class_{index}"), corners, number))
    return found


def read_class_names(text: str, name: str, *, yaml: bool) -> dict[int, str]:
    """Class names by number: ``names`` of a YAML, a list or a mapping, or the lines of a text.

    InputError names ``name`` where there are none.
    """
    if not yaml:
        return dict(enumerate(line.strip() for line in text.splitlines() if line.strip()))
    from yaml import YAMLError, safe_load

    try:
        names = safe_load(text)["names"]
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(k): str(v) for k, v in pairs}
    except (ValueError, KeyError, TypeError, AttributeError, YAMLError) as error:
        raise InputError(f"{name}: expected 'names:' with the class names; repair the file") from error
