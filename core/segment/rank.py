"""How much a guess looks like an object a person would mean: measured on the outline and on both sides of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.segment.views import View
from core.types import Mask

FEATURES = (
    "edge",  # outline gradient over the window's texture, log
    "weak",  # its lower fifth: leaks show here
    "step",  # outline gradient over the gradient inside, log
    "apart",  # 1 - overlap of the colour histograms inside and just outside
    "plain",  # share of the commonest colour bin inside
    "frame",  # share of the outline on the window's frame where the photo goes on
    "photo",  # share of the outline on the photo's own frame
    "round",  # 4 pi area / perimeter^2
    "solid",  # area over its convex hull's
    "deep",  # depth of the click in the mask, over the deepest
    "size",  # log10 of the share of the window
    "share",  # log10 of the share of the photo
    "agree",  # share of the other guesses that are nearly this one
)


@dataclass(frozen=True)
class Guess:
    """A mask on its view, with its measures; ``box`` is x0, y0, x1, y1 and ``area`` in photo pixels."""

    view: View
    mask: Mask
    box: tuple[float, float, float, float]
    area: float
    features: npt.NDArray[np.float64]


def measure(view: View, mask: Mask, photo_area: int, at: tuple[int, int] | None = None) -> Guess:
    """``mask`` (non-empty, on ``view``) with its features; ``at`` is the click as (column, row), if there is one."""
    h, w = view.shape
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    y0, y1, x0, x1 = int(ys[0]), int(ys[-1]) + 1, int(xs[0]), int(xs[-1]) + 1
    pad = 3 + max(y1 - y0, x1 - x0) // 5
    rows = slice(max(y0 - pad, 0), min(y1 + pad, h))
    columns = slice(max(x0 - pad, 0), min(x1 + pad, w))
    part = np.ascontiguousarray(mask[rows, columns])
    gradient = view.gradient[rows, columns]
    area = int(np.count_nonzero(part))

    solid8 = part.view(np.uint8)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    inner = cv2.erode(solid8, cross, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    rim = (cv2.dilate(solid8, cross) > inner)
    on_rim = cv2.dilate(gradient, cross)[rim & part]
    strong, weak = (float(on_rim.mean()), float(np.percentile(on_rim, 20))) if on_rim.size else (0.0, 0.0)
    core = gradient[cv2.erode(inner, cross, borderType=cv2.BORDER_CONSTANT, borderValue=1) > 0]
    within = float(core.mean()) if core.size else view.texture

    codes = view.codes[rows, columns]
    outer = cv2.dilate(solid8, np.ones((2 * pad + 1, 2 * pad + 1), np.uint8)) > 0
    beyond = cv2.dilate(solid8, np.ones((5, 5), np.uint8)) > 0
    inside = np.bincount(codes[part], minlength=360) / area
    near = np.bincount(codes[outer & ~beyond], minlength=360).astype(float)
    near /= max(near.sum(), 1)
    apart = 1 - float(np.sqrt(inside * near).sum()) if near.any() else 0.0

    contours, _ = cv2.findContours(solid8, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=len)
    length = max(cv2.arcLength(outline, True), 1.0)
    filled = max(cv2.contourArea(outline), 1.0)
    hull = max(cv2.contourArea(cv2.convexHull(outline)), 1.0)
    sides = (mask[:, 0].sum(), mask[0].sum(), mask[:, -1].sum(), mask[-1].sum())
    cut = sum(int(n) for n, open_ in zip(sides, view.inside, strict=True) if open_) / length
    edge = sum(int(n) for n, open_ in zip(sides, view.inside, strict=True) if not open_) / length
    depth = 0.5
    if at is not None:
        field = cv2.distanceTransform(cv2.copyMakeBorder(solid8, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 3)
        r, c = at[1] - rows.start + 1, at[0] - columns.start + 1
        depth = float(field[r, c] / field.max()) if 0 <= r < field.shape[0] and 0 <= c < field.shape[1] else 0.0
    features = np.array(
        [
            np.log((strong + 0.3) / view.texture),
            np.log((weak + 0.3) / view.texture),
            np.log((strong + 0.3) / (within + 0.3)),
            apart,
            float(inside.max()),
            min(cut, 1.0),
            min(edge, 1.0),
            min(4 * np.pi * filled / length**2, 1.0),
            filled / hull,
            depth,
            np.log10(area / (h * w)),
            np.log10(max(area / view.zoom**2 / photo_area, 1e-7)),
            0.0,
        ]
    )
    z = view.zoom
    box = (view.x0 + x0 / z, view.y0 + y0 / z, view.x0 + x1 / z, view.y0 + y1 / z)
    return Guess(view, mask, box, area / z**2, features)


def add_agreement(guesses: list[Guess]) -> npt.NDArray[np.float64]:
    """Fill in "agree" of every guess; returns their nearness (n, n), 0..1, from boxes and areas alone."""
    boxes = np.array([g.box for g in guesses])
    areas = np.array([g.area for g in guesses])
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    full = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    near = common / (full[:, None] + full[None, :] - common + 1e-9)
    near = near * np.minimum(areas[:, None], areas[None, :]) / np.maximum(areas[:, None], areas[None, :])
    for k, guess in enumerate(guesses):
        guess.features[-1] = (np.count_nonzero(near[k] > 0.75) - 1) / max(len(guesses) - 1, 1)
    return near


# Fitted so that the first guess overlaps best with what people outline: machine parts, coins, surface defects.
# A linear rule on purpose: on kinds of photos it was not fitted to, it kept more of its worth than trees did.
_WEIGHTS = np.array([0.40, -0.1, 0.3, 3.3, -2.9, -8.3, -3.2, 3.6, 4.0, 6.9, 1.6, -0.3, 12.5])


def worth(guesses: list[Guess]) -> npt.NDArray[np.float64]:
    """How good each guess is, higher is better; comparable within one photo."""
    return np.stack([g.features for g in guesses]) @ _WEIGHTS


def trust(worths: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``worths`` as scores in 0..1."""
    return 1 / (1 + np.exp(-(worths - 6.0) / 3.0))
