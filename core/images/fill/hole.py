"""Let the surface go on where something was taken away."""

from __future__ import annotations

import math

import cv2
import numpy as np

from core.errors import MaskError
from core.images.crop import PhotoCrop, crop_of_mask
from core.images.fill.grain import fill_plain_surface
from core.images.fill.shift_candidates import Offsets, candidate_offsets, rim_dissimilarity
from core.images.fill.shift_labels import Labels, choose_labels, polish_labels
from core.images.fill.stitch import refine_offsets, stitch
from core.images.geometry import dilated_square
from core.images.poisson_equation import Field
from core.images.write import is_grey
from core.types import Image, Mask, check_image, check_mask

_WORK_SIDE = 176
"""Sources are sought in a picture of at most this many pixels a side."""
_MIN_CROP_SIDE = 96
_CONTEXT = 1.0
"""How far around the hole sources are sought, in sides of its box."""
_NEAR = 0.6
_LEAST_KNOWN = 0.1
_JOIN_DISTANCE = 8
"""Pixels by which each part is widened to see which belong together."""
_LEAST_SOURCES = 400
_MAX_OVERSHOOT = 10.0
"""Grey levels that the filled surface may be brighter or darker than any that is copied from."""


def fill_hole(photo: Image, hole: Mask, rng: np.random.Generator, avoid: Mask | None = None) -> Image:
    """``photo`` with the surface going on where ``hole`` is True; exactly the photo elsewhere.

    ``hole`` and ``avoid``, the pixels not to copy from (other components, say), are bool (H, W). MaskError if
    less than a tenth of the photo is left to copy from. Grey stays grey.
    """
    photo = check_image(photo)
    hole = check_mask(hole, photo.shape[:2], "hole")
    sources = ~hole if avoid is None else ~(hole | check_mask(avoid, photo.shape[:2], "avoid"))
    if not hole.any():
        return photo.copy()
    if sources.mean() < _LEAST_KNOWN:
        raise MaskError(
            f"hole: expected at least {_LEAST_KNOWN:.0%} of the photo left to continue the surface from, "
            f"got {sources.mean():.1%}; make the hole or the region to avoid smaller"
        )
    out = photo.copy()
    for part in _parts(hole):
        near = _near(part)
        image = _as_floats(photo[near.slices])
        filled = fill_plain_surface(image, part[near.slices], sources[near.slices], rng)
        if filled is None:
            near = _search_area(part, sources)
            image = _as_floats(photo[near.slices])
            image = image[..., None] if image.ndim == 2 else image
            filled = _fill(image, part[near.slices], ~hole[near.slices], sources[near.slices], rng)
        filled8 = np.rint(np.clip(filled, 0, 255)).astype(np.uint8)
        filled8 = filled8[..., None] if filled8.ndim == 2 else filled8
        np.copyto(out[near.slices], filled8, where=part[near.slices][..., None])
    return out


def _as_floats(pixels: Image) -> Field:
    """float32 (h, w, 3), or (h, w) where grey: then there is a third to do."""
    return np.ascontiguousarray(pixels[..., 0] if is_grey(pixels) else pixels).astype(np.float32)


