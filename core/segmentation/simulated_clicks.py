"""How many clicks a segmenter needs: a simulated person clicks where it is most wrong."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import MaskError
from core.segmentation.segmenter import Click, MaskCandidate, PreparedPhoto, Segmenter, iou
from core.types import Image, Mask, check_mask


@dataclass(frozen=True)
class ClickCurve:
    """``iou[k]`` after k+1 clicks with the first candidate, ``best[k]`` with the best of the three offered.

    ``seconds[k]`` is the time of that answer, ``clicks`` the clicks made; all of length n.
    """

    iou: npt.NDArray[np.float64]
    best: npt.NDArray[np.float64]
    seconds: npt.NDArray[np.float64]
    clicks: tuple[Click, ...]


def click_curve(
    segmenter: Segmenter, image: Image, truth: Mask, n: int, rng: np.random.Generator | None = None
) -> ClickCurve:
    """Click ``n`` times on ``truth``, bool (H, W): first its deepest point, then the deepest wrong one.

    With ``rng`` the first click is drawn among the pixels at least half as deep as the deepest: people
    do not aim for the middle.
    """
    return curve_on(segmenter.prepare(image), check_mask(truth, image.shape[:2], "truth"), n, rng)


def curve_on(
    prepared: PreparedPhoto, truth: Mask, n: int, rng: np.random.Generator | None = None, enough: float = 2.0
) -> ClickCurve:
    """``click_curve`` on a photo that is prepared already; it stops early where the IoU is ``enough``."""
    if not truth.any():
        raise MaskError("truth: the mask is empty; give the region that the clicks shall find")
    clicks = [_first(truth, rng)]
    ious, bests, seconds = [], [], []
    for _ in range(n):
        begin = time.perf_counter()
        found = prepared.predict(clicks)
        seconds.append(time.perf_counter() - begin)
        ious.append(iou(found[0].mask, truth))
        bests.append(_best(found, truth))
        if ious[-1] >= enough:
            break
        clicks.append(next_click(found[0].mask, truth) or clicks[-1])
    return ClickCurve(np.array(ious), np.array(bests), np.array(seconds), tuple(clicks[: len(ious)]))


def next_click(found: Mask, truth: Mask) -> Click | None:
    """The deepest point of the deepest error; positive where ``found`` lacks truth. None when they are equal."""
    depth_missing, at_missing = _deepest(truth & ~found)
    depth_extra, at_extra = _deepest(found & ~truth)
    if max(depth_missing, depth_extra) == 0:
        return None
    if depth_missing >= depth_extra:
        return Click(*at_missing, positive=True)
    return Click(*at_extra, positive=False)


def _best(found: Sequence[MaskCandidate], truth: Mask) -> float:
    return max(iou(c.mask, truth) for c in found)


def _first(truth: Mask, rng: np.random.Generator | None) -> Click:
    if rng is None:
        return Click(*_deepest(truth)[1])
    depth = _depth(truth)
    ys, xs = np.nonzero(depth >= depth.max() / 2)
    k = int(rng.integers(len(ys)))
    return Click(float(xs[k]), float(ys[k]))


def _deepest(mask: Mask) -> tuple[float, tuple[float, float]]:
    depth = _depth(mask)
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(depth[y, x]), (float(x), float(y))


def _depth(mask: Mask) -> npt.NDArray[np.float32]:
    # The frame counts as outside, so that the deepest point is not on the edge of the photo.
    padded = np.pad(mask, 1).astype(np.uint8)
    depth: npt.NDArray[np.float32] = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    return depth
