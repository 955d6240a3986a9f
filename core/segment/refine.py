"""From a mask on a small view to the photo's own pixels: near the outline, each pixel joins the side it looks like."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.segment.views import Floats, Pyramid, View
from core.types import Mask

_SIDE = 512
"""Longest side, in pixels, at which the outline of a large object is worked on."""


def to_photo(pyramid: Pyramid, view: View, mask: Mask) -> Mask:
    """bool (H, W) of the photo: ``mask`` of ``view`` with its outline drawn to the edge of the colours.

    In a band around the outline the mean colour of both sides is taken locally (as in Video SnapCut); a pixel
    goes to the nearer one, held back by the first guess where both sides look alike.
    """
    height, width = pyramid.shape
    out = np.zeros((height, width), np.bool_)
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(ys):
        return out
    pad = 6 / view.zoom + 4
    x0, y0 = int(max(view.x0 + xs[0] / view.zoom - pad, 0)), int(max(view.y0 + ys[0] / view.zoom - pad, 0))
    x1 = int(min(view.x0 + (xs[-1] + 1) / view.zoom + pad + 1, width))
    y1 = int(min(view.y0 + (ys[-1] + 1) / view.zoom + pad + 1, height))
    level = 0
    while level + 1 < len(pyramid.levels) and max(x1 - x0, y1 - y0) / 2**level > _SIDE:
        level += 1
    step = 2**level
    x0, y0 = x0 // step * step, y0 // step * step
    lab = pyramid.levels[level][y0 // step : -(-y1 // step), x0 // step : -(-x1 // step)]
    soft = _resample(mask, view, x0, y0, step, lab.shape[1], lab.shape[0])
    band = max(1.6 / (view.zoom * step), 1.0)
    soft = _settle(lab, soft, band)
    if step > 1:
        soft = cv2.resize(soft, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
    h, w = min(soft.shape[0], height - y0), min(soft.shape[1], width - x0)
    out[y0 : y0 + h, x0 : x0 + w] = soft[:h, :w] > 0.5
    return out


def _resample(mask: Mask, view: View, x0: int, y0: int, step: int, w: int, h: int) -> Floats:
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


def _settle(lab: npt.NDArray[np.uint8], soft: Floats, band: float) -> Floats:
    colour = cv2.medianBlur(np.ascontiguousarray(lab), 3).astype(np.float32)
    k = 2 * int(np.ceil(2 * band + 1)) + 1
    width = 2 * int(np.ceil(band)) + 1
    for _ in range(2):
        hard = (soft > 0.5).astype(np.uint8)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
        near = cv2.dilate(hard, kernel) != cv2.erode(hard, kernel)
        if not near.any():
            break
        inner, outer = _side(colour, soft, k), _side(colour, 1 - soft, k)
        to_inner = np.einsum("ijk,ijk->ij", colour - inner, colour - inner)
        to_outer = np.einsum("ijk,ijk->ij", colour - outer, colour - outer)
        apart = np.einsum("ijk,ijk->ij", inner - outer, inner - outer)
        like = to_outer / (to_inner + to_outer + 1e-3)
        believe = apart / (apart + 120.0)
        new = believe * cv2.GaussianBlur(like, (0, 0), 0.7) + (1 - believe) * soft
        soft = np.where(near, new, soft)
    return np.asarray(cv2.GaussianBlur(soft, (0, 0), 0.6))


def _side(colour: Floats, weight: Floats, k: int) -> Floats:
    """Local mean colour under ``weight`` (h, w)."""
    total = cv2.blur(weight, (k, k)) + 1e-4
    return np.asarray(cv2.blur(colour * weight[..., None], (k, k)) / total[..., None])
