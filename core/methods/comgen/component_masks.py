"""Where each component of a photo is: as its regions were drawn, else as its word's attention sees it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_fill_holes, center_of_mass

from core.images.geometry import covered
from core.methods.comgen.component_prompt import PromptComponent, component_name
from core.types import Mask, Region

Floats = npt.NDArray[np.float32]

HALF = 0.5
"""Of a map's maximum, from which a place belongs to the component."""


def component_instances(
    chips: Sequence[PromptComponent], regions: Sequence[Region], maps: Floats, shape: tuple[int, int]
) -> tuple[tuple[Mask, ...], ...]:
    """For each chip the masks, bool ``shape``, of its instances; as many as it counts, fewer where fewer are seen.

    ``maps`` float32 (p, h, w) are the chips' attention maps; they are asked only for components without a region.
    """
    out = []
    for chip, seen in zip(chips, maps, strict=True):
        own = [_filled(covered(r.mask, shape)) for r in regions if component_name(r.name) in (chip.name, chip.noun)]
        out.append(tuple(own) if own else masks_from_attention(seen, chip.count, shape))
    return tuple(out)


def region_index(mask: Mask, regions: Sequence[Region]) -> int | None:
    """The index of the region that ``component_instances`` made ``mask`` of; None where attention told the place."""
    same = (i for i, r in enumerate(regions) if np.array_equal(_filled(covered(r.mask, mask.shape)), mask))
    return next(same, None)


def _filled(mask: Mask) -> Mask:
    """``mask`` without holes: what is seen through a ring goes where the ring goes."""
    return np.asarray(binary_fill_holes(mask), np.bool_)


def masks_from_attention(seen: Floats, count: int, shape: tuple[int, int]) -> tuple[Mask, ...]:
    """The ``count`` pieces of an attention map (h, w) that hold most of it; pieces that touch are parted."""
    soft = np.asarray(cv2.resize(seen, shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    inside = soft >= HALF * soft.max()
    number, labels = cv2.connectedComponents(inside.astype(np.uint8), connectivity=8)
    masses = np.bincount(labels.ravel(), soft.ravel(), number)[1:]
    order = np.argsort(-masses, kind="stable") + 1
    if len(order) >= count:
        return tuple(np.asarray(labels == k, np.bool_) for k in order[:count])
    points = np.argwhere(inside).astype(np.float32)
    if len(points) <= count:
        return (np.asarray(inside, np.bool_),)
    owner = _parted(points, count)
    out = np.zeros((count, *shape), np.bool_)
    rows, columns = points.astype(np.intp).T
    out[owner, rows, columns] = True
    return tuple(out)


def _parted(points: Floats, count: int) -> npt.NDArray[np.intp]:
    """k-means over places; same points, same parts."""
    from sklearn.cluster import KMeans

    found = KMeans(count, n_init=3, random_state=0).fit_predict(points)
    return np.asarray(found, np.intp)


def centre(mask: Mask) -> tuple[float, float]:
    """(y, x) of the middle of a mask that is not empty."""
    y, x = center_of_mass(mask)
    return float(y), float(x)


def shifted(mask: Mask, shift: tuple[float, float]) -> Mask:
    """``mask`` moved by (down, right) pixels; what leaves the frame is gone."""
    matrix = np.array([[1, 0, round(shift[1])], [0, 1, round(shift[0])]], np.float32)
    out = cv2.warpAffine(mask.astype(np.uint8), matrix, mask.shape[::-1], flags=cv2.INTER_NEAREST)
    return np.asarray(out != 0, np.bool_)
