"""Corrections: what a further click adds to the region so far, or takes from it.

Clicks are taken one after the other, each as a correction of what the ones before it gave: that is what the
person saw when clicking.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from core.images.geometry import dilated_square
from core.segmentation.correction_scoring import CorrectionOption, CorrectionScorer, distance_to_outline
from core.segmentation.mask_scoring import MaskGuess, mask_score, measure_mask
from core.segmentation.proposals import distance_to_model, fill_pinholes, surface_model
from core.segmentation.segmenter import Box, Click, box_mask
from core.segmentation.view_pyramid import ImagePyramid, PyramidView, project_mask, squared
from core.types import Mask

_PIECES = 10
_WHOLES = 5
_GRID = 176


def region_view(
    pyramid: ImagePyramid, region: tuple[float, ...], clicks: Sequence[Click], pieces: Sequence[MaskGuess]
) -> PyramidView:
    """A view that holds the region's box, all clicks and the likely pieces."""
    xs = [region[0], region[2], *(c.x for c in clicks)]
    ys = [region[1], region[3], *(c.y for c in clicks)]
    for guess in pieces[:3]:
        xs += [guess.box[0], guess.box[2]]
        ys += [guess.box[1], guess.box[3]]
    pad = 0.12 * max(max(xs) - min(xs), max(ys) - min(ys)) + 6
    return pyramid.window(min(xs) - pad, min(ys) - pad, max(xs) + pad, max(ys) + pad, _GRID)


def guess_from_mask(pyramid: ImagePyramid, mask: Mask) -> MaskGuess:
    """A photo-sized mask, bool (H, W), as a guess on a view around it."""
    height, width = pyramid.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    view = region_view(pyramid, box, (), ())
    on_view = _to_view(mask, view)
    if not on_view.any():
        on_view[view.to_view((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)[::-1]] = True
    return measure_mask(view, on_view, height * width)


def _to_view(mask: Mask, view: PyramidView) -> Mask:
    h, w = view.shape
    x1, y1 = view.x0 + int(np.ceil(w / view.zoom)), view.y0 + int(np.ceil(h / view.zoom))
    crop = mask[view.y0 : y1, view.x0 : x1].view(np.uint8)
    how = cv2.INTER_AREA if view.zoom < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop, (w, h), interpolation=how) > 0)


def correct(
    pyramid: ImagePyramid,
    so_far: MaskGuess,
    clicks: Sequence[Click],
    pieces: Sequence[MaskGuess],
    wholes: Sequence[MaskGuess],
    box: Box | None,
) -> list[MaskGuess]:
    """``so_far`` after the last of ``clicks`` had its say, best first.

    ``pieces`` are what that click alone may mean, ``wholes`` what the first one may.
    """
    view = region_view(pyramid, so_far.box, clicks, pieces)
    limit = _to_view(box_mask(box, pyramid.shape), view) if box is not None else None
    found = correction_options(view, so_far, clicks, pieces, wholes, limit)
    values = np.stack([o.features for o in found]) @ _WEIGHTS
    height, width = pyramid.shape
    order = [int(k) for k in np.argsort(-values, kind="stable")[:6]]
    out = [measure_mask(view, found[k].mask, height * width) for k in order]
    top = float(mask_score(out[:1])[0])
    return [
        set_score(guess, top + 2 * float(values[k] - values[order[0]])) for guess, k in zip(out, order, strict=True)
    ]


def set_score(guess: MaskGuess, value: float) -> MaskGuess:
    """``guess`` whose worth is ``value``: the options were already judged, with more to go by."""
    guess.features[-1] = 0.0
    guess.features[-1] = (value - float(mask_score([guess])[0])) / float(_AGREE)
    return guess


def correction_options(
    view: PyramidView,
    so_far: MaskGuess,
    clicks: Sequence[Click],
    pieces: Sequence[MaskGuess],
    wholes: Sequence[MaskGuess],
    limit: Mask | None,
) -> list[CorrectionOption]:
    """Every way found to obey all clicks, at least one; masks on ``view``, within ``limit``."""
    click = clicks[-1]
    base = project_mask(so_far.mask, so_far.view, view)
    if limit is not None:
        base &= limit
    at = view.to_view(click.x, click.y)
    candidates = _piece_masks(view, base, clicks, pieces)
    candidates += [(project_mask(g.mask, g.view, view), 0.0, 0.0, 1.0) for g in wholes[:_WHOLES]]
    candidates += [(mask, 0.0, 0.0, 1.0) for mask in _colour_model_masks(view, base, clicks)]
    judge = CorrectionScorer(view, base, at, click.positive)
    out: list[CorrectionOption] = []
    for mask, basin, rank, whole in candidates:
        if limit is not None:
            mask = mask & limit
        if mask.any() and _satisfies_clicks(mask, view, clicks):
            out.append(judge.measured_option(mask, basin, rank, whole))
    if not out:
        blot = _disc(view, at, max(2, int(0.12 * float(np.sqrt(judge.size)))))
        mask = _merge(base, blot, click)
        for c in clicks:
            column, row = view.to_view(c.x, c.y)
            mask[row, column] = c.positive
        if not mask.any():
            mask[at[1], at[0]] = True
        out.append(judge.measured_option(mask, 1.0, 0.0, 0.0))
    return out


