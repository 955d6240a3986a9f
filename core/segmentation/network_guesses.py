"""Guesses from the network's answers: what of an answer was asked for, and which guess is the likeliest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from core.segmentation.corrections import set_score
from core.segmentation.mask_scoring import MaskGuess, measure_mask
from core.segmentation.network_scores import NetworkCalibration, NetworkView
from core.segmentation.proposals import fill_pinholes
from core.segmentation.segmenter import Box, Click, box_mask
from core.segmentation.view_pyramid import Floats, PyramidView, project_mask
from core.types import Mask

SCORE_OFFSET, SCORE_SCALE = 6.0, 3.0
"""From logits to the scale of core.segmentation.mask_scoring.mask_score."""


def guess_from_answer(
    one: NetworkView,
    photo_area: int,
    clicks: Sequence[Click],
    region: MaskGuess | None = None,
    box: Box | None = None,
) -> MaskGuess | None:
    """The network's answer as a guess; None where it holds nothing asked for, or much of it is cut off."""
    mask = one.probability > 0.5
    if box is not None:
        mask &= _box_on(one.view, box)
    mask = _prompted_components(mask, one.view, clicks, region, box is not None)
    area = np.count_nonzero(mask)
    if area < 4 or _cut_off_pixels(mask, one.view) > 0.6 * math.sqrt(area):
        return None
    at = one.view.to_view(clicks[0].x, clicks[0].y) if clicks else None
    measured = measure_mask(one.view.smoothed(), mask, photo_area, at)
    # Pinholes were filled, and stay so.
    return replace(measured, probability=np.where(mask, np.maximum(one.probability, 0.51), one.probability))


def probability_on(guess: MaskGuess, target: PyramidView) -> Floats:
    """float32 (h, w): what was said of a network's guess, on ``target``; 0 where its view does not reach."""
    assert guess.probability is not None
    s, view = target.zoom / guess.view.zoom, guess.view
    tx, ty = (view.x0 - target.x0) * target.zoom, (view.y0 - target.y0) * target.zoom
    matrix = np.array([[s, 0, tx + (s - 1) / 2], [0, s, ty + (s - 1) / 2]])
    h, w = target.shape
    return np.asarray(cv2.warpAffine(guess.probability, matrix, (w, h), flags=cv2.INTER_LINEAR), np.float32)


def _box_on(view: PyramidView, box: Box) -> Mask:
    z, (h, w) = view.zoom, view.shape
    x0, y0 = (box[0] - view.x0) * z, (box[1] - view.y0) * z
    x1, y1 = (box[2] - view.x0) * z, (box[3] - view.y0) * z
    return box_mask((max(round(x0), 0), max(round(y0), 0), max(round(x1), 0), max(round(y1), 0)), (h, w))


def _prompted_components(
    mask: Mask, view: PyramidView, clicks: Sequence[Click], region: MaskGuess | None, boxed: bool
) -> Mask:
    """The pieces of ``mask`` that hold a click or were there before; in a box, all of some size."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    keep = np.zeros(count, np.bool_)
    for click in clicks:
        if click.positive and view.contains(click.x, click.y):
            column, row = view.to_view(click.x, click.y)
            keep[labels[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]] = True
    if region is not None:
        before = project_mask(region.mask, region.view, view)
        keep |= np.bincount(labels[before], minlength=count) > 0.3 * areas
    if boxed:
        keep |= areas >= 0.2 * areas.max()
    keep[0] = False
    own = np.asarray(keep[labels])
    return fill_pinholes(own, int(np.count_nonzero(own)), 0.01)


def _cut_off_pixels(mask: Mask, view: PyramidView) -> int:
    """Pixels of ``mask`` on the window's frame where the photo goes on."""
    sides = zip(view.ends_inside_photo, (mask[:, 0], mask[0], mask[:, -1], mask[-1]), strict=True)
    return sum(int(np.count_nonzero(side)) for goes_on, side in sides if goes_on)


def rank_guesses(
    guesses: list[MaskGuess],
    given: npt.NDArray[np.float64],
    verdict: NetworkCalibration,
    keep: bool = False,
    bonus: npt.NDArray[np.float64] | float = 0.0,
) -> list[MaskGuess]:
    """Best first. Unless ``keep``, each guess's worth becomes the verdict, on the scale of mask_scoring."""
    values = verdict.logits(given) + bonus
    order = [int(k) for k in np.argsort(-values, kind="stable")]
    return [
        guesses[k] if keep else set_score(guesses[k], SCORE_OFFSET + SCORE_SCALE * float(values[k])) for k in order
    ]


def distinct_sizes(guesses: list[MaskGuess]) -> list[MaskGuess]:
    """Those whose area differs clearly from all before them."""
    out: list[MaskGuess] = []
    for guess in guesses:
        if all(not 0.6 < guess.area / other.area < 1.6 for other in out):
            out.append(guess)
    return out


def surest_click(guess: MaskGuess) -> Click:
    """A positive click well inside a network's guess, where it is surest."""
    assert guess.probability is not None
    depth = cv2.distanceTransform(np.pad(guess.mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    inner = np.where(depth >= 0.6 * depth.max(), guess.probability, 0)
    row, column = np.unravel_index(int(inner.argmax()), inner.shape)
    view = guess.view
    return Click(view.x0 + (int(column) + 0.5) / view.zoom, view.y0 + (int(row) + 0.5) / view.zoom)
