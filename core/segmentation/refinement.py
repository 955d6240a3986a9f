"""From a mask on a small view to the photo's own pixels: near the outline, each pixel joins the side it looks like."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.images.geometry import dilated_square
from core.segmentation.mask_scoring import MaskGuess
from core.segmentation.view_pyramid import Floats, ImagePyramid, PyramidView
from core.types import Mask

_SIDE = 384
"""Longest side, in pixels, at which the outline of a large object is worked on."""


def draw_on_photo(pyramid: ImagePyramid, guess: MaskGuess) -> tuple[Mask, tuple[int, int]]:
    """A guess on the photo's pixels: a window, bool (h, w), and its first (row, column).

    A network's guess is drawn where it says so, between its pixels too: it knows shaded sides, which colours mislead.
    """
    if guess.probability is None:
        return refine_to_photo(pyramid, guess.view, guess.mask)
    z, view, (height, width) = guess.view.zoom, guess.view, pyramid.shape
    x0, y0 = max(int(guess.box[0] - 2 / z) - 1, 0), max(int(guess.box[1] - 2 / z) - 1, 0)
    x1, y1 = min(int(guess.box[2] + 2 / z) + 2, width), min(int(guess.box[3] + 2 / z) + 2, height)
    matrix = np.array([[z, 0, (x0 + 0.5 - view.x0) * z - 0.5], [0, z, (y0 + 0.5 - view.y0) * z - 0.5]])
    # What other components say shall not bleed into this one.
    own = np.where(dilated_square(guess.mask, 1), guess.probability, np.float32(0))
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    soft = cv2.warpAffine(own, matrix, (x1 - x0, y1 - y0), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return soft > 0.5, (y0, x0)


def refine_to_photo(pyramid: ImagePyramid, view: PyramidView, mask: Mask) -> tuple[Mask, tuple[int, int]]:
    """``mask`` of ``view`` on the photo's pixels, its outline drawn to the edge of the colours.

    Returns a window, bool (h, w), and its first (row, column) on the photo.

    In a band around the outline the mean colour of both sides is taken locally (as in Video SnapCut); a pixel
    goes to the nearer one, held back by the first guess where both sides look alike.
    """
    height, width = pyramid.shape
    left, top, w, h = cv2.boundingRect(mask.view(np.uint8))
    pad, z = 6 / view.zoom + 4, view.zoom
    x0, y0 = int(max(view.x0 + left / z - pad, 0)), int(max(view.y0 + top / z - pad, 0))
    x1 = int(min(view.x0 + (left + w) / z + pad + 1, width))
    y1 = int(min(view.y0 + (top + h) / z + pad + 1, height))
    level = 0
    while level + 1 < len(pyramid.levels) and max(x1 - x0, y1 - y0) / 2**level > _SIDE:
        level += 1
    step = 2**level
    x0, y0 = x0 // step * step, y0 // step * step
    lab = pyramid.levels[level][y0 // step : -(-y1 // step), x0 // step : -(-x1 // step)]
    soft = _resample(mask, view, x0, y0, step, lab.shape[1], lab.shape[0])
    soft = _snap_to_colours(lab, soft, max(1.6 / (view.zoom * step), 1.0))
    part = (soft * 255).astype(np.uint8)
    if step > 1:
        part = cv2.resize(part, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
    return part[: height - y0, : width - x0] > 127, (y0, x0)


def _resample(mask: Mask, view: PyramidView, x0: int, y0: int, step: int, w: int, h: int) -> Floats:
    s = 1 / (view.zoom * step)
    tx, ty = (view.x0 - x0) / step, (view.y0 - y0) / step
    matrix = np.array([[s, 0, tx + (s - 1) / 2], [0, s, ty + (s - 1) / 2]])
    source = mask.astype(np.float32)
    if s < 1:
        k = int(round(1 / s)) | 1
        source = cv2.blur(source, (k, k))
    # Objects cut by the photo's frame go on up to it.
    soft = cv2.warpAffine(source, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.GaussianBlur(soft, (0, 0), 0.6 * s) if s > 1.5 else soft)


def _snap_to_colours(lab: npt.NDArray[np.uint8], soft: Floats, band: float) -> Floats:
    colour = cv2.medianBlur(np.ascontiguousarray(lab), 3)
    k = 2 * int(np.ceil(2 * band + 1)) + 1
    means = _LocalMeans(colour, k)
    kernel = np.ones((2 * int(np.ceil(band)) + 1,) * 2, np.uint8)
    pixels = colour.reshape(-1, 3)
    for _ in range(2):
        hard = (soft > 0.5).view(np.uint8)
        near = np.flatnonzero(cv2.dilate(hard, kernel) != cv2.erode(hard, kernel))
        if not len(near):
            break
        inner, outer = means.of(soft, near)
        own = pixels[near].astype(np.float32)
        to_inner, to_outer = _square(own - inner), _square(own - outer)
        like = soft.copy()
        like.reshape(-1)[near] = to_outer / (to_inner + to_outer + 1e-3)
        believe = _square(inner - outer)
        believe /= believe + 120.0
        like = cv2.GaussianBlur(like, (0, 0), 0.7).reshape(-1)[near]
        guess = soft.reshape(-1)
        guess[near] += believe * (like - guess[near])
    return np.asarray(cv2.GaussianBlur(soft, (0, 0), 0.6))


def _square(delta: Floats) -> Floats:
    return np.asarray(np.einsum("ij,ij->i", delta, delta))


class _LocalMeans:
    """Local mean colours on both sides of an outline, over ``k`` pixels: smooth, so a shrunken copy holds them."""

    def __init__(self, colour: npt.NDArray[np.uint8], k: int) -> None:
        self._shrink = max(1, k // 8)
        self._width = colour.shape[1]
        size = (-(-colour.shape[1] // self._shrink), -(-colour.shape[0] // self._shrink))
        self._size = size
        small = cv2.resize(colour, size, interpolation=cv2.INTER_AREA) if self._shrink > 1 else colour
        self._small = small.astype(np.float32)
        self._kernel = (int(k / self._shrink) | 1,) * 2
        self._around = cv2.blur(self._small, self._kernel)

    def of(self, soft: Floats, near: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Colours (n, 3) inside and outside of ``soft`` about the pixels ``near`` (flat indices)."""
        weight = cv2.resize(soft, self._size, interpolation=cv2.INTER_AREA) if self._shrink > 1 else soft
        total = cv2.blur(weight, self._kernel)[..., None]
        inside = cv2.blur(self._small * weight[..., None], self._kernel)
        both = np.concatenate((inside / (total + 1e-4), (self._around - inside) / (1 - total + 1e-4)), axis=2)
        rows, columns = np.divmod(near, self._width)
        at = rows // self._shrink * self._size[0] + columns // self._shrink
        found = both.reshape(-1, 6)[at]
        return found[:, :3], found[:, 3:]
