"""Run lengths: how masks travel to the browser, into recipes and into COCO.

Row-major (C order), starting with the run of False, so ``[0, 3, 1]`` is three True and one False.
COCO counts column by column: transpose the mask first (core.exporters.coco does).
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence

import numpy as np

from core.errors import MaskError
from core.types import Mask


def encode(mask: Mask) -> list[int]:
    """Run lengths of a bool (H, W) mask; they sum to H*W."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return [mask.size]
    first, last = int(rows[0]), int(rows[-1]) + 1
    return encode_window(mask[first:last], first, 0, (mask.shape[0], mask.shape[1]))


def encode_window(window: Mask, y0: int, x0: int, shape: tuple[int, int]) -> list[int]:
    """Run lengths of a mask of ``shape`` (H, W) that is ``window``, bool (h, w), at row y0 and column x0, else False.

    The same as ``encode`` of the whole mask, at the cost of the window. MaskError if the window leaves the frame.
    """
    h, w = window.shape
    height, width = shape
    if y0 < 0 or x0 < 0 or y0 + h > height or x0 + w > width:
        raise MaskError(f"mask: a {w}x{h} window at ({x0}, {y0}) leaves the {width}x{height} frame; crop it first")
    # A False column after each row ends its runs there, so that starts and ends of runs alternate.
    fenced = np.zeros((h, w + 1), np.bool_)
    fenced[:, :w] = window
    flat = fenced.reshape(-1)
    edges = np.flatnonzero(np.concatenate(([flat[0]], flat[1:] != flat[:-1]))) if flat.size else np.zeros(0, np.intp)
    rows = edges // (w + 1)
    edges += (y0 + rows) * width + x0 - rows * (w + 1)
    if w == width and len(edges):
        # Runs that reach the right side may go on in the next row.
        whole = np.flatnonzero(edges[1:-1:2] == edges[2::2]) * 2 + 1
        edges = np.delete(edges, np.concatenate((whole, whole + 1)))
    size = height * width
    ends = [size] if not len(edges) or edges[-1] != size else []
    return list(np.diff(np.concatenate(([0], edges, ends)).astype(np.int64)).tolist())


def decode(runs: Sequence[int], shape: tuple[int, int]) -> Mask:
    """The bool mask of ``shape`` (H, W) with these run lengths; MaskError if they do not fill it."""
    counts = np.asarray(runs)
    size = shape[0] * shape[1]
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts.size and counts.min() < 0) or counts.sum() != size:
        total = counts.sum() if counts.ndim == 1 and counts.dtype.kind in "iu" else "no numbers"
        raise MaskError(
            f"mask: expected non-negative run lengths that sum to {size} ({shape[1]}x{shape[0]}), got {total}; "
            "draw the mask on this photo"
        )
    values = np.zeros(counts.size, np.bool_)
    values[1::2] = True
    return np.repeat(values, counts).reshape(shape)


def pack(mask: Mask) -> str:
    """A bool (H, W) mask as a short text for recipes; ``unpack`` needs the shape, which the photo gives."""
    return base64.b85encode(zlib.compress(np.packbits(mask).tobytes(), 6)).decode()


def unpack(text: str, shape: tuple[int, int]) -> Mask:
    """Inverse of pack; MaskError if ``text`` does not hold a mask of ``shape`` (H, W)."""
    size = shape[0] * shape[1]
    try:
        # The bound keeps a hostile recipe from inflating to gigabytes.
        raw = zlib.decompressobj().decompress(base64.b85decode(text), (size + 7) // 8 + 1)
    except (ValueError, binascii.Error, zlib.error) as error:
        raise MaskError(f"mask: expected a packed mask from a recipe, got {text[:30]!r}") from error
    if len(raw) != (size + 7) // 8:
        raise MaskError(f"mask: the packed mask is not of {shape[1]}x{shape[0]} pixels; it belongs to another photo")
    return np.unpackbits(np.frombuffer(raw, np.uint8), count=size).reshape(shape).astype(np.bool_)
