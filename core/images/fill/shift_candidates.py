"""Where a photo repeats itself: the shifts under which the surroundings of a hole look like another place."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.images.geometry import dilated_square
from core.images.poisson_equation import Field
from core.types import Mask

Offsets = npt.NDArray[np.intp]
"""(K, 2) rows and columns: pixel p is copied from p + offset."""
Box = tuple[int, int, int, int]

_FORBIDDEN = 150.0**2
"""What a pixel that must not be copied costs, as a squared difference of grey levels."""
_FAMILIAR = 20.0**2
_RARE = 0.1
_RARE_PRICE = 30.0**2
_RIM_SAMPLES = 64
_BLOBS, _TILES = 6, 5


def rim_dissimilarity(image: Field, hole: Mask, sources: Mask) -> Field:
    """How unlike the hole's rim each pixel looks, float32 (h, w), squared grey levels; 0 if familiar.

    The surface must go on, not another component: what the rim does not show is not to be copied, however
    well its own surroundings match, and what it shows on less than a tenth of its length only at a price.
    ``image`` is float32 (h, w, c).
    """
    sure = sources.astype(np.float32)
    spread = cv2.blur(image * sure[..., None], (5, 5)).reshape(image.shape)
    spread /= np.maximum(cv2.blur(sure, (5, 5)), 1e-3)[..., None]
    # A median, unlike a mean, makes no third colour along the edge of two familiar ones.
    smooth = cv2.medianBlur(np.where(sources[..., None], image, spread), 5).reshape(image.shape)
    rim = dilated_square(hole, 2) & sources
    seen = smooth[rim] if rim.any() else smooth[sources]
    seen = seen[:: max(1, len(seen) // _RIM_SAMPLES)]
    coarse = smooth[::2, ::2]
    points = coarse.reshape(-1, image.shape[2])
    squares = np.einsum("ij,ij->i", points, points)[:, None] + np.einsum("ij,ij->i", seen, seen)
    distances = np.maximum(squares - 2 * points @ seen.T, 0).reshape(*coarse.shape[:2], -1) / image.shape[2]
    nearest, alike = distances.min(axis=2), (distances < _FAMILIAR).mean(axis=2, dtype=np.float32)
    nearest = np.maximum(nearest - _FAMILIAR, 0) + _RARE_PRICE * np.maximum(1 - alike / _RARE, 0)
    out: Field = cv2.resize(nearest, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    return out


def candidate_offsets(image: Field, hole: Mask, known: Mask, sources: Mask, strange: Field) -> tuple[Offsets, int]:
    """Shifts that are likely to continue the surface into ``hole``, and how many of them, the first, match the rim.

    ``image`` is float32 (h, w, c), ``known`` the pixels to match, ``sources`` those that may be copied,
    ``strange`` as above. The rim as a
    whole, and windows around points of it, as wide as the hole and smaller, are matched against every
    position (the dominant offsets of He and Sun 2012, but sought where they are needed). Shifts of a few pixels
    are left out: they only smear the rim.
    """
    search = _TemplateMatcher(image.mean(axis=2), known, np.where(sources, strange, np.float32(_FORBIDDEN)))
    reach = float(cv2.distanceTransform(np.pad(hole, 1).view(np.uint8), cv2.DIST_L2, 3).max())
    found = [search.matches(_rim_box(hole, 6), 6, hole)]
    for window, points, count in ((int(2.5 * reach), 5, 3), (int(1.2 * reach), 7, 3)):
        side = min(max(window, 9), *hole.shape)
        for y, x in _rim_points(hole, points):
            top = min(max(y - side // 2, 0), hole.shape[0] - side)
            left = min(max(x - side // 2, 0), hole.shape[1] - side)
            found.append(search.matches((top, left, top + side, left + side), count, None))
    matched = _distinct(np.concatenate(found), max(4, int(reach / 2)))
    tiles = _distinct(_tiles(hole, sources & (strange < _RARE_PRICE / 4)), 4)
    return np.concatenate([matched, tiles]), len(matched)


class _TemplateMatcher:
    """One picture's spectra, computed once; many windows matched against it."""

    def __init__(self, grey: Field, known: Mask, penalty: Field) -> None:
        import scipy.fft  # here, because the page is up sooner without it

        self.fft = scipy.fft
        self.grey = grey - grey[known].mean()
        self.known = known.astype(np.float32)
        self.fast = tuple(self.fft.next_fast_len(n, real=True) for n in grey.shape)
        usable = self.grey * self.known
        self.spectra = [self.fft.rfft2(field, self.fast) for field in (usable, usable * usable, penalty)]

    def matches(self, box: Box, count: int, needed: Mask | None) -> Offsets:
        """The ``count`` best places, apart from one another, for the known pixels of ``box``, as offsets.

        All of the box, or its pixels in ``needed``, pay the penalty of where they come from.
        """
        top, left, bottom, right = box
        part = (slice(top, bottom), slice(left, right))
        shown = self.known[part]
        paying = np.ones_like(shown) if needed is None else needed[part].astype(np.float32)
        paying *= np.float32(max(shown.sum(), 1) / max(paying.sum(), 1))
        total = 0
        for field, spectrum in zip((-2 * self.grey[part] * shown, shown, paying), self.spectra, strict=True):
            total = total + np.conj(self.fft.rfft2(field, self.fast)) * spectrum
        score = self.fft.irfft2(total, self.fast)
        height, width = shown.shape
        score = score[: self.grey.shape[0] - height + 1, : self.grey.shape[1] - width + 1]
        places = _lowest(np.ascontiguousarray(score), count, max(2, min(height, width) // 8))
        offsets: Offsets = places - np.array((top, left), np.intp)
        return offsets


def _tiles(hole: Mask, familiar: Mask) -> Offsets:
    """Offsets that lay the widest familiar places over the hole, for when no window of the rim has a match."""
    free = cv2.distanceTransform(np.pad(familiar, 1).view(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    places = _lowest(-free, _BLOBS, 6)
    deep = cv2.distanceTransform(np.pad(hole, 1).view(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    targets = []
    for _ in range(_TILES):
        y, x = (int(v) for v in np.unravel_index(int(deep.argmax()), deep.shape))
        targets.append((y, x))
        radius = max(3, int(deep[y, x] * 0.7))
        cv2.circle(deep, (x, y), radius, 0, -1)
    offsets: Offsets = (places[:, None] - np.array(targets, np.intp)[None]).reshape(-1, 2)
    return offsets


def _distinct(offsets: Offsets, least: int) -> Offsets:
    """``offsets`` of at least ``least`` pixels, each once, in their order."""
    offsets = offsets[np.abs(offsets).max(axis=1) >= least]
    _, first = np.unique(offsets, axis=0, return_index=True)
    return offsets[np.sort(first)]


def _lowest(score: Field, count: int, apart: int) -> Offsets:
    """Positions of the lowest scores, each the lowest within ``apart`` pixels."""
    floor = cv2.erode(score, np.ones((2 * apart + 1, 2 * apart + 1), np.uint8))
    ys, xs = np.nonzero(score <= floor)
    order = np.argsort(score[ys, xs], kind="stable")[:count]
    return np.stack([ys[order], xs[order]], axis=1).astype(np.intp)


def _rim_points(hole: Mask, count: int) -> list[tuple[int, int]]:
    contours, _ = cv2.findContours(hole.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    line = np.concatenate([c[:, 0, ::-1] for c in contours])
    inner = (line > 0).all(axis=1) & (line < np.array(hole.shape) - 1).all(axis=1)
    line = line[inner] if inner.any() else line
    chosen = np.unique(np.linspace(0, len(line), count, endpoint=False).astype(int))
    return [(int(y), int(x)) for y, x in line[chosen]]


def _rim_box(hole: Mask, width: int) -> Box:
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    return (
        max(int(rows[0]) - width, 0),
        max(int(columns[0]) - width, 0),
        min(int(rows[-1]) + 1 + width, hole.shape[0]),
        min(int(columns[-1]) + 1 + width, hole.shape[1]),
    )
