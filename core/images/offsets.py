"""Where a photo repeats itself: the shifts under which the surroundings of a hole look like another place."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import scipy.fft

from core.images.poisson import Field
from core.types import Mask

Offsets = npt.NDArray[np.int64]
"""(K, 2) rows and columns: pixel p is copied from p + offset."""

_POINTS = 12
_PER_POINT = 4
_WHOLE = 8


def candidate_offsets(image: Field, hole: Mask, sources: Mask, window: int) -> Offsets:
    """Shifts that are likely to continue the surface into ``hole``, best of each place first.

    ``image`` is float32 (h, w, c), ``sources`` the pixels that may be copied. The rim as a whole and windows of
    ``window`` pixels around points of the rim are matched against every position (as the dominant offsets
    of He and Sun 2012, but found where they are needed). Shifts shorter than half a window are left out: they only
    smear the rim.
    """
    known = ~hole
    found = [_matches(image, known, sources, _rim_box(hole, max(3, window // 3)), _WHOLE, hole)]
    height, width = hole.shape
    window = min(window, height, width)
    for y, x in _rim_points(hole, _POINTS):
        top = min(max(y - window // 2, 0), height - window)
        left = min(max(x - window // 2, 0), width - window)
        found.append(_matches(image, known, sources, (top, left, top + window, left + window), _PER_POINT, None))
    offsets = np.concatenate(found)
    far = np.abs(offsets).max(axis=1) >= max(4, window // 2)
    unique, first = np.unique(offsets[far], axis=0, return_index=True)
    return unique[np.argsort(first)]


def _rim_points(hole: Mask, count: int) -> list[tuple[int, int]]:
    contours, _ = cv2.findContours(hole.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    line = np.concatenate([c[:, 0, ::-1] for c in contours])
    inner = (line > 0).all(axis=1) & (line < np.array(hole.shape) - 1).all(axis=1)
    line = line[inner] if inner.any() else line
    chosen = np.unique(np.linspace(0, len(line), count, endpoint=False).astype(int))
    return [(int(y), int(x)) for y, x in line[chosen]]


def _rim_box(hole: Mask, width: int) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    return (
        max(int(rows[0]) - width, 0),
        max(int(columns[0]) - width, 0),
        min(int(rows[-1]) + 1 + width, hole.shape[0]),
        min(int(columns[-1]) + 1 + width, hole.shape[1]),
    )


def _matches(
    image: Field, known: Mask, sources: Mask, box: tuple[int, int, int, int], count: int, must: Mask | None
) -> Offsets:
    """The ``count`` best places for the known pixels of ``box``, apart from one another, as offsets.

    All of the box, or its pixels in ``must``, should come from ``sources``; what does not costs as much as a
    difference of the image's own spread.
    """
    top, left, bottom, right = box
    size = (bottom - top, right - left)
    shown = known[top:bottom, left:right].astype(np.float32)
    needed = np.ones(size, np.float32) if must is None else must[top:bottom, left:right].astype(np.float32)
    usable = sources.astype(np.float32)
    template = image[top:bottom, left:right] * shown[..., None]
    masked = image * usable[..., None]
    energy = np.einsum("ijc,ijc->ij", masked, masked)
    pairs = [(template[..., c], masked[..., c], -2.0) for c in range(image.shape[2])]
    pairs.append((shown, energy, 1.0))
    spread = float(energy.sum() / max(usable.sum(), 1))
    pairs.append((needed, 1 - usable, 4 * spread * shown.sum() / max(needed.sum(), 1)))
    score = _correlate(pairs, image.shape[:2])[: image.shape[0] - size[0] + 1, : image.shape[1] - size[1] + 1]
    return _lowest(score, count, max(2, min(size) // 8)) - np.array((top, left))


def _correlate(pairs: list[tuple[Field, Field, float]], shape: tuple[int, ...]) -> Field:
    """The weighted sum of cross-correlations; entry (y, x) has the template's corner at (y, x)."""
    fast = tuple(scipy.fft.next_fast_len(n, real=True) for n in shape[:2])
    total = 0
    for template, image, weight in pairs:
        spectrum = np.conj(scipy.fft.rfft2(template * np.float32(weight), fast))
        total = total + spectrum * scipy.fft.rfft2(image, fast)
    out: Field = scipy.fft.irfft2(total, fast)
    return out


def _lowest(score: Field, count: int, apart: int) -> Offsets:
    """Positions of the lowest scores, each the lowest within ``apart`` pixels."""
    floor = cv2.erode(score, np.ones((2 * apart + 1, 2 * apart + 1), np.uint8))
    ys, xs = np.nonzero(score <= floor)
    order = np.argsort(score[ys, xs], kind="stable")[:count]
    return np.stack([ys[order], xs[order]], axis=1)
