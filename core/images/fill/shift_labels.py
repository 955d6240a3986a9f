"""Which shift fills which pixel of a hole."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.images.fill.shift_candidates import Offsets
from core.images.geometry import dilated_square
from core.images.poisson_equation import Field
from core.types import Mask

Labels = npt.NDArray[np.intp]
"""(h, w): the index of a pixel's offset, -1 where it has none."""

_ROUNDS = 6
_WIDE_ROUNDS = 3
_WIDE_FROM = 17
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
    windows = (np.geomspace(2 * reach + _LAST_WINDOW, _LAST_WINDOW, _ROUNDS).astype(int) | 1).tolist()
    taste = rng.uniform(0.0, _TASTE, len(offsets)).astype(np.float32)
    taste[matched:] += _TILE_PRICE
    # Wide windows need not see every pixel.
    every = 2 if windows[_WIDE_ROUNDS - 1] >= _WIDE_FROM else 1
    pictures = (image, hole, known, np.where(sources, strange, np.float32(np.inf)))
    state = _LabelState(pictures, offsets, taste, windows[0], every)
    for window in windows[:_WIDE_ROUNDS]:
        state.choose(window, last=False)
    if every > 1:
        state = _LabelState(pictures, offsets, taste, windows[_WIDE_ROUNDS], 1, state)
    for window in windows[_WIDE_ROUNDS:]:
        state.choose(window, last=window == windows[-1])
    out = np.full(hole.shape, -1)
    out[state.area] = np.where(state.labels >= 0, state.names[state.labels], -1)
    return out


