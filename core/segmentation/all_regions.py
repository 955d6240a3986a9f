"""All components of a photo at once: click everywhere that could be one, keep what stands out, drop the doubles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from core.progress import Steps
from core.segmentation.mask_scoring import (
    FEATURES,
    MaskGuess,
    add_agreement,
    confidence,
    guesses_from_views,
    mask_score,
)
from core.segmentation.proposals import propose_masks
from core.segmentation.refinement import draw_on_photo
from core.segmentation.segmenter import Cancel, MaskCandidate, raise_if_cancelled
from core.segmentation.view_pyramid import ImagePyramid, PyramidView, project_mask
from core.types import Mask

_OVERVIEW = 256
_GRID = 88
_SEEDS = 70
_ACROSS = 10
"""Places of a grid along the photo's longer side."""
_PLAIN = 2.0
"""Spread of the levels, in 1/255, below which there is nothing to see at such a place."""
_APART = FEATURES.index("apart")
_FRAME = FEATURES.index("frame")
_EDGE = FEATURES.index("edge")
_SOLID = FEATURES.index("solid")
_MIN_SCORE = 9.0
_MIN_SHARE = 8e-4
_SAME_NEARNESS = 0.6


class RegionProposer(Protocol):
    """A prepared photo."""

    pyramid: ImagePyramid


@dataclass(frozen=True)
class RegionSeed:
    """A place that may be a region's, in photo pixels, and how far the flat area about it reaches."""

    x: float
    y: float
    extent: float


SeedPredictor = Callable[[RegionSeed], tuple[list[MaskGuess], npt.NDArray[np.float64]]]
"""In place of the classic guesses: from a seed to guesses and their worth on the scale of ``mask_score``."""


def all_regions(
    photo: RegionProposer,
    progress: Steps | None = None,
    cancelled: Cancel | None = None,
    hear: SeedPredictor | None = None,
    least: float = _MIN_SCORE,
) -> list[MaskCandidate]:
    """Regions of at least the worth ``least`` that stand out, largest first; none for a plain surface."""
    pyramid = photo.pyramid
    height, width = pyramid.shape
    overview = pyramid.window(0, 0, width, height, _OVERVIEW)
    seeds = _seeds(overview) + (_grid_seeds(overview) if hear is not None else [])
    taken = np.zeros(overview.shape, np.bool_)
    found: list[tuple[MaskGuess, float]] = []
    for done, seed in enumerate(seeds):
        raise_if_cancelled(cancelled)
        if progress is not None:
            progress(done, len(seeds))
        column, row = overview.to_view(seed.x, seed.y)
        if taken[row, column]:
            continue
        for guess, value in _best_guesses(pyramid, seed, hear, least):
            found.append((guess, value))
            taken |= _on(overview, guess)
    kept = _distinct(found)
    out = [_candidate(pyramid, guess, value) for guess, value in kept]
    if progress is not None:
        progress(len(seeds), len(seeds))
    return sorted((c for c in out if c.area), key=lambda c: -c.area)


def _candidate(pyramid: ImagePyramid, guess: MaskGuess, value: float) -> MaskCandidate:
    part, corner = draw_on_photo(pyramid, guess)
    return MaskCandidate(part, float(confidence(np.array([value]))[0]), corner, pyramid.shape)


def _seeds(overview: PyramidView) -> list[RegionSeed]:
    """Deepest points of the flat areas of the overview, largest area first."""
    seeds: list[RegionSeed] = []
    for factor in (1.5, 3.0):
        flat = (overview.gradient < factor * overview.texture).astype(np.uint8)
        flat = cv2.morphologyEx(flat, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
        depth = cv2.distanceTransform(np.pad(flat, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
        count, labels, stats, _ = cv2.connectedComponentsWithStats(flat, connectivity=4)
        order = np.argsort(-stats[1:, cv2.CC_STAT_AREA]) + 1
        for k in order[:_SEEDS]:
            x, y, w, h, area = (int(v) for v in stats[k])
            if area < 12:
                break
            own = np.where(labels[y : y + h, x : x + w] == k, depth[y : y + h, x : x + w], 0)
            r, c = np.unravel_index(int(own.argmax()), own.shape)
            z = overview.zoom
            px, py = overview.x0 + (x + int(c) + 0.5) / z, overview.y0 + (y + int(r) + 0.5) / z
            seeds.append(RegionSeed(px, py, max(w, h) / z))
        del count
    seeds.sort(key=lambda s: s.extent)
    return seeds[:_SEEDS]


def _grid_seeds(overview: PyramidView) -> list[RegionSeed]:
    """Places all over the photo where there is something to see: parts without any flat area have no other seed."""
    h, w = overview.shape
    step = max(h, w) / _ACROSS
    z = overview.zoom
    seeds: list[RegionSeed] = []
    for row in np.arange(step / 2, h, step):
        for column in np.arange(step / 2, w, step):
            y, x = (max(int(at - step / 2), 0) for at in (row, column))
            cell = overview.lab[y : y + int(step) + 1, x : x + int(step) + 1]
            if cell.std(axis=(0, 1)).max() > _PLAIN:
                seeds.append(RegionSeed(overview.x0 + column / z, overview.y0 + row / z, step / z))
    return seeds


def _best_guesses(
    pyramid: ImagePyramid, seed: RegionSeed, hear: SeedPredictor | None, least: float
) -> list[tuple[MaskGuess, float]]:
    """The best things the seed may lie in, if any stands out."""
    height, width = pyramid.shape
    guesses, values = hear(seed) if hear is not None else _classic_guesses(pyramid, seed)
    out: list[tuple[MaskGuess, float]] = []
    for k in np.argsort(-values, kind="stable"):
        guess = guesses[int(k)]
        if values[k] < least or len(out) == 1:
            break
        f = guess.features
        share = guess.area / (height * width)
        # A network's guess may be open or hardly unlike the ground: it was judged by more than these.
        weak = guess.probability is None and (f[_APART] < 0.45 or f[_EDGE] < 0.4 or f[_SOLID] < 0.62)
        if weak or f[_FRAME] > 0.02 or not _MIN_SHARE < share < 0.5:
            continue
        out.append((guess, float(values[k])))
    return out


def _classic_guesses(pyramid: ImagePyramid, seed: RegionSeed) -> tuple[list[MaskGuess], npt.NDArray[np.float64]]:
    height, width = pyramid.shape
    raw: list[tuple[PyramidView, Mask]] = []
    for side in sorted({min(max(f * seed.extent, 48.0), 1.6 * max(height, width)) for f in (2.5, 5.0, 10.0)})[::-1]:
        view = pyramid.square_view(seed.x, seed.y, side, _GRID)
        raw += [(view, m) for m in propose_masks(view, seed.x, seed.y)]
    if not raw:
        return [], np.zeros(0)
    guesses = guesses_from_views(raw, height * width, seed.x, seed.y)
    return guesses, mask_score(guesses)


def _on(overview: PyramidView, guess: MaskGuess) -> Mask:
    return project_mask(guess.mask, guess.view, overview)


def _distinct(found: list[tuple[MaskGuess, float]]) -> list[tuple[MaskGuess, float]]:
    """Best of each group of near-equal guesses (by box and area)."""
    if not found:
        return []
    found = sorted(found, key=lambda pair: -pair[1])
    near = add_agreement([g for g, _ in found])
    kept: list[int] = []
    for k in range(len(found)):
        if not kept or near[k, kept].max() < _SAME_NEARNESS:
            kept.append(k)
    return [found[k] for k in kept]
