"""How much a guess looks like an object a person would mean: measured on the outline and on both sides of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.segmentation.view_pyramid import Floats, PyramidView
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


@dataclass(frozen=True, eq=False)
class MaskGuess:
    """A mask on its view, with its measures; ``box`` is x0, y0, x1, y1 and ``area`` in photo pixels.

    ``probability``, float32 (h, w) 0..1, is what a network said of each pixel, where one made the guess.
    """

    view: PyramidView
    mask: Mask
    box: tuple[float, float, float, float]
    area: float
    features: npt.NDArray[np.float64]
    probability: Floats | None = None


def _lower_fifth(values: npt.NDArray[np.float32]) -> float:
    k = len(values) // 5
    return float(np.partition(values, k)[k])


def measure_mask(view: PyramidView, mask: Mask, photo_area: int, at: tuple[int, int] | None = None) -> MaskGuess:
    """``mask`` (non-empty, on ``view``) with its features; ``at`` is the click as (column, row), if there is one."""
    h, w = view.shape
    x0, y0, width, height = cv2.boundingRect(mask.view(np.uint8))
    x1, y1 = x0 + width, y0 + height
    pad = 3 + max(height, width) // 5
    rows, columns = slice(max(y0 - pad, 0), min(y1 + pad, h)), slice(max(x0 - pad, 0), min(x1 + pad, w))
    part = np.ascontiguousarray(mask[rows, columns])
    area = cv2.countNonZero(part.view(np.uint8))
    roundness, solid, length = _form(part)
    cut, ends = _on_frame(mask, view, (x0 == 0, y0 == 0, x1 == w, y1 == h))
    deep = 0.5 if at is None else _depth(part, at[0] - columns.start, at[1] - rows.start)
    features = np.array(
        [
            *_edges(part, view.max_gradient[rows, columns], view.gradient[rows, columns], view.texture),
            *_colours(part, view.colour_bins[rows, columns], pad),
            min(cut / length, 1.0),
            min(ends / length, 1.0),
            roundness,
            solid,
            deep,
            math.log10(area / (h * w)),
            math.log10(max(area / view.zoom**2 / photo_area, 1e-7)),
            0.0,
        ]
    )
    z = view.zoom
    box = (view.x0 + x0 / z, view.y0 + y0 / z, view.x0 + x1 / z, view.y0 + y1 / z)
    return MaskGuess(view, mask, box, area / z**2, features)


def _on_frame(mask: Mask, view: PyramidView, touches: tuple[bool, bool, bool, bool]) -> tuple[int, int]:
    """Pixels of ``mask`` on the window's frame where the photo goes on, and where it ends."""
    cut = ends = 0
    for touched, goes_on, side in zip(
        touches, view.ends_inside_photo, (mask[:, 0], mask[0], mask[:, -1], mask[-1]), strict=True
    ):
        if touched:
            count = int(np.count_nonzero(side))
            cut, ends = (cut + count, ends) if goes_on else (cut, ends + count)
    return cut, ends


_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_FIVE = np.ones((5, 5), np.uint8)


