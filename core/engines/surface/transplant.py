"""A real defect's pixels, carried over into another mask on another photo."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.surface.gradient_noise import depth, relative_depth
from core.engines.surface.surface import Pixels, Surface
from core.images.geometry import mask_box
from core.placement_rules import Placement
from core.types import AnomalyExample, Image, Mask

Coordinates = npt.NDArray[np.float32]
"""``float32 (h, w, 2)``: (x, y) in the example's crop for each pixel of the target."""

_MAP_PIXELS = 6000
_SAME_SHAPE = 0.55
"""Overlap (IoU) of the turned defect with the mask from which its own outline is kept."""


def transplant(
    example: AnomalyExample,
    surface: Surface,
    rng: np.random.Generator,
    placement: Placement | None,
    rotate: float = 180.0,
) -> Pixels:
    """One instance of ``example`` in the surface's mask: float32 (h, w, 3), light matched to the new surroundings.

    It is turned by up to ``rotate`` degrees either way; not at all where the request's ``placement`` put the mask as
    the example lies.

    Where the turned and scaled defect covers the mask well it is carried over as it is. Where the mask has another
    form, each of its pixels takes the defect's pixel at the same place along the shape and at the same relative depth,
    so that rim comes from rim and core from core.
    """
    rotate = 0.0 if placement is not None and placement.follows_example else rotate
    instances = [m for m in example.masks if m.any()]
    instance = instances[int(rng.integers(len(instances)))]
    rows, cols = mask_box(instance, pad=max(4, int(0.15 * np.sqrt(instance.sum()))))
    source, defect = example.pixels[rows, cols], np.ascontiguousarray(instance[rows, cols])
    others = example.mask[rows, cols]
    spread = np.deg2rad(rng.uniform(-rotate, rotate)) if rotate < 90 else 0.0
    matrix, overlap = _aligned(defect, surface.mask, bool(rng.integers(2)) and rotate >= 90, spread)
    keep = overlap >= _SAME_SHAPE
    if keep:
        ys, xs = np.mgrid[: surface.mask.shape[0], : surface.mask.shape[1]].astype(np.float32)
        where = np.dstack(
            [
                matrix[0, 0] * xs + matrix[0, 1] * ys + matrix[0, 2],
                matrix[1, 0] * xs + matrix[1, 1] * ys + matrix[1, 2],
            ]
        )
    else:
        where = shape_map(defect, surface.mask, bool(rng.integers(2)), bool(rng.integers(2)))
    how = cv2.INTER_NEAREST if surface.two_tone is not None else cv2.INTER_LINEAR
    patch = cv2.remap(source, where, None, how, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    if surface.two_tone is None:
        patch = _matched(patch, source, others, surface)
    # In the other case what lies around the mask shows no surroundings of the defect, but smeared rim.
    return patch if keep else np.where(surface.mask[..., None], patch, surface.pixels)


def _aligned(defect: Mask, target: Mask, turned: bool, spread: float) -> tuple[npt.NDArray[np.float32], float]:
    """2x3 map from target to defect that makes centres, principal axes and extents agree, and the IoU it reaches."""
    (cd, ad, sd), (ct, at, st) = mask_axes(defect), mask_axes(target)
    # An axis has no sign: of its two directions the one that turns the defect less.
    angle = np.pi if turned != (np.cos(ad - at) < 0) else 0.0
    ratio = np.clip(sd / st, 0.2, 5.0)
    into = np.array([[np.cos(at), np.sin(at)], [-np.sin(at), np.cos(at)]])
    turn = ad + angle + spread
    out = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = out @ np.diag(ratio) @ into
    matrix = np.concatenate([linear, (cd - linear @ ct)[:, None]], axis=1).astype(np.float32)
    size = (target.shape[1], target.shape[0])
    moved = cv2.warpAffine(defect.view(np.uint8), matrix, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP) != 0
    union = np.count_nonzero(moved | target)
    return matrix, int(np.count_nonzero(moved & target)) / max(int(union), 1)


def mask_axes(mask: Mask) -> tuple[npt.NDArray[np.float64], float, npt.NDArray[np.float64]]:
    """Centre (x, y), angle of the long axis in radians, standard deviation along and across it."""
    ys, xs = np.nonzero(mask)
    points = np.stack([xs, ys]).astype(np.float64)
    centre = points.mean(axis=1)
    spread = np.cov(points - centre[:, None], bias=True) + np.eye(2) * 0.08
    values, vectors = np.linalg.eigh(spread)
    return centre, float(np.arctan2(vectors[1, 1], vectors[0, 1])), np.sqrt(values[::-1])


def shape_map(defect: Mask, target: Mask, reverse: bool, mirror: bool) -> Coordinates:
    """For each pixel of ``target`` the pixel of ``defect`` at the same place in the shape's own coordinates."""
    step = max(1, int(np.ceil(np.sqrt(np.count_nonzero(target) / _MAP_PIXELS))))
    small = target[::step, ::step]
    small = small if small.any() else target
    step = step if small is not target else 1
    here, points = _shape_coordinates(small, False, False)
    there, pixels = _shape_coordinates(defect, reverse, mirror)
    # Imported here, because the page is up sooner without scipy.
    from scipy.spatial import cKDTree

    nearest = cKDTree(there).query(here)[1]
    where = np.zeros((*small.shape, 2), np.float32)
    where[points[:, 0], points[:, 1]] = pixels[nearest][:, ::-1]
    known = (~small).astype(np.uint8)
    if known.any():
        # Pixels between the samples and along the rim take the map of the nearest sample.
        labels = cv2.distanceTransformWithLabels(known, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)[1]
        lookup = np.zeros((int(labels.max()) + 1, 2), np.float32)
        lookup[labels[small]] = where[small]
        where = lookup[labels]
    if step > 1:
        where = cv2.resize(where, (target.shape[1], target.shape[0]), interpolation=cv2.INTER_LINEAR)
    return cv2.blur(where, (3, 3)) if step > 1 else where


def _shape_coordinates(
    mask: Mask, reverse: bool, mirror: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """(N, 3): rank along the long axis, side across it, relative depth; and their (N, 2) pixels (y, x)."""
    pixels = np.argwhere(mask)
    centre, angle, spread = mask_axes(mask)
    offset = pixels[:, ::-1] - centre
    along = offset @ np.array([np.cos(angle), np.sin(angle)])
    across = offset @ np.array([-np.sin(angle), np.cos(angle)])
    rank = (along - along.min()) / max(float(np.ptp(along)), 1.0)
    rank = 1 - rank if reverse else rank
    side = np.clip(across / (2 * spread[1]), -1, 1) * (-1 if mirror else 1)
    inner = relative_depth(depth(np.pad(mask, 1)))[1:-1, 1:-1][mask]
    return np.stack([3.0 * rank, 0.5 * side, 0.8 * inner], axis=1), pixels


def _matched(patch: Pixels, source: Image, defect: Mask, surface: Surface) -> Pixels:
    """``patch`` under the light of its new place: the ratio to the surroundings stays what it was on the real part."""
    around = source[~defect].astype(np.float32)
    old = np.median(around, axis=0) if around.size else np.full(3, float(source.mean()), np.float32)
    rim = surface.pixels[~surface.mask]
    new = np.median(rim if rim.size >= 12 else surface.pixels[surface.mask], axis=0)
    gain = np.clip((new + 4) / (old + 4), 0.25, 4.0)
    return np.asarray(patch * gain, np.float32)
