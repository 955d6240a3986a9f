"""A further click changes the region where it lies: by what the network says there, and by a rule it cannot overrule.

The click is taken for the middle of the largest error, as people place it. Of the changes that the network's answers
allow, the one is taken that agrees with them and has the click in its middle; next to the outline, the disc that the
click is the middle of changes in any case. So each further click makes the error smaller where it lies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.segmentation.network_scores import NetworkView
from core.segmentation.segmenter import Click
from core.segmentation.view_pyramid import Floats
from core.types import Mask

THRESHOLDS = (0.25, 0.5, 0.75)
"""Probabilities at which an answer is cut into what changes and what stays."""
_AGREEMENT, _MIDDLE = 1.0, 0.6
"""What agreement with the network and the click's place in the middle of the change count, both 0..1."""
_SURE_DISC = 0.8
"""Radius of what a click beside the outline changes in any case, over its distance from the outline."""
_IF_HEARD = 0.5
"""What of that disc is left where the network says, too, that the click's place is to change, and how far about it."""
_BESIDE = 0.35
"""How far from the outline such a click lies at most, over the square root of the region's area."""
_BUMP = 2.2
"""Half the length of the outline that a click may push out or in, over its distance from the outline."""
_FARTHEST = 8.0
"""How far from the click a change may reach, over the click's distance from the outline: a click on a sliver of the
rim is no word on the rim all round."""
_SLIVER = 2.0
"""Pixels; a click nearer to the outline is about the rim there, and asks for no other reading of the whole."""
_OWN_SIDE = 0.7
"""A place is changed only if it is nearer to the click than this share of its distance to clicks of the other sign."""

Answer = tuple[Floats, Mask]
"""An answer's probabilities on a frame, and where it reaches."""
PhotoFrame = tuple[int, int, int, int]
"""x0, y0, x1, y1 of a piece of the photo, in whole pixels."""


@dataclass(frozen=True)
class CorrectedRegion:
    """A region after a click, bool (h, w) on its frame, and how good it is thought, 0..1."""

    part: Mask
    score: float


def click_reach(part: Mask, at: tuple[int, int]) -> float:
    """How far the click at ``at`` (column, row) is from the region's outline; the frame's size if there is none."""
    return _depth_at(part == part[at[1], at[0]], at, float(max(part.shape)))


def corrected_regions(
    part: Mask, frame: PhotoFrame, clicks: Sequence[Click], looks: Sequence[NetworkView], wholes: Sequence[Mask]
) -> list[CorrectedRegion]:
    """The region ``part``, bool (h, w) on ``frame``, after the last of ``clicks``, best first; at least one.

    ``looks`` are the network's answers about the click and about the region, ``wholes`` other readings of all clicks
    on the same frame. Every result obeys the last click.
    """
    click = clicks[-1]
    at = (int(click.x) - frame[0], int(click.y) - frame[1])
    reach = click_reach(part, at)
    answers = [(answer_on(one, frame), _covered(one, frame)) for one in looks]
    heard = any(covered[at[1], at[0]] and (p[at[1], at[0]] > 0.5) == click.positive for p, covered in answers)
    options = _local_options(part, frame, clicks, answers, reach, heard)
    if reach >= _SLIVER:
        sure = np.zeros_like(part)
        cv2.circle(sure.view(np.uint8), at, max(int(_sure_radius(part, reach, heard)), 0), 1, -1)
        options += [_obeying(whole, sure, click.positive) for whole in wholes]
        # The same mistake may have been made in many places: between all coils of a spring.
        options += [_obeying(part | one if click.positive else part & one, sure, click.positive) for one in wholes]
    judge = _Judge(part, at, answers)
    judged = [CorrectedRegion(one, judge.worth(one)) for one in options if one.any()]
    if not judged:
        alone = np.zeros_like(part)
        alone[at[1], at[0]] = True
        judged = [CorrectedRegion(alone if click.positive else part, 0.0)]
    return sorted(judged, key=lambda one: -one.score)


