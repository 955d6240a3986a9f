"""Which shift fills which pixel of a hole."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.images.offsets import Offsets
from core.images.poisson import Field
from core.types import Mask

Labels = npt.NDArray[np.intp]
"""(h, w): the index of a pixel's offset, -1 where it has none."""

_ROUNDS = 6
_LAST_WINDOW = 7
_COHERENCE = 0.5
_CLIP = 60.0**2
"""A difference above this counts no more: an edge out of place is bad, however strong it is."""
_FILLED_WEIGHT = 0.5
_LEAST_SHARE = 0.02
_SEAM_WINDOW = 9
_WIDE_SHARE = 0.25
_LEAST_TYPICAL = 5.0**2
_TASTE = 3.0**2
_TILE_PRICE = 20.0**2


def choose_labels(
    image: Field,
    hole: Mask,
    known: Mask,
    sources: Mask,
    strange: Field,
    offsets: Offsets,
    matched: int,
    rng: np.random.Generator,
) -> Labels:
    """For every pixel of ``hole`` the offset under which its neighbourhood fits best; -1 elsewhere.

    Starts from what the rim says in windows wider than the hole, fills by copying, and repeats with ever
    smaller windows on the filled picture (the coarse-to-fine completion of Wexler, Shechtman and Irani 2007, over a
    short list of offsets instead of all patches). Offsets that win little are given up on the way, so few
    large pieces remain. The offsets after the first ``matched`` fit nowhere in particular and are a last resort.
    ``rng`` breaks ties.
    """
    reach = cv2.distanceTransform(np.pad(hole, 1).view(np.uint8), cv2.DIST_L2, 3).max()
    windows = np.geomspace(2 * reach + _LAST_WINDOW, _LAST_WINDOW, _ROUNDS).astype(int) | 1
    area = _around(hole, int(windows[0]) // 2)
    filled, inside = image[area].copy(), hole[area]
    shifted, prior = _shift_all(image, sources, strange, offsets, area)
    prior += rng.uniform(0.0, _TASTE, (len(offsets), 1, 1)).astype(np.float32)
    prior[matched:] += _TILE_PRICE
    weight = known[area].astype(np.float32)
    names, labels = np.arange(len(offsets)), np.full(inside.shape, -1)
    for turn, window in enumerate(windows):
        cost = _costs(filled, weight, shifted, prior, int(window))
        if turn:
            _favour_current(cost, labels, inside)
        else:
            # What fits the rim all around keeps an advantage over pieces that each fit one side only.
            prior += np.float32(_WIDE_SHARE) * cost
        labels = _cheapest(cost, inside)
        shares = np.bincount(labels[inside] + 1, minlength=len(names) + 1)[1:] / inside.sum()
        keep = shares >= (_LEAST_SHARE if turn else _LEAST_SHARE / 4)
        if turn < _ROUNDS - 1 and keep.any() and not keep.all():
            shifted, prior, names, cost = shifted[keep], prior[keep], names[keep], cost[keep]
            labels = _cheapest(cost, inside)
        ys, xs = np.nonzero(labels >= 0)
        filled[ys, xs] = shifted[labels[ys, xs], ys, xs]
        weight[ys, xs] = _FILLED_WEIGHT
    out = np.full(hole.shape, -1)
    out[area] = np.where(labels >= 0, names[labels], -1)
    return out


def polish_labels(image: Field, hole: Mask, known: Mask, sources: Mask, offsets: Offsets, labels: Labels) -> Labels:
    """``labels`` with their seams moved to where neighbouring pieces agree, at the full resolution."""
    names = np.unique(labels[labels >= 0])
    if len(names) < 2:
        return labels
    area = _around(hole, _SEAM_WINDOW // 2)
    now = np.searchsorted(names, labels[area])
    now[labels[area] < 0] = -1
    filled, weight = image[area].copy(), known[area].astype(np.float32)
    shifted, prior = _shift_all(image, sources, np.zeros(hole.shape, np.float32), offsets[names], area)
    ys, xs = np.nonzero(now >= 0)
    filled[ys, xs] = shifted[now[ys, xs], ys, xs]
    weight[hole[area]] = _FILLED_WEIGHT
    cost = _costs(filled, weight, shifted, prior, _SEAM_WINDOW)
    # A piece far from here has nothing to say here.
    for index in range(len(names)):
        near = cv2.dilate((now == index).view(np.uint8), np.ones((2 * _SEAM_WINDOW + 1,) * 2, np.uint8))
        cost[index][near == 0] = np.inf
    _favour_current(cost, now, hole[area])
    now = _cheapest(cost, hole[area])
    out = np.full(hole.shape, -1)
    out[area] = np.where(now >= 0, names[now], -1)
    return out


def _cheapest(cost: Field, inside: Mask) -> Labels:
    best = cost.argmin(axis=0)
    possible = np.isfinite(np.take_along_axis(cost, best[None], 0)[0])
    return np.where(inside & possible, best, -1)


def _favour_current(cost: Field, labels: Labels, inside: Mask) -> None:
    """Make an offset cheaper where its own piece is near."""
    least = cost.min(axis=0)[inside]
    least = least[np.isfinite(least)]
    typical = max(float(np.median(least)), _LEAST_TYPICAL) if least.size else 0.0
    for index in np.unique(labels[labels >= 0]):
        share = cv2.blur((labels == index).astype(np.float32), (_LAST_WINDOW, _LAST_WINDOW))
        cost[index] -= np.float32(_COHERENCE * typical) * share


def _around(hole: Mask, margin: int) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    return (
        slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + 1 + margin),
        slice(max(int(columns[0]) - margin, 0), int(columns[-1]) + 1 + margin),
    )


def _shift_all(
    image: Field, sources: Mask, strange: Field, offsets: Offsets, area: tuple[slice, slice]
) -> tuple[Field, Field]:
    """``area`` seen through each offset, (K, h, w, c), and what copying from there costs, infinite where forbidden."""
    height, width = sources.shape
    top, left = area[0].start, area[1].start
    bottom, right = min(area[0].stop, height), min(area[1].stop, width)
    shifted = np.zeros((len(offsets), bottom - top, right - left, image.shape[2]), np.float32)
    prior = np.full(shifted.shape[:3], np.inf, np.float32)
    allowed = np.where(sources, strange, np.float32(np.inf))
    for index, (dy, dx) in enumerate(offsets):
        y0, y1 = max(top, -dy), min(bottom, height - dy)
        x0, x1 = max(left, -dx), min(right, width - dx)
        if y0 < y1 and x0 < x1:
            here = (index, slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
            there = (slice(y0 + dy, y1 + dy), slice(x0 + dx, x1 + dx))
            shifted[here], prior[here] = image[there], allowed[there]
    return shifted, prior


def _costs(filled: Field, weight: Field, shifted: Field, prior: Field, window: int) -> Field:
    """Mean squared difference in a window around each pixel, plus the price of its source, (K, h, w)."""
    total = cv2.blur(weight, (window, window), borderType=cv2.BORDER_CONSTANT) + 1e-6
    out = np.empty_like(prior)
    for index in range(len(prior)):
        difference = filled - shifted[index]
        squared = np.einsum("ijc,ijc->ij", difference, difference) / np.float32(filled.shape[2])
        np.minimum(squared, _CLIP, out=squared, where=True)
        squared[np.isinf(prior[index])] = _CLIP
        squared *= weight
        out[index] = cv2.blur(squared, (window, window), borderType=cv2.BORDER_CONSTANT) / total
    out += prior
    return out
