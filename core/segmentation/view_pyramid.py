"""Small working copies of a photo around a point: a click costs the same on any photo size.

``ImagePyramid`` keeps the photo in Lab at halved sizes; ``View`` is a window of it brought to about ``GRID`` pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from core.types import Image, Mask

GRID = 112
MAX_ZOOM = 3.0
"""A window is enlarged at most this much: beyond that the pixels hold nothing new."""

Floats = npt.NDArray[np.float32]


def squared(vectors: Floats) -> Floats:
    """float32 (h, w): squared lengths of float32 (h, w, 3)."""
    return np.asarray(cv2.transform(cv2.multiply(vectors, vectors), np.ones((1, 3), np.float32)), np.float32)


@dataclass(frozen=True)
class PyramidView:
    """A window of the photo: ``x0, y0`` its corner in photo pixels, ``zoom`` view pixels per photo pixel.

    ``lab`` is uint8 (h, w, 3), OpenCV's 8-bit Lab, of ``window`` and ``square_view`` smoothed as ``smoothed`` does.
    ``inside`` says for left, top, right, bottom whether the window ends inside the photo (not at its frame).
    """

    x0: int
    y0: int
    zoom: float
    lab: npt.NDArray[np.uint8]
    ends_inside_photo: tuple[bool, bool, bool, bool]

    def smoothed(self) -> PyramidView:
        """This view, smoothed so that texture fades and edges stay."""
        return replace(self, lab=_smooth_texture(self.lab))

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) in view pixels."""
        return (self.lab.shape[0], self.lab.shape[1])

    def to_view(self, x: float, y: float) -> tuple[int, int]:
        """(column, row) of a photo point, held inside the view."""
        h, w = self.shape
        column = int((x + 0.5 - self.x0) * self.zoom)
        row = int((y + 0.5 - self.y0) * self.zoom)
        return (min(max(column, 0), w - 1), min(max(row, 0), h - 1))

    def contains(self, x: float, y: float) -> bool:
        """Whether the photo point lies in the view."""
        h, w = self.shape
        return 0 <= (x + 0.5 - self.x0) * self.zoom < w and 0 <= (y + 0.5 - self.y0) * self.zoom < h

    @cached_property
    def colour(self) -> Floats:
        """float32 (h, w, 3): ``lab``, chroma counted 1.4 times since shading changes lightness only."""
        out = self.lab.astype(np.float32)
        out[..., 1:] *= 1.4
        return out

    @cached_property
    def gradient(self) -> Floats:
        """float32 (h, w): colour steps per view pixel, of the smoothed copy."""
        gx = cv2.Sobel(self.colour, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
        gy = cv2.Sobel(self.colour, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
        return np.asarray(cv2.sqrt(squared(gx) + squared(gy)), np.float32)

    @cached_property
    def max_gradient(self) -> Floats:
        """float32 (h, w): the largest ``gradient`` at the pixel and its four neighbours."""
        return np.asarray(cv2.dilate(self.gradient, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))), np.float32)

    @cached_property
    def texture(self) -> float:
        """The usual gradient of this window: what an edge must rise above."""
        return float(np.median(self.gradient)) + 0.5

    @cached_property
    def colour_bins(self) -> npt.NDArray[np.intp]:
        """int (h, w): each pixel's bin in a 10x6x6 Lab histogram that spans the window's colours."""
        some = np.sort(self.lab.reshape(-1, 3)[::7].astype(np.float32), axis=0)
        low, high = some[len(some) // 100], some[-1 - len(some) // 100]
        bins = np.array([10, 6, 6], np.float32)
        # A span of at least 24 steps: the noise of a plain surface shall not fill the histogram.
        span = np.maximum(high - low, 24)
        low = (low + high - span) / 2
        steps = np.arange(256, dtype=np.float32)[:, None]
        table = np.clip((steps - low) / span * bins, 0, bins - 1).astype(np.intp) * np.array([36, 6, 1])
        return np.asarray(sum(table[:, k].take(self.lab[..., k]) for k in range(3)), np.intp)


class ImagePyramid:
    """A photo in Lab at full size and halved until its longer side is at most 2*GRID."""

    def __init__(self, image: Image) -> None:
        self.shape = (image.shape[0], image.shape[1])
        level = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
        self.levels = [level]
        while max(level.shape[:2]) > 2 * GRID:
            size = ((level.shape[1] + 1) // 2, (level.shape[0] + 1) // 2)
            level = cv2.resize(level, size, interpolation=cv2.INTER_AREA)
            self.levels.append(level)

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return sum(level.nbytes for level in self.levels)

    def window(self, x0: float, y0: float, x1: float, y1: float, grid: int = GRID) -> PyramidView:
        """The window (x0, y0)..(x1, y1), clipped to the photo, at a longer side of ``grid`` (or zoomed less)."""
        return self.raw_window(x0, y0, x1, y1, grid).smoothed()

    def raw_window(self, x0: float, y0: float, x1: float, y1: float, grid: int = GRID) -> PyramidView:
        """``window`` with its texture left in."""
        height, width = self.shape
        left, top = max(int(x0), 0), max(int(y0), 0)
        right, bottom = min(int(np.ceil(x1)), width), min(int(np.ceil(y1)), height)
        zoom = min(grid / max(right - left, bottom - top), MAX_ZOOM)
        level = 0
        while level + 1 < len(self.levels) and zoom * 2 ** (level + 1) <= 1:
            level += 1
        source, step = self.levels[level], 2**level
        crop = source[top // step : -(-bottom // step), left // step : -(-right // step)]
        size = (max(round((right - left) * zoom), 1), max(round((bottom - top) * zoom), 1))
        how = cv2.INTER_AREA if zoom * step < 1 else cv2.INTER_CUBIC
        lab = cv2.resize(crop, size, interpolation=how) if crop.shape[1::-1] != size else crop
        inside = (left > 0, top > 0, right < width, bottom < height)
        return PyramidView(left, top, zoom, lab, inside)

    def square_view(self, x: float, y: float, side: float, grid: int = GRID) -> PyramidView:
        """A square window of ``side`` photo pixels centred on a point."""
        return self.window(x - side / 2, y - side / 2, x + side / 2, y + side / 2, grid)


def _smooth_texture(lab: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    size = 3 if min(lab.shape[:2]) > 3 else 1
    calm = cv2.medianBlur(np.ascontiguousarray(lab), size)
    # Grain-sized steps are smoothed, steps as large as an edge are not.
    noise = _median(np.maximum.reduce(cv2.split(cv2.absdiff(calm, cv2.blur(calm, (5, 5))))))
    return np.asarray(cv2.bilateralFilter(calm, 7, 8 + 3 * noise, 2.0))


def _median(values: npt.NDArray[np.uint8]) -> float:
    counts = np.cumsum(np.bincount(values.reshape(-1), minlength=256))
    return float(np.searchsorted(counts, values.size / 2))


def project_mask(mask: Mask, view: PyramidView, target: PyramidView) -> Mask:
    """``mask`` of ``view`` on the grid of ``target``, False where ``view`` does not reach."""
    s = target.zoom / view.zoom
    tx, ty = (view.x0 - target.x0) * target.zoom, (view.y0 - target.y0) * target.zoom
    matrix = np.array([[s, 0, tx + (s - 1) / 2], [0, s, ty + (s - 1) / 2]])
    h, w = target.shape
    warped = cv2.warpAffine(mask.astype(np.uint8) * 255, matrix, (w, h), flags=cv2.INTER_LINEAR)
    return np.asarray(warped > 127)