class _LabelState:
    """Which offsets are left, and which of them each pixel near the hole has, on every n-th row and column."""

    def __init__(
        self,
        pictures: tuple[Field, Mask, Mask, Field],
        offsets: Offsets,
        taste: Field,
        window: int,
        every: int,
        before: _LabelState | None = None,
    ) -> None:
        image, hole, known, allowed = pictures
        self.area, self.every = _around(hole, window // 2, every), every
        self.names: Labels = np.arange(len(offsets)) if before is None else before.names
        self.filled, self.inside = image[self.area].copy(), hole[self.area]
        self.weight = known[self.area].astype(np.float32)
        self.shifted, self.prior = _shift_all(image, allowed, offsets[self.names], self.area)
        self.prior += taste[self.names, None, None]
        self.labels, self.begun = np.full(self.inside.shape, -1), False
        if before is not None:
            self._take_over(before, hole.shape)

    def _take_over(self, before: _LabelState, shape: tuple[int, ...]) -> None:
        whole, advantage = np.full(shape, -1), np.zeros((len(self.names), *shape), np.float32)
        (rows, columns), n = before.area, before.every
        space = whole[rows.start : rows.stop, columns.start : columns.stop].shape
        wide = before.labels.repeat(n, 0).repeat(n, 1)[: space[0], : space[1]]
        whole[rows.start : rows.stop, columns.start : columns.stop] = wide
        for index, layer in enumerate(before.advantage):
            advantage[index, rows.start : rows.stop, columns.start : columns.stop] = cv2.resize(
                layer, None, fx=n, fy=n, interpolation=cv2.INTER_NEAREST
            )[: space[0], : space[1]]
        self.labels = np.where(self.inside, whole[self.area], -1)
        self.prior += advantage[:, self.area[0], self.area[1]]
        self.begun = True
        self._fill()

    def choose(self, window: int, last: bool) -> None:
        """One round: every pixel takes the offset that fits best in a window around it."""
        cost = _costs(self.filled, self.weight, self.shifted, self.prior, (window // self.every) | 1)
        if self.begun:
            _favour_current(cost, self.labels, self.inside)
        else:
            # What fits the rim all around keeps an advantage over pieces that each fit one side only.
            self.advantage = np.float32(_WIDE_SHARE) * np.where(np.isfinite(cost), cost, 0)
            self.prior += self.advantage
        self.labels = _cheapest(cost, self.inside)
        shares = np.bincount(self.labels[self.inside] + 1, minlength=len(self.names) + 1)[1:] / self.inside.sum()
        keep = shares >= (_LEAST_SHARE if self.begun else _LEAST_SHARE / 4)
        if not last and keep.any() and not keep.all():
            self.shifted, self.prior, self.names = self.shifted[keep], self.prior[keep], self.names[keep]
            if self.every > 1:
                self.advantage = self.advantage[keep]
            self.labels = _cheapest(cost[keep], self.inside)
        self.begun = True
        self._fill()

    def _fill(self) -> None:
        ys, xs = np.nonzero(self.labels >= 0)
        self.filled[ys, xs] = self.shifted[self.labels[ys, xs], ys, xs]
        self.weight[ys, xs] = _FILLED_WEIGHT


def polish_labels(image: Field, hole: Mask, known: Mask, sources: Mask, offsets: Offsets, labels: Labels) -> Labels:
    """``labels`` with their seams moved to where neighbouring pieces agree, at the full resolution."""
    names = used_labels(labels)
    if len(names) < 2:
        return labels
    area = _around(hole, _SEAM_WINDOW // 2)
    now = np.searchsorted(names, labels[area])
    now[labels[area] < 0] = -1
    weight = known[area].astype(np.float32)
    weight[hole[area]] = _FILLED_WEIGHT
    filled, cost = image[area].copy(), np.full((len(names), *now.shape), np.inf, np.float32)
    free, views = np.where(sources, np.float32(0), np.float32(np.inf)), []
    # A piece far from here has nothing to say here.
    for index, name in enumerate(names):
        piece = now == index
        rows, columns = _around(piece, 2 * _SEAM_WINDOW)
        part = tuple(slice(a.start + b.start, a.start + b.stop) for a, b in zip(area, (rows, columns), strict=True))
        shifted, prior = _shift_all(image, free, offsets[[name]], (part[0], part[1]))
        filled[rows, columns][piece[rows, columns]] = shifted[0][piece[rows, columns]]
        views.append((rows, columns, piece, shifted, prior))
    for index, (rows, columns, piece, shifted, prior) in enumerate(views):
        near = dilated_square(piece[rows, columns], _SEAM_WINDOW)
        own = _costs(filled[rows, columns], weight[rows, columns], shifted, prior, _SEAM_WINDOW)[0]
        cost[index, rows, columns] = np.where(near, own, np.inf)
    _favour_current(cost, now, hole[area])
    now = _cheapest(cost, hole[area])
    out = np.full(hole.shape, -1)
    out[area] = np.where(now >= 0, names[now], -1)
    return out


def used_labels(labels: Labels) -> Labels:
    """The labels that are given to any pixel, in rising order."""
    return np.flatnonzero(np.bincount(labels[labels >= 0]))


def _cheapest(cost: Field, inside: Mask) -> Labels:
    best = cost.argmin(axis=0)
    possible = np.isfinite(np.take_along_axis(cost, best[None], 0)[0])
    return np.where(inside & possible, best, -1)


def _favour_current(cost: Field, labels: Labels, inside: Mask) -> None:
    """Make an offset cheaper where its own piece is near."""
    least = cost.min(axis=0)[inside]
    least = least[np.isfinite(least)]
    typical = max(float(np.median(least)), _LEAST_TYPICAL) if least.size else 0.0
    for index in used_labels(labels):
        share = cv2.blur((labels == index).astype(np.float32), (_LAST_WINDOW, _LAST_WINDOW))
        cost[index] -= np.float32(_COHERENCE * typical) * share


def _around(hole: Mask, margin: int, every: int = 1) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    return (
        slice(max(int(rows[0]) - margin, 0), min(int(rows[-1]) + 1 + margin, hole.shape[0]), every),
        slice(max(int(columns[0]) - margin, 0), min(int(columns[-1]) + 1 + margin, hole.shape[1]), every),
    )


def _shift_all(image: Field, allowed: Field, offsets: Offsets, area: tuple[slice, slice]) -> tuple[Field, Field]:
    """``area`` seen through each offset, (K, h, w, c), what copying from there costs: infinite if not allowed."""
    height, width = allowed.shape
    seen = image[area].shape[:2]
    shifted = np.zeros((len(offsets), *seen, image.shape[2]), np.float32)
    prior = np.full(shifted.shape[:3], np.inf, np.float32)
    for index, (dy, dx) in enumerate(offsets.tolist()):
        rows, columns = _overlap(area[0], dy, height, seen[0]), _overlap(area[1], dx, width, seen[1])
        if rows and columns:
            here, there = (index, rows[0], columns[0]), (rows[1], columns[1])
            shifted[here], prior[here] = image[there], allowed[there]
    return shifted, prior


def _overlap(part: slice, shift: int, limit: int, count: int) -> tuple[slice, slice] | None:
    """Which of the ``count`` places of ``part`` are within 0..limit when shifted, and where they come from."""
    every = part.step or 1
    first = max(0, -(-(-shift - part.start) // every))
    last = min(count, -(-(limit - shift - part.start) // every))
    if first >= last:
        return None
    begin = part.start + first * every + shift
    return slice(first, last), slice(begin, part.start + (last - 1) * every + shift + 1, every)


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
