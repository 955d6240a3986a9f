"""Residual mapping (ComGEN, section III-C, eqs. 7 to 10): where, and in which component, a picture breaks its logic.

Names here and in the paper:

    norm, gen      A_0^{s,norm}, A_0^{s,gen}   attention of each component's word at t = 0, of the good and the other
    smoothed       Gaussian(A_0^s)             a Gaussian of kernel size 3 (eq. 7)
    Residual.soft  y^mask before a threshold   Upsample(sum_s |A_0^{s,norm} - A_0^{s,gen}|) (eq. 10)

The paper does not say how the soft map becomes a mask. Here it is where the map reaches SHARE of its maximum, if that
maximum reaches FLOOR: ``unrefined``, as coarse as the attention's cells. ``refined`` carries it to the edges of what
visibly differs between the two pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import InputError, MaskError
from core.types import Image, Mask, check_image

Floats = npt.NDArray[np.float32]

SHARE = 0.4
"""Of the soft map's maximum, from which a place is in the mask."""
FLOOR = 0.06
"""Least difference of attention (0..1, all components together) that is a change at all."""
REACH = 1.0
"""Cells by which the refined mask may leave the unrefined one: a cell's own width is as sure as attention is."""
LEVELS = 8.0
"""Levels of 255 from which a refined pixel differs; see core.quality.visible_change for a photo's own noise."""
EDGE = 0.1
"""Of the way from the mean of what did not change to that of what did: low, so that soft shadows count too."""
CELL_SHARE = 0.02
"""Of the coarse piece it belongs to, below which a refined piece is a speck."""


@dataclass(frozen=True)
class AttentionDiff:
    """What eq. 10 gives for one picture.

    ``soft`` float32 (H, W) in 0..1 is the sum over components, ``unrefined`` the bool (H, W) mask cut from it;
    ``components`` maps each name to its own share of ``soft``, float32 (H, W). ``component_weights`` are their sums
    over the unrefined mask, as shares of 1.
    """

    soft: Floats
    unrefined: Mask
    components: Mapping[str, Floats]
    component_weights: Mapping[str, float]

    @property
    def top_component(self) -> str:
        """The component that differs most; "" where nothing does."""
        return (
            max(self.component_weights, key=lambda name: self.component_weights[name]) if self.unrefined.any() else ""
        )


def attention_diff(norm: Floats, gen: Floats, names: Sequence[str], shape: tuple[int, int]) -> AttentionDiff:
    """Eqs. 7 and 10 for maps float32 (p, h, w) in 0..1 of two pictures, one row for each of ``names``.

    ``shape`` is (H, W) of the picture. InputError where the maps do not fit one another.
    """
    norm, gen = np.asarray(norm, np.float32), np.asarray(gen, np.float32)
    if norm.ndim != 3 or norm.shape != gen.shape or len(norm) != len(names) or not len(names):
        raise InputError(
            f"residual: expected two sets of maps (p, h, w) for {len(names)} components, got {norm.shape} and "
            f"{gen.shape}; read both with the same prompt"
        )
    apart = np.abs(smoothed(norm) - smoothed(gen))
    parts = {name: _upsampled(one, shape) for name, one in zip(names, apart, strict=True)}
    soft = np.clip(sum(parts.values()), 0, 1).astype(np.float32)
    most = float(soft.max())
    unrefined = np.asarray(soft >= max(SHARE * most, 1e-6), np.bool_) if most >= FLOOR else np.zeros(shape, np.bool_)
    inside = {name: float(part[unrefined].sum()) for name, part in parts.items()}
    total = sum(inside.values()) or 1.0
    return AttentionDiff(soft, unrefined, parts, {name: mass / total for name, mass in inside.items()})


def smoothed(maps: Floats) -> Floats:
    """Eq. 7: each of the maps (p, h, w) under a 3x3 Gaussian."""
    return np.stack([cv2.GaussianBlur(one, (3, 3), 0, borderType=cv2.BORDER_REPLICATE) for one in maps])


def _upsampled(cells: Floats, shape: tuple[int, int]) -> Floats:
    up = cv2.resize(cells, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(up, np.float32)


def refined(unrefined: Mask, before: Image, after: Image, cell: float, within: Mask | None = None) -> Mask:
    """``unrefined`` carried to the edges of what visibly differs: bool (H, W).

    ``before`` and ``after`` are uint8 (H, W, 3): the good picture and the other, as alike as they can be elsewhere;
    ``cell`` is the side of one cell of the attention in pixels. The difference is taken within REACH cells of the
    coarse mask (and ``within``), from LEVELS or EDGE of the way from unchanged to changed there (Otsu 1979), whichever
    is more; holes and gaps of noise are closed. Where nothing differs visibly it stays empty.
    """
    before, after = check_image(before), check_image(after)
    if before.shape != after.shape or unrefined.shape != before.shape[:2]:
        raise MaskError(
            f"refined mask: expected two pictures and a mask of one size, got {before.shape[:2]}, {after.shape[:2]} "
            f"and {unrefined.shape}"
        )
    if not unrefined.any():
        return np.zeros(unrefined.shape, np.bool_)
    near = grown(unrefined, REACH * cell)
    if within is not None:
        near &= within
    apart = cv2.GaussianBlur(_apart(before, after), (0, 0), max(cell / 24, 0.6))
    if not near.any():
        return near
    changed = (apart >= max(LEVELS, _edge(apart[near]))) & near
    return _whole(changed, unrefined, near, cell)


def grown(mask: Mask, radius: float) -> Mask:
    """``mask`` and every pixel within ``radius`` of it."""
    if not mask.any() or radius <= 0:
        return mask.copy()
    away = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(away <= radius, np.bool_)


def _apart(before: Image, after: Image) -> Floats:
    difference = before.astype(np.float32) - after.astype(np.float32)
    return np.asarray(np.abs(difference).max(axis=2), np.float32)


def _edge(values: Floats) -> float:
    levels = np.clip(values, 0, 255).astype(np.uint8).reshape(-1, 1)
    split = cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)[0]
    high, low = values[values > split], values[values <= split]
    return float(low.mean() + EDGE * (high.mean() - low.mean())) if high.size and low.size else 0.0


def _whole(changed: Mask, unrefined: Mask, near: Mask, cell: float) -> Mask:
    """Gaps closed, holes filled, and only pieces that meet the coarse mask and are no specks."""
    radius = max(1, round(cell / 8))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    closed = cv2.morphologyEx(changed.astype(np.uint8), cv2.MORPH_CLOSE, disc) & near.view(np.uint8)
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = closed.copy()
    for outline in outlines:
        cv2.drawContours(filled, [outline], -1, 1, cv2.FILLED)
    filled = closed | _small(filled & ~closed, (cell / 4) ** 2)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(filled, connectivity=8)
    met = np.zeros(count, np.bool_)
    met[np.unique(labels[unrefined])] = True
    met &= stats[:, cv2.CC_STAT_AREA] >= max(4.0, CELL_SHARE * float(unrefined.sum()))
    met[0] = False
    return np.asarray(met[labels], np.bool_)


def _small(holes: npt.NDArray[np.uint8], most: float) -> npt.NDArray[np.uint8]:
    """The holes of at most so many pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(holes, connectivity=4)
    keep = stats[:, cv2.CC_STAT_AREA] <= most
    keep[0] = False
    return np.asarray(keep[labels], np.uint8)