def _edges(part: Mask, steepest: Floats, gradient: Floats, texture: float) -> tuple[float, float, float]:
    """ "edge", "weak" and "step"."""
    solid = part.view(np.uint8)
    inner = cv2.erode(solid, _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    # The steepest place next to the outline counts: the mask may be a pixel off.
    on_rim = steepest[solid > inner]
    strong, weak = (float(on_rim.mean()), _lower_fifth(on_rim)) if on_rim.size else (0.0, 0.0)
    core = cv2.erode(inner, _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    within = cv2.mean(gradient, core)[0] if core.any() else texture
    edge, rim, plain = strong + 0.3, weak + 0.3, within + 0.3
    return math.log(edge / texture), math.log(rim / texture), math.log(edge / plain)


def _colours(part: Mask, codes: npt.NDArray[np.intp], pad: int) -> tuple[float, float]:
    """ "apart" and "plain"."""
    solid = part.view(np.uint8)
    outer = cv2.dilate(solid, np.ones((2 * pad + 1, 2 * pad + 1), np.uint8))
    beyond = cv2.dilate(solid, _FIVE)
    own, near = codes[part], codes[outer > beyond]
    inside = np.bincount(own, minlength=360) / max(len(own), 1)
    plain = float(inside.max())
    if not len(near):
        return 0.0, plain
    return 1 - float(np.sqrt(inside * np.bincount(near, minlength=360)).sum()) / math.sqrt(len(near)), plain


def _form(part: Mask) -> tuple[float, float, float]:
    """ "round", "solid" and the length of the outer outline."""
    contours, _ = cv2.findContours(part.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=len)
    length = max(cv2.arcLength(outline, True), 1.0)
    filled = max(cv2.contourArea(outline), 1.0)
    hull = max(cv2.contourArea(cv2.convexHull(outline)), 1.0)
    return min(4 * np.pi * filled / length**2, 1.0), filled / hull, length


def _depth(part: Mask, column: int, row: int) -> float:
    if not (0 <= row < part.shape[0] and 0 <= column < part.shape[1]):
        return 0.0
    field = cv2.distanceTransform(framed(part), cv2.DIST_L2, 3)
    return float(field[row + 1, column + 1]) / max(cv2.minMaxLoc(field)[1], 1e-3)


def framed(mask: Mask) -> npt.NDArray[np.uint8]:
    """uint8 (h + 2, w + 2): ``mask`` with a frame of zeros."""
    return np.asarray(cv2.copyMakeBorder(mask.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0))


def add_agreement(guesses: list[MaskGuess]) -> npt.NDArray[np.float64]:
    """Fill in "agree" of every guess; returns their nearness (n, n), 0..1, from boxes and areas alone."""
    near = nearness(np.array([g.box for g in guesses]), np.array([g.area for g in guesses]))
    for guess, agree in zip(guesses, _agree(near), strict=True):
        guess.features[-1] = agree
    return near


def nearness(boxes: npt.NDArray[np.float64], areas: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """IoU of boxes (n, 4) times the ratio of areas (n,), as (n, n): cheap, and near the masks' IoU when high."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    full = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    near = common / (full[:, None] + full[None, :] - common + 1e-9)
    return np.asarray(near * np.minimum(areas[:, None], areas[None, :]) / np.maximum(areas[:, None], areas[None, :]))


def _agree(near: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(((near > 0.75).sum(axis=1) - 1) / max(len(near) - 1, 1))


_SAME = 0.88


def guesses_from_views(found: list[tuple[PyramidView, Mask]], photo_area: int, x: float, y: float) -> list[MaskGuess]:
    """Guesses for what one click gave in several views (sharpest last); of near-equals the sharpest whole one."""
    boxes, areas, cut = [], [], []
    for view, mask in found:
        left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
        z = view.zoom
        boxes.append(
            (view.x0 + left / z, view.y0 + top / z, view.x0 + (left + width) / z, view.y0 + (top + height) / z)
        )
        areas.append(cv2.countNonZero(mask.view(np.uint8)) / z**2)
        h, w = view.shape
        at_frame = (left == 0, top == 0, left + width == w, top + height == h)
        cut.append(any(a and b for a, b in zip(at_frame, view.ends_inside_photo, strict=True)))
    near = nearness(np.array(boxes), np.array(areas))
    agree = _agree(near)
    out: list[MaskGuess] = []
    kept: list[int] = []
    for k in sorted(range(len(found)), key=lambda k: (cut[k], -k)):
        if kept and near[k, kept].max() > _SAME:
            continue
        kept.append(k)
        view, mask = found[k]
        guess = measure_mask(view, mask, photo_area, view.to_view(x, y))
        guess.features[-1] = agree[k]
        out.append(guess)
    return out


# Fitted so that the first guess overlaps best with what people outline: machine parts, coins, surface defects.
# A linear rule on purpose: on kinds of photos it was not fitted to, it kept more of its worth than trees did.
_WEIGHTS = np.array([0.3, 0.1, 0.5, 2.9, -2.3, -9.0, -3.2, 2.8, 4.0, 6.2, 1.6, -0.7, 17.0])


def mask_score(guesses: list[MaskGuess]) -> npt.NDArray[np.float64]:
    """How good each guess is, higher is better; comparable within one photo."""
    return np.asarray(np.stack([g.features for g in guesses]) @ _WEIGHTS)


def confidence(worths: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``worths`` as scores in 0..1."""
    return np.asarray(1 / (1 + np.exp(-(worths - 6.0) / 3.0)))
