"""What a photo looks like at a glance: whether it is flat like a mask, and a few numbers to compare photos by."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.images.decode import MAX_PIXELS, decode
from core.images.depth import DepthRange, is_deep, range_of, to_8_bit
from core.types import Image

SIDE = 16
MIN_SET = 8
"""Of fewer photos nothing can be said about their spread."""
MIN_APART = 20.0
"""Photos nearer than this to others, in grey levels (root mean square over the thumbprint), are never odd."""
_LARGE_JPEG = 400_000
_FLAT_SHARE = 0.98
_NEAR = 6


def is_flat(pixels: Image) -> bool:
    """Whether at most four values, give or take what lossy coding adds, make up nearly all of uint8 (H, W, 3)."""
    side = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1] / 250_000)))
    grey = np.ascontiguousarray(pixels[::side, ::side].max(axis=2))
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).reshape(-1)
    covered = 0.0
    for _ in range(4):
        top = int(counts.argmax())
        near = slice(max(0, top - _NEAR), top + _NEAR + 1)
        # A value of a mask stands alone; the values of a photo lie beside each other.
        if counts[top] < 0.5 * counts[near].sum():
            break
        covered += float(counts[near].sum())
        counts[near] = 0
    return covered >= _FLAT_SHARE * grey.size


def thumbprint(pixels: Image) -> npt.NDArray[np.float32]:
    """float32 (16 * 16 * 3,): the photo in very small, 0..255, to see which photos are unlike the others."""
    small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).reshape(-1)


@dataclass(frozen=True)
class Look:
    """One photo at a glance. ``depth`` is the number type and range of a photo with more than 8 bits."""

    flat: bool
    print: npt.NDArray[np.float32]
    depth: tuple[str, DepthRange] | None = None


def look_at(data: bytes, name: str) -> Look:
    """See what a photo's bytes look like; a large JPEG is decoded at an eighth of its size. ImageError as in read."""
    if data[:3] == b"\xff\xd8\xff" and len(data) > _LARGE_JPEG:
        small = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_COLOR_8)
        if small is not None and min(small.shape[:2]) >= SIDE:
            pixels = np.ascontiguousarray(small[..., ::-1])
            return Look(is_flat(pixels), thumbprint(pixels))
    colour = decode(data, name, MAX_PIXELS).colour
    depth = (colour.dtype.name, range_of(colour, name)) if is_deep(colour) else None
    pixels, _ = to_8_bit(colour, name)
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    return Look(is_flat(rgb), thumbprint(rgb), depth)


def unlike_the_others(prints: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """bool (N,): photos that differ from all others beyond the spread of the set; ``prints`` float32 (N, D).

    The distance to the third nearest is compared with that of the others. A set in which many are far from the rest is
    a mixed set, and nothing in it is odd.
    """
    n = len(prints)
    odd = np.zeros(n, np.bool_)
    if n < MIN_SET:
        return odd
    near = np.empty(n, np.float32)
    squares = (prints**2).sum(axis=1)
    for start in range(0, n, 512):
        block = prints[start : start + 512]
        apart = squares[start : start + 512, None] + squares[None] - 2 * block @ prints.T
        near[start : start + 512] = np.sqrt(np.maximum(np.partition(apart, 3, axis=1)[:, 3], 0))
    near /= np.sqrt(prints.shape[1])
    median = float(np.median(near))
    spread = float(np.median(np.abs(near - median)))
    odd = near > max(4 * median, median + 12 * spread, MIN_APART)
    return odd if odd.sum() <= max(2, n // 20) else np.zeros(n, np.bool_)
