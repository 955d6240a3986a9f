"""What a box may mean: the thing inside it that is unlike what is just outside."""

from __future__ import annotations

import cv2
import numpy as np

from core.segmentation.mask_scoring import MaskGuess, add_agreement, mask_score, measure_mask
from core.segmentation.proposals import distance_to_model, distinct_masks, fill_pinholes, surface_model
from core.segmentation.segmenter import Box, box_mask
from core.segmentation.view_pyramid import ImagePyramid, PyramidView
from core.types import Mask

_BACKGROUND_DISTANCES = (1.8, 2.5, 3.5, 5.0, 7.5)


def box_guesses(pyramid: ImagePyramid, box: Box) -> list[MaskGuess]:
    """Masks inside the box, best first; at least one."""
    x0, y0, x1, y1 = box
    pad = 0.25 * max(x1 - x0, y1 - y0) + 6
    view = pyramid.window(x0 - pad, y0 - pad, x1 + pad, y1 + pad)
    inside = _inside(view, box)
    masks = [_largest(m & inside) for m in _far_from_background(view, inside)]
    masks += [_largest(m & inside) for m in (_grab_cut(view, inside), _watershed_from_centre(view, inside))]
    masks = [m for m in distinct_masks([m for m in masks if m.any()]) if m.sum() >= 6] or [inside]
    height, width = pyramid.shape
    found = [measure_mask(view, m, height * width) for m in masks]
    add_agreement(found)
    fit = np.array([box_overlap(g, box) for g in found])
    for guess, share in zip(found, fit, strict=True):
        # A person draws the box around the thing: what reaches its sides is meant.
        guess.features[-1] += 0.5 * (share - 0.7)
    return [found[k] for k in np.argsort(-mask_score(found), kind="stable")]


def _inside(view: PyramidView, box: Box) -> Mask:
    h, w = view.shape
    corners = np.array(box) - np.array([view.x0, view.y0, view.x0, view.y0])
    x0, y0, x1, y1 = corners * view.zoom
    area = (max(round(x0), 0), max(round(y0), 0), min(max(round(x1), round(x0) + 2), w), min(round(y1), h))
    return box_mask(area, (h, w))


def _far_from_background(view: PyramidView, inside: Mask) -> list[Mask]:
    outside = view.colour[~inside]
    if len(outside) < 20:
        h, w = view.shape
        rim = np.ones((h, w), np.bool_)
        rim[2 : h - 2, 2 : w - 2] = False
        outside = view.colour[rim]
    far = distance_to_model(view, surface_model(outside[:: max(1, len(outside) // 500)], modes=4))
    return [far > limit for limit in _BACKGROUND_DISTANCES]


def _grab_cut(view: PyramidView, inside: Mask) -> Mask:
    """GrabCut on the view: outside the box is background for sure."""
    labels = np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    if inside.all():
        labels[[0, -1]] = cv2.GC_BGD
        labels[:, [0, -1]] = cv2.GC_BGD
    cv2.setRNGSeed(7)
    try:
        cv2.grabCut(
            np.ascontiguousarray(view.lab),
            labels,
            None,
            np.zeros((1, 65)),
            np.zeros((1, 65)),
            2,
            cv2.GC_INIT_WITH_MASK,
        )
    except cv2.error:
        # Too few pixels on one side to model: the other guesses stand.
        return np.zeros(view.shape, np.bool_)
    return np.asarray((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))


def _watershed_from_centre(view: PyramidView, inside: Mask) -> Mask:
    ys, xs = np.nonzero(inside)
    centre = (int(xs.mean()), int(ys.mean()))
    axes = (max(int(np.ptp(xs) * 0.22), 1), max(int(np.ptp(ys) * 0.22), 1))
    markers = np.where(inside, 0, 2).astype(np.int32)
    cv2.ellipse(markers, centre, axes, 0, 0, 360, 1, -1)
    cv2.watershed(np.ascontiguousarray(view.lab), markers)
    own = cv2.morphologyEx((markers == 1).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return np.asarray(own > 0)


def _largest(mask: Mask) -> Mask:
    """The largest component and those at least a fifth of it, pinholes filled."""
    smooth = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(smooth, connectivity=8)
    if count < 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    keep = areas >= 0.2 * areas.max()
    keep[0] = False
    own = keep[labels]
    return fill_pinholes(np.asarray(own), int(areas.max()))


def box_overlap(guess: MaskGuess, box: Box) -> float:
    """IoU of the guess's bounding box with the drawn one."""
    g = guess.box
    low, high = np.maximum(g[:2], box[:2]), np.minimum(g[2:], box[2:])
    common = float(np.prod(np.clip(high - low, 0, None)))
    full = (g[2] - g[0]) * (g[3] - g[1]) + (box[2] - box[0]) * (box[3] - box[1]) - common
    return common / max(full, 1e-6)
