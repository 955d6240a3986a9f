"""Which other good photos an edit looks at, and how they lie on its own; registered once and kept warm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from core.engines.api import GoodPhotos
from core.engines.ground.aligned import Matrix, OtherPhoto
from core.images.registration import register
from core.memory_budget import WarmCache
from core.types import Mask, NormalImage, Region

MOST = 24
"""More photos than this show little more of the ground, and cost time."""
LEAST_AGREEMENT = 0.25
"""Correlation below which a photo shows another view."""

SURFACE = 0.25
"""Share of the photo from which a region is a surface that parts lie on."""

_registered: WarmCache[tuple[str, str], tuple[Matrix, float]] = WarmCache(lambda found: found[0].nbytes)


def other_photos(
    normal: NormalImage,
    goods: GoodPhotos | None,
    ids: Sequence[str],
    check: Callable[[], None],
    regions_of: Callable[[str], Sequence[Region]],
) -> tuple[OtherPhoto, ...]:
    """The photos ``ids`` of ``goods``, laid on ``normal``; those of another size or view are left out.

    All are registered to the first of them, so that each photo is registered once however many are edited.
    ``check`` is called between photos, and may raise.
    """
    ids = [i for i in ids if i != normal.id]
    if goods is None or not ids:
        return ()
    first = goods.normal(min(ids))
    here = _onto(normal, first)
    if here is None:
        return ()
    back = cv2.invertAffineTransform(here)
    found = []
    for photo_id in ids:
        check()
        photo = goods.normal(photo_id)
        if photo.shape == normal.shape and (there := _onto(photo, first)) is not None:
            found.append(OtherPhoto(photo.pixels, _after(back, there), parts_of_regions(regions_of(photo_id))))
    return tuple(found)


def parts_of_regions(regions: Sequence[Region]) -> Mask | None:
    """All regions of a photo but those that others lie on; None where there are none."""
    masks = [region.mask for region in regions if region.mask.mean() < SURFACE]
    return np.logical_or.reduce(masks) if masks else None


def chosen_ids(normal: NormalImage, goods: GoodPhotos | None) -> tuple[str, ...]:
    """The ids of the photos to look at: at most MOST, spread evenly over all in order of their ids."""
    ids = sorted(i for i in (goods.normal_ids() if goods is not None else ()) if i != normal.id)
    if len(ids) <= MOST:
        return tuple(ids)
    return tuple(ids[int(k)] for k in np.linspace(0, len(ids) - 1, MOST).round())


def taken_elsewhere(others: Sequence[OtherPhoto], shape: tuple[int, int]) -> Mask:
    """Where parts come to lie on ``others``, as this photo of ``shape`` sees it: bool (H, W).

    What all of them have at one place is fixed there, or a hole: it tells nothing of where a part may lie.
    """
    size = (shape[1], shape[0])
    laid = [
        cv2.warpAffine(one.parts.view(np.uint8), one.matrix, size, flags=cv2.INTER_NEAREST) > 0
        for one in others
        if one.parts is not None
    ]
    if len(laid) < 2:
        return np.zeros(shape, np.bool_)
    return np.asarray(np.logical_or.reduce(laid) & ~np.logical_and.reduce(laid), np.bool_)


def _onto(photo: NormalImage, first: NormalImage) -> Matrix | None:
    """The matrix from ``photo`` to ``first``; None where they show different views."""
    if photo.id == first.id:
        return np.eye(2, 3)
    if photo.shape != first.shape:
        return None

    def registered() -> tuple[Matrix, float]:
        found = register(photo.pixels, first.pixels)
        return found.matrix, found.quality

    matrix, quality = _registered.get((photo.id, first.id), registered)
    return matrix if quality >= LEAST_AGREEMENT else None


def _after(second: Matrix, first: Matrix) -> Matrix:
    """Both affine maps, (2, 3), in one."""
    below = [[0.0, 0.0, 1.0]]
    return np.asarray((np.concatenate([second, below]) @ np.concatenate([first, below]))[:2], np.float64)