def _local_options(
    part: Mask, frame: PhotoFrame, clicks: Sequence[Click], answers: Sequence[Answer], reach: float, heard: bool
) -> list[Mask]:
    """``part`` after each change about the last click that the answers, or no more than the click, may mean."""
    click = clicks[-1]
    column, row = int(click.x) - frame[0], int(click.y) - frame[1]
    far = int(4 + _FARTHEST * max(reach - 1, 0))
    y0, x0 = max(row - far, 0), max(column - far, 0)
    near = (slice(y0, row + far + 1), slice(x0, column + far + 1))
    here, at = part[near], (column - x0, row - y0)
    away = _distances(here.shape, at)
    allowed = (away <= far) & _own_side(here.shape, (x0 + frame[0], y0 + frame[1]), clicks)
    sure = allowed & (away <= max(_sure_radius(part, reach, heard), 0.5))
    changes = [sure, sure | (_bump(here, at, reach, away) & allowed)]
    for probability, covered in answers:
        for threshold in THRESHOLDS:
            says = probability[near] > threshold if click.positive else probability[near] < 1 - threshold
            changes.append(_piece_at((says & covered[near] & allowed & (here != click.positive)) | sure, at))
    options = []
    for change in {np.packbits(one).tobytes(): one for one in changes}.values():
        made = part.copy()
        made[near] = _obeying(here, change, click.positive)
        options.append(made)
    return options


