"""What is behind a part, from other good photos that show the ground there.

Of the photos laid on this one, each pixel takes those that agree on what is there and look like this photo's ground
and not like its part; photos on which a part lies near, with its shadow, have less of a say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from core.engines.ground.aligned import AlignedCrop, Floats, largest
from core.types import Image, Mask

WORK_SIDE = 96
"""Which photo shows the ground is decided on pictures of about this many pixels a side."""
BINS = 24
"""Shades per channel by which ground and part are told apart."""
AGREE = 5.0
"""Levels by which photos of the same ground differ."""
SHADOW_REACH = 0.17
"""How far shadows reach, in sides of the part."""
SAME_GRAIN = 0.35
"""Likeness from which two photos show the same piece and not only the same make."""
SAMPLES = 4000
NAMED_ODDS = 0.7
"""How likely it is at least that a photo with regions shows the ground beside them."""


@dataclass(frozen=True)
class Behind:
    """The ground over a window: ``levels`` float32 (h, w, 3) in 0..255; ``sure`` float32 (h, w) in 0..1."""

    levels: Floats
    sure: Floats


def ground_behind(photo: Image, part: Mask, known: Mask, others: Sequence[AlignedCrop], size: float) -> Behind:
    """The ground of the window ``photo``, uint8 (h, w, 3), as ``others`` show it.

    ``part``: bool (h, w), what hides it. ``known``: bool (h, w), where ``photo`` shows the ground, unshaded. ``size``:
    the part's side in pixels.
    """
    height, width = part.shape
    scale = max(1, round(max(part.shape) / WORK_SIDE))
    small = (-(-width // scale), -(-height // scale))
    stack = np.stack([_shrunk(one.levels, small) for one in others])
    seen = np.stack([_shrunk(one.seen.astype(np.float32), small) > 0.99 for one in others])
    likely = _odds(photo, part, known, stack)
    for i, one in enumerate(others):
        if one.parts is not None:
            # Where somebody named the parts, colour has less to say.
            on_part = _shrunk(one.parts.astype(np.float32), small) > 0
            likely[i] = np.where(on_part, 0, NAMED_ODDS + (1 - NAMED_ODDS) * likely[i])
    chosen, support = _agreed(stack, seen, likely, np.ones(seen.shape, np.float32))
    weights = _weights(stack, seen, likely, chosen, size / scale)
    # Once more with those that see it from afar: what most of them shade is not the ground's own level.
    chosen, support = _agreed(stack, seen, likely, weights + 0.02)
    weights = _weights(stack, seen, likely, chosen, size / scale)
    shares = _shares([one.likeness for one in others])
    scaled = (weight * share for weight, share in zip(weights, shares, strict=True))
    full = np.stack([cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR) for one in scaled])
    levels = np.stack([one.levels for one in others])
    mean = _mean(levels, full)
    off = largest(np.abs(levels - mean))
    full *= np.exp(-((off / (3 * AGREE)) ** 2))
    mean = _mean(levels, full)
    # Many photos that hardly see it do not make up for one that does.
    sure = np.clip((np.sort(full, axis=0)[-2:].mean(axis=0) - 0.2) / 0.4, 0, 1)
    sure *= cv2.resize(support, (width, height), interpolation=cv2.INTER_LINEAR)
    return Behind(mean, np.asarray(sure, np.float32))


def _shrunk(picture: Floats, size: tuple[int, int]) -> Floats:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def _mean(levels: Floats, weights: Floats) -> Floats:
    total = np.maximum(weights.sum(axis=0), 1e-4)
    return np.asarray(np.einsum("nhwc,nhw->hwc", levels, weights) / total[..., None], np.float32)


def _odds(photo: Image, part: Mask, known: Mask, stack: Floats) -> Floats:
    """How likely each pixel of the stack is ground rather than part, by colour: float32 (n, h, w) in 0..1."""
    core = cv2.erode(part.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    ground, thing = (_histogram(photo, chosen) for chosen in (known, core if core.any() else part))
    at = np.clip(stack * (BINS / 256), 0, BINS - 1).astype(np.intp)
    index = (at[..., 0] * BINS + at[..., 1]) * BINS + at[..., 2]
    # The least chance is a shade that neither has: it says nothing.
    g, t = ground[index] + 2e-5, thing[index] + 1e-5
    return np.asarray(g / (g + t), np.float32)


def _histogram(photo: Image, chosen: Mask) -> Floats:
    """Share of each shade among the chosen pixels, smoothed: float32 (BINS ** 3,)."""
    at = np.flatnonzero(chosen)
    at = at[:: max(1, at.size // SAMPLES)]
    pixels = photo.reshape(-1, 3)[at].astype(np.float32)
    shades = np.clip(pixels * (BINS / 256), 0, BINS - 1).astype(np.intp)
    counts = np.bincount((shades[:, 0] * BINS + shades[:, 1]) * BINS + shades[:, 2], minlength=BINS**3)
    cube = counts.reshape(BINS, BINS, BINS).astype(np.float32) / max(1, len(at))
    kernel = np.array([0.1, 0.2, 0.4, 0.2, 0.1], np.float32)
    for axis in range(3):
        cube = np.apply_along_axis(lambda v: np.convolve(v, kernel, mode="same"), axis, cube)
    return np.asarray(cube.ravel(), np.float32)


def _agreed(stack: Floats, seen: Mask, likely: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """The ground's level at each pixel, float32 (h, w, 3), and how sure it is one, float32 (h, w) in 0..1."""
    count = len(stack)
    score = np.zeros(stack.shape[:3], np.float32)
    for i in range(count):
        apart = largest(np.abs(stack - stack[i]))
        near = np.exp(-((apart / AGREE) ** 2)) * seen * weights
        score[i] = near.sum(axis=0)
    score = np.stack([cv2.blur(one, (3, 3)) for one in score * likely * seen * weights])
    best = score.argmax(axis=0)
    rows, columns = np.indices(best.shape)
    chosen = stack[best, rows, columns]
    odds = np.stack([cv2.blur(one, (3, 3)) for one in likely])[best, rows, columns]
    sure = np.clip((odds - 0.35) / 0.3, 0, 1).astype(np.float32)
    # Where ground and part meet, what was chosen is a mixture.
    return chosen, np.asarray(cv2.erode(sure, np.ones((5, 5), np.uint8)), np.float32)


