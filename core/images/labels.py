"""Which shift fills which pixel of a hole."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.images.offsets import Offsets
from core.images.poisson import Field
from core.types import Mask

Labels = npt.NDArray[np.int64]
"""(h, w): the index of a pixel's offset, -1 where it has none."""

_ROUNDS = 6
_LAST_WINDOW = 7
_COHERENCE = 0.3
_CLIP = 60.0**2


def choose_labels(image: Field, hole: Mask, sources: Mask, offsets: Offsets, rng: np.random.Generator) -> Labels:
    """For every pixel of ``hole`` the offset under which its neighbourhood fits best; -1 elsewhere.

    Starts from what the rim says in windows as wide as the hole, fills by copying, and repeats with ever smaller
    windows on the filled picture (the coarse-to-fine completion of Wexler, Shechtman and Irani 2007, over a
    short list of offsets instead of all patches). ``rng`` breaks ties.
    """
    height, width = hole.shape
    reach = cv2.distanceTransform(np.pad(hole, 1).view(np.uint8), cv2.DIST_L2, 3).max()
    shifted, valid = _shift_all(image, sources, offsets)
    taste = rng.uniform(1.0, 1.1, len(offsets)).astype(np.float32)
    filled, weight = image.copy(), (~hole).astype(np.float32)
    labels = np.full((height, width), -1)
    windows = np.geomspace(2 * reach + _LAST_WINDOW, _LAST_WINDOW, _ROUNDS).astype(int) | 1
    for window in windows:
        cost = _costs(filled, weight, shifted, valid, int(window)) * taste[:, None, None]
        if labels.max() >= 0:
            typical = float(np.median(cost.min(axis=0)[hole]))
            for index in np.unique(labels[hole]):
                if index >= 0:
                    share = cv2.blur((labels == index).astype(np.float32), (_LAST_WINDOW, _LAST_WINDOW))
                    cost[index] -= _COHERENCE * typical * share
        best = cost.argmin(axis=0)
        covered = hole & np.isfinite(np.take_along_axis(cost, best[None], 0)[0])
        labels = np.where(covered, best, -1)
        ys, xs = np.nonzero(covered)
        filled[ys, xs] = shifted[labels[ys, xs], ys, xs]
        weight[ys, xs] = 0.5
    return labels


def _shift_all(image: Field, sources: Mask, offsets: Offsets) -> tuple[Field, npt.NDArray[np.bool_]]:
    """For each offset the picture seen through it, (K, h, w, c), and where that is a source, (K, h, w)."""
    height, width = sources.shape
    shifted = np.zeros((len(offsets), *image.shape), np.float32)
    valid = np.zeros((len(offsets), height, width), np.bool_)
    for index, (dy, dx) in enumerate(offsets):
        y0, y1, x0, x1 = max(0, -dy), min(height, height - dy), max(0, -dx), min(width, width - dx)
        if y0 < y1 and x0 < x1:
            shifted[index, y0:y1, x0:x1] = image[y0 + dy : y1 + dy, x0 + dx : x1 + dx]
            valid[index, y0:y1, x0:x1] = sources[y0 + dy : y1 + dy, x0 + dx : x1 + dx]
    return shifted, valid


def _costs(filled: Field, weight: Field, shifted: Field, valid: npt.NDArray[np.bool_], window: int) -> Field:
    """Mean squared difference in a window around each pixel, (K, h, w); infinite where an offset has no source."""
    total = cv2.blur(weight, (window, window), borderType=cv2.BORDER_CONSTANT)
    out = np.empty(valid.shape, np.float32)
    for index in range(len(valid)):
        difference = filled - shifted[index]
        squared = np.einsum("ijc,ijc->ij", difference, difference)
        squared = np.where(valid[index], np.minimum(squared, _CLIP), _CLIP) * weight
        out[index] = cv2.blur(squared, (window, window), borderType=cv2.BORDER_CONSTANT) / (total + 1e-6)
    out[~valid] = np.inf
    return out