def on_frame(part: Mask, corner: tuple[int, int], frame: PhotoFrame) -> Mask:
    """bool (h, w) of ``frame``: the window ``part`` at ``corner`` (row, column), clipped to it."""
    x0, y0, x1, y1 = frame
    out = np.zeros((y1 - y0, x1 - x0), np.bool_)
    top, left = corner[0] - y0, corner[1] - x0
    inner = part[max(-top, 0) : max(out.shape[0] - top, 0), max(-left, 0) : max(out.shape[1] - left, 0)]
    top, left = max(top, 0), max(left, 0)
    out[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return out


def answer_on(look: NetworkView, frame: PhotoFrame) -> Floats:
    """float32 (h, w): the answer's probabilities on the photo's pixels of ``frame``; 0 where it does not reach."""
    z, view = look.view.zoom, look.view
    x0, y0, x1, y1 = frame
    # From pixels of the frame to pixels of the view, both counted at their centres.
    matrix = np.array([[z, 0, (x0 + 0.5 - view.x0) * z - 0.5], [0, z, (y0 + 0.5 - view.y0) * z - 0.5]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out = cv2.warpAffine(look.probability, matrix, (x1 - x0, y1 - y0), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.where(_covered(look, frame), out, np.float32(0))


def _covered(look: NetworkView, frame: PhotoFrame) -> Mask:
    """Where on the frame the answer reaches."""
    h, w = look.view.shape
    out = np.zeros((frame[3] - frame[1], frame[2] - frame[0]), np.bool_)
    left, top = look.view.x0 - frame[0], look.view.y0 - frame[1]
    right, bottom = left + round(w / look.view.zoom), top + round(h / look.view.zoom)
    out[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
    return out


def _distances(shape: tuple[int, ...], at: tuple[int, int]) -> Floats:
    """float32 (h, w): pixels from the place (column, row)."""
    rows = np.arange(shape[0], dtype=np.float32)[:, None] - at[1]
    columns = np.arange(shape[1], dtype=np.float32)[None] - at[0]
    return np.asarray(np.hypot(rows, columns), np.float32)


def _own_side(shape: tuple[int, ...], corner: tuple[int, int], clicks: Sequence[Click]) -> Mask:
    """What is the last click's to change, rather than that of a click of the other sign; ``corner`` is (x, y)."""
    last = clicks[-1]
    own = _distances(shape, (int(last.x) - corner[0], int(last.y) - corner[1]))
    out = np.ones((shape[0], shape[1]), np.bool_)
    for one in clicks[:-1]:
        if one.positive != last.positive:
            out &= own < _distances(shape, (int(one.x) - corner[0], int(one.y) - corner[1])) / _OWN_SIDE
    return out


def _sure_radius(part: Mask, reach: float, heard: bool) -> float:
    """Radius of what the click changes in any case: a disc beside the outline, else little more than the click."""
    if heard:
        reach = reach * _IF_HEARD
    size = math.sqrt(max(int(np.count_nonzero(part)), 1))
    return _SURE_DISC * reach if reach <= _BESIDE * size + 3 else min(0.1 * size, 0.5 * reach)


def _bump(part: Mask, at: tuple[int, int], reach: float, away: Floats) -> Mask:
    """Where the outline moves to the click's other side if it is wrong by as much beside the click, tapering off."""
    side = part == part[at[1], at[0]]
    depth = cv2.distanceTransform(side.astype(np.uint8), cv2.DIST_L2, 3)
    along = (away / (_BUMP * reach)) ** 2
    return np.asarray(side & (along < 1) & (depth <= 2 * reach * np.sqrt(np.clip(1 - along, 0, 1))))


def _piece_at(mask: Mask, at: tuple[int, int]) -> Mask:
    """The piece of ``mask`` that holds the place; none where the place is not in it."""
    if not mask[at[1], at[0]]:
        return np.zeros_like(mask)
    _, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=4)
    return np.asarray(labels == labels[at[1], at[0]])


def _obeying(whole: Mask, sure: Mask, positive: bool) -> Mask:
    return whole | sure if positive else whole & ~sure


class _Judge:
    """Tells what a change is worth, 0..1: it agrees with the network's answers, and has the click in its middle."""

    def __init__(self, part: Mask, at: tuple[int, int], answers: Sequence[Answer]) -> None:
        self._part, self._at = part, at
        # A share of the pixels tells as much about an overlap, at a share of the time.
        self._step = max(1, max(part.shape) // 256)
        thin = (slice(None, None, self._step), slice(None, None, self._step))
        # What every option is asked is worked out once: there are up to thirty.
        self._covered = [covered[thin] for _, covered in answers]
        self._sure = [probability[thin][at] for (probability, _), at in zip(answers, self._covered, strict=True)]
        self._sums = [float(sure.sum()) for sure in self._sure]

    def worth(self, option: Mask) -> float:
        """Of the region ``option``."""
        small = option[:: self._step, :: self._step]
        told = zip(self._covered, self._sure, self._sums, strict=True)
        fits = [_soft_iou(small[covered], sure, total) for covered, sure, total in told]
        agreement = float(np.mean(fits)) if fits else 0.0
        middle = _centrality(option != self._part, self._at)
        return (_AGREEMENT * agreement + _MIDDLE * middle) / (_AGREEMENT + _MIDDLE)


def _soft_iou(mask: npt.NDArray[np.bool_], probability: Floats, total: float) -> float:
    """IoU of ``mask``, bool (n,), with ``probability``, float32 (n,), whose sum is ``total``."""
    common = float(probability[mask].sum())
    return common / max(np.count_nonzero(mask) + total - common, 1e-6)


def _centrality(change: Mask, at: tuple[int, int]) -> float:
    """Depth of the place in the change over the change's largest, 0..1."""
    if not change[at[1], at[0]]:
        return 0.0
    x, y, w, h = cv2.boundingRect(change.view(np.uint8))
    part = np.ascontiguousarray(change[y : y + h, x : x + w])
    field = cv2.distanceTransform(np.pad(part, 1).astype(np.uint8), cv2.DIST_L2, 3)
    return float(field[at[1] - y + 1, at[0] - x + 1]) / max(float(field.max()), 1e-3)


def _depth_at(side: Mask, at: tuple[int, int], otherwise: float) -> float:
    if side.all():
        return otherwise
    return float(cv2.distanceTransform(side.astype(np.uint8), cv2.DIST_L2, 3)[at[1], at[0]])