def _weights(stack: Floats, seen: Mask, likely: Floats, chosen: Floats, size: float) -> Floats:
    """Each photo's say at each pixel, float32 (n, h, w) in 0..1: the more the farther from what lies on its ground."""
    reach = max(1.5, SHADOW_REACH * size)
    out = np.zeros(stack.shape[:3], np.float32)
    for i, picture in enumerate(stack):
        off = largest(np.abs(cv2.blur(picture - chosen, (3, 3))))
        sharp = largest(np.abs(picture - chosen))
        other = ((off > 2.2 * AGREE) | (sharp > 5 * AGREE)) & (likely[i] < 0.9) | (off > 5 * AGREE)
        # A part that lies on every photo alike is agreed on, and still no ground.
        other |= cv2.blur(likely[i], (3, 3)) < 0.4
        free = (~other & seen[i]).astype(np.uint8)
        away = cv2.distanceTransform(np.pad(free, 1, constant_values=1), cv2.DIST_L2, 3)[1:-1, 1:-1]
        out[i] = np.clip((away - 0.5) / reach, 0, 1) * free
    return out**2


def _shares(likeness: Sequence[float]) -> list[float]:
    """How much each photo counts: those of the same piece alone where there are any."""
    most = max(likeness)
    if most < SAME_GRAIN:
        return [1.0] * len(likeness)
    return [float(np.clip((one - 0.5 * most) / (0.4 * most), 0.02, 1)) ** 2 for one in likeness]
