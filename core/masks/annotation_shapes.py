"""Masks from what annotation tools store: polygons, ellipses and run lengths of several kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import MaskError
from core.types import Mask

Shape = tuple[int, int]
_MAX_PIXELS = 200_000_000


def polygon_mask(points: Sequence[Sequence[float]], shape: Shape) -> Mask:
    """bool (H, W) inside a polygon of corners (x, y) in pixels, as COCO's tools draw it; MaskError for no polygon.

    One that is too thin to hold the middle of a pixel is drawn as a line.
    """
    from pycocotools import mask as rle

    try:
        corners = np.asarray(points, np.float64)
    except (TypeError, ValueError) as error:
        raise MaskError("mask: expected corners x, y of a polygon; annotate it again") from error
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise MaskError("mask: expected at least three corners x, y of a polygon; annotate it again")
    height, width = shape
    near = corners.clip((-width, -height), (2 * width, 2 * height))
    mask = np.asarray(rle.decode(rle.frPyObjects([near.reshape(-1).tolist()], height, width))[..., 0], np.bool_)
    if not mask.any():
        canvas = np.zeros(shape, np.uint8)
        cv2.polylines(canvas, [np.floor(near).astype(np.int32)], True, 1)
        mask = canvas.astype(np.bool_)
    return mask


def ellipse_mask(centre: tuple[float, float], radii: tuple[float, float], degrees: float, shape: Shape) -> Mask:
    """bool (H, W) inside an ellipse: centre and radii (x, y) in pixels, turned clockwise by ``degrees``."""
    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    turn = np.deg2rad(degrees)
    x, y = radii[0] * np.cos(angles), radii[1] * np.sin(angles)
    corners = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], axis=1)
    return polygon_mask((corners + centre).tolist(), shape)


def coco_mask(segmentation: Any, shape: Shape) -> Mask:
    """bool (H, W) of COCO's ``segmentation``, which is run lengths, compressed or not, or polygons; else MaskError."""
    from pycocotools import mask as rle

    height, width = shape
    try:
        code = segmentation
        if not (isinstance(segmentation, dict) and isinstance(segmentation["counts"], str | bytes)):
            if isinstance(segmentation, dict):
                _check_runs(segmentation["counts"], segmentation["size"])
            code = rle.frPyObjects(segmentation, height, width)
            if isinstance(code, list):
                code = rle.merge(code)
        if tuple(int(v) for v in code["size"]) != (height, width):
            size = code["size"]
            raise MaskError(f"mask: run lengths of {size[1]}x{size[0]} on a photo of {width}x{height}")
        return np.asarray(rle.decode(code), np.bool_)
    except MaskError:
        raise
    except Exception as error:  # the decoder is C and raises many kinds
        raise MaskError(
            f"mask: expected COCO polygons or run lengths ({type(error).__name__}); export again"
        ) from error


def _check_runs(counts: Sequence[int], size: Sequence[int]) -> None:
    if min(counts, default=0) < 0 or sum(counts) != int(size[0]) * int(size[1]):
        raise MaskError(f"mask: run lengths sum to {sum(counts)}, not to {size[0]} x {size[1]}; export again")


def box_runs_mask(runs: Sequence[int], box: tuple[int, int, int, int], shape: Shape) -> Mask:
    """bool (H, W) of row-major run lengths, the first of zeros, in a box (left, top, width, height): CVAT's masks."""
    left, top, width, height = box
    values = np.zeros(len(runs), np.bool_)
    values[1::2] = True
    if min(runs, default=0) < 0 or sum(runs) > width * height or width * height > _MAX_PIXELS:
        raise MaskError(f"mask: run lengths do not fit a box of {width}x{height}; export again")
    flat = np.zeros(width * height, np.bool_)
    drawn = np.repeat(values, runs)
    flat[: len(drawn)] = drawn
    canvas = np.zeros(shape, np.bool_)
    part = flat.reshape(height, width)[max(0, -top) : shape[0] - top, max(0, -left) : shape[1] - left]
    canvas[max(0, top) : max(0, top) + part.shape[0], max(0, left) : max(0, left) + part.shape[1]] = part
    return canvas


def column_runs_mask(runs: Sequence[int], shape: Shape) -> Mask:
    """bool (H, W) of pairs of a pixel, counted from 1 down the columns, and how many follow: Kaggle's run lengths."""
    starts, lengths = np.asarray(runs[::2], np.int64) - 1, np.asarray(runs[1::2], np.int64)
    height, width = shape
    if len(runs) % 2 or (starts < 0).any() or (lengths < 0).any() or (starts + lengths > height * width).any():
        raise MaskError(f"mask: run lengths do not fit a photo of {width}x{height}; they may be another photo's")
    flat = np.zeros(height * width, np.bool_)
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        flat[start : start + length] = True
    return np.ascontiguousarray(flat.reshape(width, height).T)


def brush_mask(runs: Sequence[int], shape: Shape) -> Mask:
    """bool (H, W) of Label Studio's brush: its packed run lengths hold RGBA bytes, and alpha is what was drawn."""
    flat = _unpacked(runs, shape[0] * shape[1] * 4)
    return np.asarray(flat.reshape(shape[0], shape[1], 4)[..., 3] > 0, np.bool_)


def _unpacked(runs: Sequence[int], size: int) -> npt.NDArray[np.uint8]:
    """Bits: 32 of length, 5 of word size, four of 4 for the widths of a length; then blocks of a run or of values."""
    try:
        bits = np.unpackbits(np.asarray(runs, np.uint8))
    except (ValueError, TypeError, OverflowError) as error:
        raise MaskError("mask: expected a brush of bytes 0..255; export from Label Studio again") from error
    at = 0

    def take(count: int) -> int:
        nonlocal at
        if at + count > len(bits):
            raise MaskError("mask: the brush is cut off; export from Label Studio again")
        value = int("".join(map(str, bits[at : at + count])) or "0", 2)
        at += count
        return value

    total, word = take(32), take(5) + 1
    widths = [take(4) + 1 for _ in range(4)]
    if total != size:
        raise MaskError(f"mask: the brush holds {total // 4} pixels and the photo {size // 4}; it is another photo's")
    out = np.zeros(size, np.uint8)
    done = 0
    while done < size:
        same, length = take(1), take(widths[take(2)]) + 1
        stop = min(size, done + length)
        if same:
            out[done:stop] = take(word)
        else:
            for i in range(done, stop):
                out[i] = take(word)
        done += length
    return out
