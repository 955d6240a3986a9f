"""Copy a hole's pixels from where its labels say, at full resolution, without seams."""

from __future__ import annotations

import numpy as np

from core.images.crop import crop_of_mask
from core.images.fill.shift_candidates import Offsets
from core.images.fill.shift_labels import Labels, used_labels
from core.images.geometry import dilated_square
from core.images.poisson_equation import Field, solve_poisson
from core.types import Mask

_RIM_POINTS = 300
_TOLERANCE = 0.5
_SHADING = 80.0
"""A step at the rim above this many grey levels is an edge of the scene, not shading to be evened out."""


def refine_offsets(image: Field, sources: Mask, labels: Labels, offsets: Offsets, scale: int) -> Offsets:
    """``offsets`` of a picture reduced by ``scale``, brought to full resolution by matching at each label's rim."""
    full = offsets * scale
    if scale == 1:
        return full
    reach = scale + 4
    outside = sources & (labels < 0)
    for index in used_labels(labels):
        box = crop_of_mask(labels == index, grow=reach)
        assert box is not None
        near = dilated_square(labels[box.slices] == index, reach)
        points = np.argwhere(near & outside[box.slices]) + (box.y0, box.x0)
        if len(points):
            points = points[:: max(1, len(points) // _RIM_POINTS)]
            full[index] = _best_shift(image, sources, points, full[index], scale)
    return full


def _best_shift(image: Field, sources: Mask, points: Offsets, offset: Offsets, scale: int) -> Offsets:
    """Search around ``offset`` with halving steps for the least mean absolute difference at ``points``."""
    here = image[points[:, 0], points[:, 1]]
    step = max(1, scale // 2)
    # The nearest first: of equals, it wins.
    steps = np.argwhere(np.ones((5, 5))) - 2
    steps = steps[np.argsort((steps * steps).sum(axis=1), kind="stable")]
    while True:
        trials = offset + steps * step
        offset = trials[np.argmin(_differences(image, sources, points, trials, here))]
        if step == 1:
            return offset
        step //= 2


def _differences(image: Field, sources: Mask, points: Offsets, offsets: Offsets, here: Field) -> Field:
    """Mean absolute difference at ``points`` per offset; infinite where too few of them may be copied."""
    places = points[None] + offsets[:, None]
    limit = np.array(sources.shape)
    inside = ((places >= 0) & (places < limit)).all(axis=2)
    ys, xs = np.moveaxis(np.clip(places, 0, limit - 1), 2, 0)
    usable = (inside & sources[ys, xs]).astype(np.float32)
    count = usable.sum(axis=1)
    apart = (np.abs(image[ys, xs] - here).mean(axis=2) * usable).sum(axis=1) / np.maximum(count, 1)
    return np.where(count < 0.7 * len(points), np.float32(np.inf), apart)


def stitch(image: Field, hole: Mask, sources: Mask, places: tuple[Labels, Labels]) -> Field:
    """``image`` float32 (h, w, c) with ``hole`` filled from ``places``, the row and the column of each pixel's source.

    Gradients are copied, not values (Perez et al. 2003): shading runs on from the rim, grain comes along.
    Across a seam between two sources the mean of both gradients counts, and the plain step where they differ much.
    """
    box = crop_of_mask(hole)
    if box is None:
        return image
    # Only the hole and its rim are worked on; sources are looked up in the whole picture.
    hole, places = hole[box.slices], (places[0][box.slices], places[1][box.slices])
    copied = image[places]
    source = np.zeros_like(copied)
    for axis in (0, 1):
        a = (slice(None, -1), slice(None)) if axis == 0 else (slice(None), slice(None, -1))
        b = (slice(1, None), slice(None)) if axis == 0 else (slice(None), slice(1, None))
        ahead, ahead_known = _neighbour(image, sources, places, a, axis, 1)
        behind, behind_known = _neighbour(image, sources, places, b, axis, -1)
        # What each side expects its neighbour to be, against what the neighbour is.
        plain = copied[b] - copied[a]
        trust_a = (hole[a] & ahead_known & (_max_difference(ahead, copied[b]) < _SHADING))[..., None]
        trust_b = (hole[b] & behind_known & (_max_difference(behind, copied[a]) < _SHADING))[..., None]
        step_a, step_b = ahead - copied[a], copied[b] - behind
        step = np.where(trust_a, np.where(trust_b, (step_a + step_b) / 2, step_a), np.where(trust_b, step_b, plain))
        source[a] -= step
        source[b] += step
    out = image.copy()
    out[box.slices] = solve_poisson(copied, hole, source, _TOLERANCE)
    return out


def _max_difference(one: Field, other: Field) -> Field:
    """The largest difference of any channel, (h, w)."""
    difference = np.abs(one - other)
    largest: Field = difference[..., 0]
    for channel in range(1, difference.shape[2]):
        largest = np.maximum(largest, difference[..., channel])
    return largest


def _neighbour(
    image: Field, sources: Mask, places: tuple[Labels, Labels], part: tuple[slice, slice], axis: int, by: int
) -> tuple[Field, Mask]:
    """The pixel beside each source, and whether it may be copied."""
    moved = [places[0][part], places[1][part]]
    limit = image.shape[axis] - 1
    inside = moved[axis] + by
    moved[axis] = np.clip(inside, 0, limit)
    at = (moved[0], moved[1])
    return image[at], sources[at] & (inside >= 0) & (inside <= limit)
