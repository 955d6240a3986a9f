"""What a pretrained network makes of a photo, worked out once, for windows of any size that are looked at later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.features.extract import Scales, activation_maps
from core.segmentation.view_pyramid import Floats
from core.types import Image

STRIDES = (4, 8, 16)
LARGEST = 768
"""Longer side, in pixels, of the largest copy of a photo that the pretrained network sees."""
SMALLEST = 120
"""Copies are halved while their longer side is above this."""

Halves = npt.NDArray[np.float16]


@dataclass(frozen=True)
class FeatureStatistics:
    """Mean and spread of each channel at the three strides, by which maps are brought to unit variance."""

    means: tuple[Floats, Floats, Floats]
    spreads: tuple[Floats, Floats, Floats]

    def normalized(self, maps: Scales) -> list[Halves]:
        """The maps with mean 0 and spread 1, float16."""
        both = zip(maps, self.means, self.spreads, strict=True)
        return [((one - mean) / spread).clip(-12, 12).astype(np.float16) for one, mean, spread in both]


class PhotoFeatures:
    """Maps of a photo at halving sizes."""

    def __init__(self, image: Image, statistics: FeatureStatistics) -> None:
        longer = max(image.shape[:2])
        scale = min(1.0, LARGEST / longer)
        self._levels: list[tuple[float, float, list[Halves]]] = []
        while True:
            size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
            maps = statistics.normalized(activation_maps(np.asarray(small, np.uint8)))
            self._levels.append((size[0] / image.shape[1], size[1] / image.shape[0], maps))
            if max(size) <= SMALLEST * 2:
                break
            scale /= 2

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return sum(one.nbytes for _, _, maps in self._levels for one in maps)

    def window(self, matrix: npt.NDArray[np.float64], shape: tuple[int, int]) -> list[Floats]:
        """float32 (h / s, w / s, c) at each stride s on the window of ``shape`` (h, w), multiples of 16.

        ``matrix``, (2, 3), takes window points to photo points, both counted from the outer corner of the first pixel.
        """
        zoom = 1 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        across, down, maps = min(self._levels, key=lambda level: abs(np.log2(level[0] / zoom)))
        to_level = np.array([[across], [down]]) * matrix
        found = []
        for stride, one in zip(STRIDES, maps, strict=True):
            step = to_level.copy()
            step[:, 2] /= stride
            step[:, 2] += step[:, :2] @ np.array([0.5, 0.5]) - 0.5
            size = (shape[1] // stride, shape[0] // stride)
            found.append(_warped(one, step, size))
        return found


def _warped(field: Halves, matrix: npt.NDArray[np.float64], size: tuple[int, int]) -> Floats:
    """``field`` (h, w, c) at the places to which ``matrix`` takes the cells of a window of ``size`` (w, h)."""
    corners = matrix @ np.array([[0, size[0], 0, size[0]], [0, 0, size[1], size[1]], [1, 1, 1, 1]])
    x0, y0 = (max(int(np.floor(v)) - 1, 0) for v in corners.min(1))
    x1, y1 = (int(np.ceil(v)) + 2 for v in corners.max(1))
    x0, y0 = min(x0, field.shape[1] - 1), min(y0, field.shape[0] - 1)
    part = np.ascontiguousarray(field[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)], np.float32)
    moved = matrix.copy()
    moved[:, 2] -= (x0, y0)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out = cv2.warpAffine(part, moved, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.float32).reshape(size[1], size[0], field.shape[2])


def encode_features(maps: Sequence[Floats], points: Sequence[npt.NDArray[np.float64]]) -> list[Floats]:
    """float32 (c + 2, h, w) of each map (h, w, c): its channels, and how like the clicks of either sign each place is.

    ``points`` are the positive and the negative clicks, (n, 2) columns and rows in window pixels.
    """
    out = []
    for stride, one in zip(STRIDES, maps, strict=True):
        unit = one / (np.linalg.norm(one, axis=2, keepdims=True) + np.float32(1e-3))
        alike = [_likeness(unit, some / stride) for some in points]
        out.append(np.concatenate([one, np.stack(alike, 2)], 2).transpose(2, 0, 1))
    return out


def _likeness(unit: Floats, cells: npt.NDArray[np.float64]) -> Floats:
    """float32 (h, w): cosine with the most similar of the clicked cells; 0 without any."""
    h, w = unit.shape[:2]
    inside = [(int(y), int(x)) for x, y in cells if 0 <= x < w and 0 <= y < h]
    if not inside:
        return np.zeros((h, w), np.float32)
    chosen = np.stack([unit[at] for at in inside])
    return np.asarray((unit @ chosen.T).max(axis=2), np.float32)