def _near(hole: Mask) -> PhotoCrop:
    """The hole's box with enough around it to tell what surface it is in, inside the frame."""
    box = crop_of_mask(hole, grow=0)
    assert box is not None
    near = crop_of_mask(hole, grow=max(round(_NEAR * max(box.shape)), _MIN_CROP_SIDE // 4))
    assert near is not None
    return near


def _parts(hole: Mask) -> list[Mask]:
    """The hole's parts; those within a few pixels of one another count as one."""
    box = crop_of_mask(hole)
    assert box is not None
    near = dilated_square(hole[box.slices], _JOIN_DISTANCE)
    count, labels = cv2.connectedComponents(near.view(np.uint8), connectivity=8)
    if count == 2:
        return [hole]
    parts = [np.zeros_like(hole) for _ in range(1, count)]
    for index, part in enumerate(parts, start=1):
        part[box.slices] = hole[box.slices] & (labels == index)
    return parts


def _search_area(hole: Mask, sources: Mask) -> PhotoCrop:
    """The hole's box with enough around it to copy from, inside the frame."""
    box = crop_of_mask(hole, grow=0)
    assert box is not None
    height, width = hole.shape
    around = max(int(_CONTEXT * max(box.shape)), _MIN_CROP_SIDE // 2)
    while True:
        y0, y1 = max(box.y0 - around, 0), min(box.y1 + around, height)
        x0, x1 = max(box.x0 - around, 0), min(box.x1 + around, width)
        enough = int(sources[y0:y1, x0:x1].sum()) >= max(int(hole.sum()), _LEAST_SOURCES)
        if enough or (y1 - y0, x1 - x0) == hole.shape:
            return PhotoCrop(y0, x0, y1, x1)
        around *= 2


def _fill(image: Field, hole: Mask, known: Mask, sources: Mask, rng: np.random.Generator) -> Field:
    scale = max(1, math.ceil(max(hole.shape) / _WORK_SIDE))
    small, small_hole, small_known, small_sources = _reduce(image, hole, known, sources, scale)
    offsets, labels = np.zeros((0, 2), np.intp), np.full(small_hole.shape, -1)
    if small_sources.any():
        strange = rim_dissimilarity(small, small_hole, small_sources)
        offsets, matched = candidate_offsets(small, small_hole, small_known, small_sources, strange)
        if len(offsets):
            labels = choose_labels(small, small_hole, small_known, small_sources, strange, offsets, matched, rng)
    height, width = hole.shape
    full = labels.repeat(scale, 0).repeat(scale, 1)[:height, :width]
    full[~hole] = -1
    offsets = refine_offsets(image, sources, full, offsets, scale)
    if scale > 1:
        full = polish_labels(image, hole, known, sources, offsets, full)
    rows = np.repeat(np.arange(height)[:, None], width, axis=1)
    columns = np.repeat(np.arange(width)[None], height, axis=0)
    named = full >= 0
    rows[named] += offsets[full[named], 0]
    columns[named] += offsets[full[named], 1]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    usable = named & inside
    usable[usable] = sources[rows[usable], columns[usable]]
    lost = hole & ~usable
    if lost.any():
        _assign_missing_sources(rows, columns, lost, sources, offsets)
    return _clipped_to_sources(stitch(image, hole, sources, (rows, columns)), image, sources)


def _clipped_to_sources(filled: Field, image: Field, sources: Mask) -> Field:
    """Values as the sources have them, or a little beyond: a hole with little rim could drift away."""
    for channel in range(image.shape[2]):
        least, most, _, _ = cv2.minMaxLoc(image[..., channel], sources.view(np.uint8))
        np.clip(filled[..., channel], least - _MAX_OVERSHOOT, most + _MAX_OVERSHOOT, out=filled[..., channel])
    return filled


def _assign_missing_sources(rows: Labels, columns: Labels, lost: Mask, sources: Mask, offsets: Offsets) -> None:
    """Give pixels left without a source any offset that has one there, else the nearest source pixel."""
    ys, xs = np.nonzero(lost)
    for dy, dx in offsets:
        if not len(ys):
            return
        y, x = ys + dy, xs + dx
        good = (y >= 0) & (x >= 0) & (y < lost.shape[0]) & (x < lost.shape[1])
        good[good] = sources[y[good], x[good]]
        rows[ys[good], xs[good]], columns[ys[good], xs[good]] = y[good], x[good]
        ys, xs = ys[~good], xs[~good]
    if len(ys):
        _, nearest = cv2.distanceTransformWithLabels(
            (~sources).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
        )
        at = np.zeros((int(nearest.max()) + 1, 2), np.int64)
        at[nearest[sources]] = np.argwhere(sources)
        rows[ys, xs], columns[ys, xs] = at[nearest[ys, xs]].T


def _reduce(image: Field, hole: Mask, known: Mask, sources: Mask, scale: int) -> tuple[Field, Mask, Mask, Mask]:
    """Everything on blocks of ``scale`` pixels: hole where any is, known and source where all are."""
    if scale == 1:
        return image, hole, known, sources
    height, width = hole.shape
    size = (-(-width // scale), -(-height // scale))
    pad = (0, size[1] * scale - height, 0, size[0] * scale - width)
    padded = cv2.copyMakeBorder(image, *pad, cv2.BORDER_REPLICATE)
    small = cv2.resize(padded, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], image.shape[2])

    def blocks(mask: Mask) -> Mask:
        whole = np.pad(mask, ((0, pad[1]), (0, pad[3])))
        pooled = cv2.resize(whole.view(np.uint8) * np.float32(1), size, interpolation=cv2.INTER_AREA)
        touched: Mask = pooled > 0
        return touched

    return small, blocks(hole), ~blocks(~known), ~blocks(~sources)
