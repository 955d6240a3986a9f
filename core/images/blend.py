"""Bring a patch into a photo: by a soft edge, or by its gradients."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import ImageError, InputError
from core.images.crop import PhotoCrop, crop_of_mask
from core.images.geometry import outer_rim
from core.images.poisson_equation import Field, solve_poisson
from core.images.write import is_grey
from core.types import Image, Mask, check_image, check_mask

_PART_COST = 4000
"""Solving a part of a mask on its own costs about as much as this many pixels more."""


def inner_alpha(mask: Mask, radius: float) -> npt.NDArray[np.float32]:
    """A soft edge within ``mask``: float32 (H, W), 0 outside, rising to 1 ``radius`` pixels inside.

    ``radius`` 0 gives the mask itself. Where the mask touches the frame there is no edge to soften.
    """
    mask = check_mask(mask)
    if not radius >= 0:
        raise InputError(f"radius: expected 0 or more pixels, got {radius!r}; 0 means a hard edge")
    alpha = mask.astype(np.float32)
    box = crop_of_mask(mask)
    if box is None or mask.all():
        return alpha
    depth = cv2.distanceTransform(mask[box.slices].view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Its last bit depends on where the array lies in memory; squares of distances are whole numbers.
    depth = np.sqrt(np.rint(depth * depth))
    alpha[box.slices] = np.minimum(depth / np.float32(radius + 1), 1)
    return alpha


def alpha_blend(under: Image, over: Image, alpha: npt.NDArray[np.float32]) -> Image:
    """``under + alpha (over - under)``, rounded; ``alpha`` is (H, W) in 0..1, and 0 and 1 are exact."""
    under, over = _same_size(under, over)
    if alpha.shape != under.shape[:2]:
        raise InputError(f"alpha: expected {under.shape[:2]} as the photo, got {alpha.shape}; make it from this photo")
    out = under.copy()
    box = crop_of_mask(alpha > 0, grow=0)
    if box is not None:
        below, above = under[box.slices].astype(np.float32), over[box.slices]
        out[box.slices] = np.rint(below + np.clip(alpha[box.slices], 0, 1)[..., None] * (above - below))
    return out


def poisson_blend(photo: Image, patch: Image, mask: Mask, mixed: bool = False) -> Image:
    """Clone ``patch`` into ``photo`` inside ``mask`` so that no edge shows (Perez et al. 2003, eqs. 3 and 12).

    All three have one size; ``patch`` must show its own surface up to one pixel outside the mask, whose
    gradients are taken. ``mixed`` keeps the stronger of the two gradients, so the photo's texture shows
    through. The photo is exact outside the mask. The mask may touch the frame (which then sets no condition)
    and have any shape and number of parts; if it is the whole frame, the patch is returned. Grey stays grey.
    """
    photo, patch = _same_size(photo, patch)
    mask = check_mask(mask, photo.shape[:2])
    if mask.all():
        return patch.copy()
    out = photo.copy()
    for box, part in _parts(mask):
        below, above = photo[box.slices], patch[box.slices]
        if is_grey(below) and is_grey(above):
            below, above = below[..., 0], above[..., 0]
        cloned = _clone(below.astype(np.float32), above.astype(np.float32), part, mixed)
        cloned = cloned if cloned.ndim == 3 else cloned[..., None]
        np.copyto(out[box.slices], np.rint(np.clip(cloned, 0, 255)).astype(np.uint8), where=part[..., None])
    return out


def _clone(photo: Field, patch: Field, mask: Mask, mixed: bool) -> Field:
    """Solve for what is added to the patch: photo - patch outside, harmonic inside but for mixed gradients."""
    difference = photo - patch
    source = _mixed_source(photo, patch) if mixed else None
    inside = mask if patch.ndim == 2 else mask[..., None]
    rim = outer_rim(mask)
    guess = np.where(inside, difference[rim].mean(axis=0), difference)
    return patch + solve_poisson(guess, mask, source)


def _mixed_source(photo: Field, patch: Field) -> Field:
    """Minus the divergence of (v - grad patch), where v is the stronger of both gradients on every edge."""
    source = np.zeros_like(patch)
    for axis in (0, 1):
        own, other = np.diff(patch, axis=axis), np.diff(photo, axis=axis)
        # One choice for all channels, lest a channel of one picture show through another's.
        strength = np.abs(other) - np.abs(own)
        stronger = strength > 0 if strength.ndim == 2 else strength.sum(axis=2, keepdims=True) > 0
        extra = np.where(stronger, other - own, 0)
        before, after = [slice(None)] * patch.ndim, [slice(None)] * patch.ndim
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        source[tuple(before)] -= extra
        source[tuple(after)] += extra
    return source


def _parts(mask: Mask) -> Iterator[tuple[PhotoCrop, Mask]]:
    """The mask's parts with a rim of one pixel; together in one box where that is cheaper."""
    whole = crop_of_mask(mask)
    if whole is None:
        return
    # Parts that meet only at a corner share no equation: two pixels are neighbours along rows and columns.
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask[whole.slices].view(np.uint8), connectivity=4)
    sizes = (stats[1:, cv2.CC_STAT_WIDTH] + 2) * (stats[1:, cv2.CC_STAT_HEIGHT] + 2) + _PART_COST
    if count == 2 or sizes.sum() >= whole.shape[0] * whole.shape[1] + _PART_COST:
        yield whole, mask[whole.slices]
        return
    for index in range(1, count):
        left, top, width, height = (int(v) for v in stats[index, :4])
        y0, x0 = max(top - 1, 0), max(left - 1, 0)
        y1, x1 = min(top + height + 1, whole.shape[0]), min(left + width + 1, whole.shape[1])
        yield (
            PhotoCrop(whole.y0 + y0, whole.x0 + x0, whole.y0 + y1, whole.x0 + x1),
            labels[y0:y1, x0:x1] == index,
        )


def _same_size(photo: Image, patch: Image) -> tuple[Image, Image]:
    photo, patch = check_image(photo), check_image(patch, "patch")
    if photo.shape != patch.shape:
        raise ImageError(
            f"patch: expected the photo's {photo.shape[1]}x{photo.shape[0]} pixels, "
            f"got {patch.shape[1]}x{patch.shape[0]}; paste it on a copy of the photo first"
        )
    return photo, patch