def _piece_masks(
    view: PyramidView, base: Mask, clicks: Sequence[Click], pieces: Sequence[MaskGuess]
) -> list[tuple[Mask, float, float, float]]:
    """(result, "basin", "rank", "whole") for every piece that the last click may add or take away."""
    click = clicks[-1]
    at = view.to_view(click.x, click.y)
    others = [view.to_view(c.x, c.y) for c in clicks if c.positive != click.positive]
    friends = [view.to_view(c.x, c.y) for c in clicks if c.positive == click.positive]
    out: list[tuple[Mask, float, float, float]] = []
    for rank, guess in enumerate(pieces[:_PIECES]):
        out.append((_merge(base, project_mask(guess.mask, guess.view, view), click), 0.0, float(rank), 0.0))
    basins = [_basin(view, at, others, friends, share) for share in (0.35, 0.7)]
    local = _disc(view, at, round(1.6 * distance_to_outline(base, at) + 2))
    for piece in (*basins, local & _similar_colour(view, at), local & basins[1]):
        out.append((_merge(base, piece, click), 1.0, 0.0, 0.0))
    return out


def _colour_model_masks(view: PyramidView, base: Mask, clicks: Sequence[Click]) -> list[Mask]:
    """The region told from the rest by the colours about the clicks of either sign (and outside it)."""
    reach = max(2, max(view.shape) // 28)
    patches: dict[bool, list[npt.NDArray[np.float32]]] = {True: [], False: []}
    for click in clicks:
        column, row = view.to_view(click.x, click.y)
        rows, columns = slice(max(row - reach, 0), row + reach + 1), slice(max(column - reach, 0), column + reach + 1)
        patches[click.positive].append(view.colour[rows, columns].reshape(-1, 3))
    outside = view.colour[~dilated_square(base, 3)]
    if not patches[True] or not patches[False]:
        return []
    if len(outside) > 30:
        patches[False].append(outside[:: max(1, len(outside) // 200)])
    near = distance_to_model(view, surface_model(np.concatenate(patches[True]), modes=2))
    far = distance_to_model(view, surface_model(np.concatenate(patches[False]), modes=4))
    share = cv2.GaussianBlur(far / (far + near + 0.1), (0, 0), 2.0)
    ceiling = dilated_square(base, 4)
    out = []
    for limit in (0.45, 0.55, 0.65):
        _, labels = cv2.connectedComponents(((share > limit) & ceiling).view(np.uint8), connectivity=4)
        seeds = {int(labels[view.to_view(c.x, c.y)[::-1]]) for c in clicks if c.positive} - {0}
        if seeds:
            own = np.isin(labels, list(seeds))
            out.append(fill_pinholes(own, int(np.count_nonzero(own)), 0.03))
    return out


def _merge(base: Mask, piece: Mask, click: Click) -> Mask:
    return (base | piece) if click.positive else (base & ~piece)


def _satisfies_clicks(mask: Mask, view: PyramidView, clicks: Sequence[Click]) -> bool:
    for click in clicks:
        column, row = view.to_view(click.x, click.y)
        if bool(mask[row, column]) != click.positive:
            return False
    return True


def _basin(
    view: PyramidView, at: tuple[int, int], others: list[tuple[int, int]], friends: list[tuple[int, int]], share: float
) -> Mask:
    """Marker watershed between the click and all clicks of the other sign, ``share`` of the way to the nearest."""
    h, w = view.shape
    reach = share * min((float(np.hypot(c - at[0], r - at[1])) for c, r in others), default=0.4 * max(h, w)) + 3
    far = np.ones((h, w), np.uint8)
    cv2.circle(far, at, int(reach), 0, -1)
    markers = np.where(far > 0, 2, 0).astype(np.int32)
    markers[[0, -1]] = 2
    markers[:, [0, -1]] = 2
    for column, row in others:
        cv2.circle(markers, (column, row), 2, 2, -1)
    for column, row in [at, *friends]:
        if far[row, column] == 0:
            cv2.circle(markers, (column, row), 2, 1, -1)
    cv2.watershed(np.ascontiguousarray(view.lab), markers)
    own = dilated_square(markers == 1, 1)
    for column, row in others:
        own[row, column] = False
    return np.asarray(own)


def _similar_colour(view: PyramidView, at: tuple[int, int]) -> Mask:
    """Pixels coloured like the click's."""
    limit = max(8.0, 3 * view.texture)
    return np.asarray(squared(view.colour - view.colour[at[1], at[0]]) < limit**2)


def _disc(view: PyramidView, at: tuple[int, int], radius: int) -> Mask:
    out: npt.NDArray[np.uint8] = np.zeros(view.shape, np.uint8)
    cv2.circle(out, at, radius, 1, -1)
    return out > 0


_AGREE = 17.0
# Fitted like core.segmentation.mask_scoring's, on simulated corrections.
_WEIGHTS = np.array([0.2, 0.45, 2.4, -0.55, 0.2, -0.8, -0.15, 3.2, 0.65, -0.3, -1.4, -3.0])
