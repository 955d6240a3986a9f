"""What a photo looks like at a glance: whether it is flat like a mask, and a few numbers to compare photos by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.images.decode import MAX_PIXELS, DecodedImage, decode
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
_BLACK = 2
_BLOCK = 512


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


@dataclass(frozen=True, slots=True)
class ToneSplit:
    """Two tones of a flat picture: ``edges`` between them in sides of the picture, ``rarer`` the share of the rarer.

    A mask has few edges, a board with its tracks many.
    """

    edges: float = 0.0
    rarer: float = 0.0


NO_TONES = ToneSplit()
"""Of a picture that is not flat."""


def tone_split(pixels: Image) -> ToneSplit:
    """Split uint8 (H, W, 3) halfway between its darkest and its brightest pixel."""
    grey = pixels.max(axis=2)
    bright = grey > (int(grey.min()) + int(grey.max())) / 2
    steps = np.count_nonzero(bright[1:] != bright[:-1]) + np.count_nonzero(bright[:, 1:] != bright[:, :-1])
    share = float(bright.mean())
    return ToneSplit(steps / float(np.sqrt(bright.size)), min(share, 1 - share))


def thumbprint(pixels: Image) -> npt.NDArray[np.uint8]:
    """uint8 (16 * 16 * 3,): the photo in very small, to see which photos are unlike the others."""
    return np.ascontiguousarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)).reshape(-1)


@dataclass(frozen=True, slots=True)
class Look:
    """One photo at a glance. ``depth`` is the number type and range of a photo with more than 8 bits.

    ``size`` is (H, W) in pixels; of a large JPEG it may be up to seven too high. ``tones`` are told of flat ones.
    """

    flat: bool
    print: npt.NDArray[np.uint8]
    depth: tuple[str, DepthRange] | None = None
    size: tuple[int, int] = (0, 0)
    tones: ToneSplit = NO_TONES

    @property
    def black(self) -> bool:
        """Whether nothing is drawn on it, were it a mask."""
        return self.flat and int(self.print.max()) < _BLACK


def look_at(data: bytes, name: str, decoded: DecodedImage | None = None) -> Look:
    """See what a photo's bytes look like; ``decoded`` is what they hold, where that is known. ImageError as in read.

    A large JPEG is looked at in an eighth of its size, whether it is decoded or not, so that both looks are alike.
    """
    if data[:3] == b"\xff\xd8\xff" and len(data) > _LARGE_JPEG:
        small = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_COLOR_8)
        if small is not None and min(small.shape[:2]) >= SIDE:
            pixels = np.ascontiguousarray(small[..., ::-1])
            return _look(pixels, size=(8 * small.shape[0], 8 * small.shape[1]))
    colour = (decoded or decode(data, name, MAX_PIXELS)).colour
    depth = (colour.dtype.name, range_of(colour, name)) if is_deep(colour) else None
    pixels, _ = to_8_bit(colour, name)
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    return _look(rgb, (rgb.shape[0], rgb.shape[1]), depth)


def _look(pixels: Image, size: tuple[int, int], depth: tuple[str, DepthRange] | None = None) -> Look:
    flat = is_flat(pixels)
    return Look(flat, thumbprint(pixels), depth, size, tone_split(pixels) if flat else NO_TONES)


def unlike_the_others(prints: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.bool_]:
    """bool (N,): photos that differ from all others beyond the spread of the set; ``prints`` are N of uint8 (D,).

    The distance to the third nearest is compared with that of the others. A set in which many are far from the rest is
    a mixed set, and nothing in it is odd.
    """
    n = len(prints)
    odd = np.zeros(n, np.bool_)
    if n < MIN_SET:
        return odd
    near = np.concatenate([_third_nearest(prints[start : start + _BLOCK], prints) for start in range(0, n, _BLOCK)])
    near /= np.sqrt(len(prints[0]))
    median = float(np.median(near))
    spread = float(np.median(np.abs(near - median)))
    odd = near > max(4 * median, median + 12 * spread, MIN_APART)
    return odd if odd.sum() <= max(2, n // 20) else np.zeros(n, np.bool_)


def _third_nearest(
    block: Sequence[npt.NDArray[np.uint8]], prints: Sequence[npt.NDArray[np.uint8]]
) -> npt.NDArray[np.float32]:
    """float32 (B,): how far the third nearest of ``prints`` but itself is; only few are held at once a second time."""
    mine = np.stack(block).astype(np.float32)
    nearest = np.full((len(block), 4), np.inf, np.float32)
    for start in range(0, len(prints), 4 * _BLOCK):
        others = np.stack(prints[start : start + 4 * _BLOCK]).astype(np.float32)
        apart = (mine**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * mine @ others.T
        nearest = np.partition(np.concatenate([nearest, apart], axis=1), 3, axis=1)[:, :4]
    return np.sqrt(np.maximum(nearest[:, 3], 0))
