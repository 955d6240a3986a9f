"""GAA's geometric mask enhancement (its section 3.3, equations 5 and 6).

Name here ↔ symbol in the paper:

- ``mask`` ↔ M_a, the anomaly mask of a real example
- ``close_px`` ↔ B1, B2: closing, dilation ⊕ B1 then erosion ⊖ B2 by one disc (eq. 5)
- contours ↔ F(·) (eq. 5)
- ``delta`` ↔ δ of the polygon approximation P(·, δ) (eq. 5), here in local widths
- ``jitter`` ↔ ΔP, random perturbation of the vertices (eq. 5), here in local widths
- outcome of :func:`reshape` ↔ M_opt (eq. 5), its area ↔ A_M (eq. 6)
- ``mean_area`` ↔ A_avg, mean area of the label's examples (eq. 6)
- ``alpha`` ↔ α (eq. 6)
- :func:`size_factor` ↔ the bracket of eq. 6, applied to the coordinates about the centroid
- outcome of :func:`enhance` ↔ M_G (eq. 6)

The paper gives δ and ΔP in pixels for whole masks. Here both are relative to how wide the mask is at that
place, so that a disc becomes a polygon while a crack of two pixels bends but neither tears nor vanishes.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cbrt, ceil, cos, log, sin, sqrt

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from core.errors import MaskError
from core.images.geometry import bounding_box
from core.masks.morphology import close, distance_to_mask, inner_distance, to_area
from core.types import Mask, check_mask

_Points = npt.NDArray[np.float64]
Contours = list[list[_Points]]
"""Parts, each an outer ring and its holes; rings are (N, 2) float x, y of pixel centres."""
_SUBPIXEL_BITS = 6


class MaskEnhancement(BaseModel):
    """How far GAA's geometric enhancement may change a mask."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    close_px: float = Field(
        default=1.0, ge=0, le=50, title="Close gaps",
        description="Gaps and holes narrower than about twice this many pixels are filled first. 0 leaves them.",
    )  # fmt: skip
    delta: float = Field(
        default=0.15, ge=0, le=1, title="Simplify outline (δ)",
        description="How far the polygon may leave the outline, as a share of the mask's width there. 0 keeps it.",
    )  # fmt: skip
    jitter: float = Field(
        default=0.25, ge=0, le=1, title="Perturbation (ΔP)",
        description="How far corners are moved at random, as a share of the mask's width there. 0 moves none.",
    )  # fmt: skip
    bend: float = Field(
        default=0.06, ge=0, le=0.3, title="Bend",
        description="How far the whole shape is bent at random, as a share of its length. 0 keeps it straight.",
    )  # fmt: skip
    alpha: float = Field(
        default=0.5, ge=0, le=1, title="Pull toward the mean size (α)",
        description="1 gives every mask the mean area of its label, 0 keeps more of its own size.",
    )  # fmt: skip
    keep_holes: bool = Field(
        default=True, title="Keep holes", description="Keep the holes that closing left; off fills them all."
    )


def size_factor(area: float, mean_area: float, alpha: float) -> float:
    """Eq. 6: the factor on coordinates that pulls ``area`` toward ``mean_area``, both in pixels."""
    ratio = mean_area / area
    return alpha * sqrt(ratio) + (1 - alpha) * cbrt(ratio)


def enhance_mask(
    mask: Mask, params: MaskEnhancement, rng: np.random.Generator, mean_area: float | None = None
) -> Mask:
    """A new mask of the same kind: bool (H, W) of the same shape, never empty.

    ``mean_area`` in pixels is the label's mean; None keeps the area of the reshaped mask. The result lies about
    the same centroid, moved just far enough to stay inside the frame, and is cut only where it is larger than
    the frame. MaskError if the mask is empty.
    """
    check_mask(mask)
    found = bounding_box(mask)
    if found is None:
        raise MaskError("enhance: the mask is empty; draw something first")
    y0, x0, y1, x1 = found
    patch = enhance_patch(mask[y0:y1, x0:x1], params, rng, mean_area)
    cy, cx = _centroid(mask[y0:y1, x0:x1])
    py, px = _centroid(patch)
    return place_patch(patch, mask.shape[0], mask.shape[1], round(y0 + cy - py), round(x0 + cx - px))


def enhance_patch(patch: Mask, params: MaskEnhancement, rng: np.random.Generator, mean_area: float | None) -> Mask:
    """As :func:`enhance`, but the result comes on a canvas of its own that just fits it."""
    contours = perturb_contours(patch, params, rng)
    area = int(np.count_nonzero(rasterise(contours)))
    target = float(area)
    if mean_area is not None:
        target = area * size_factor(area, mean_area, params.alpha) ** 2
    return scaled_to(contours, target)


def scaled_to(contours: Contours, target: float) -> Mask:
    """The contours drawn at the size at which they cover ``target`` pixels as nearly as whole pixels allow."""
    best = rasterise(contours)
    best_area = area = int(np.count_nonzero(best))
    # A line one pixel wide gets longer but never wider, a single pixel not even that: past these factors
    # the mask is widened instead, and below them it stays larger than asked rather than lose its form.
    low, high = 0.5 * sqrt(target / area), 1.25 * sqrt(target / area)
    factor = 1.0
    for _ in range(7):
        if abs(best_area - target) <= max(1.0, 0.02 * target):
            return best
        low, high = (max(low, factor), high) if area < target else (low, min(high, factor))
        # The area grows with the square of the factor; where pixels are too coarse for that, halve the bracket.
        factor *= sqrt(target / area)
        if not low < factor < high:
            factor = (low + high) / 2
        drawn = rasterise([[ring * factor for ring in part] for part in contours])
        area = int(np.count_nonzero(drawn))
        if abs(area - target) < abs(best_area - target):
            best, best_area = drawn, area
    if abs(best_area - target) <= max(1.0, 0.02 * target):
        return best
    room = ceil(sqrt(target)) if best_area < target else 0
    exact = to_area(np.pad(best, room), target)
    if _parts(exact) > _parts(best):
        return best
    found = bounding_box(exact)
    assert found is not None
    return exact[found[0] : found[2], found[1] : found[3]]


def _parts(mask: Mask) -> int:
    return int(cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0])


def turned(contours: Contours, angle: float, mirror: bool = False) -> Contours:
    """Contours mirrored left to right first if asked, then turned by ``angle`` radians from x toward y."""
    c, s = cos(angle), sin(angle)
    matrix = np.array([[c, s], [-s, c]])
    if mirror:
        matrix = np.diag([-1.0, 1.0]) @ matrix
    return [[ring @ matrix for ring in part] for part in contours]


def rasterise(contours: Contours) -> Mask:
    """Parts, each an outer ring and its holes as (N, 2) x, y of pixel centres, on a canvas that just fits them.

    A ring's own line is always drawn, so a part is connected however thin it is.
    """
    points = np.concatenate([ring for part in contours for ring in part])
    low = np.floor(points.min(axis=0)) - 1
    size = np.ceil(points.max(axis=0) - low).astype(int) + 2
    canvas = np.zeros((int(size[1]), int(size[0])), np.uint8)
    for part in contours:
        rings = [np.round((ring - low) * (1 << _SUBPIXEL_BITS)).astype(np.int32) for ring in part]
        if len(contours) == 1:
            cv2.fillPoly(canvas, rings, 1, shift=_SUBPIXEL_BITS)
        else:
            layer = np.zeros_like(canvas)
            cv2.fillPoly(layer, rings, 1, shift=_SUBPIXEL_BITS)
            canvas |= layer
    found = bounding_box(canvas.view(np.bool_))
    assert found is not None
    return canvas.view(np.bool_)[found[0] : found[2], found[1] : found[3]]


def trace_contours(patch: Mask, keep_holes: bool = True) -> Contours:
    """Outer ring and holes of each part, (N, 2) float x, y of pixel centres; the inverse of :func:`rasterise`."""
    mode = cv2.RETR_CCOMP if keep_holes else cv2.RETR_EXTERNAL
    rings, hierarchy = cv2.findContours(patch.astype(np.uint8), mode, cv2.CHAIN_APPROX_NONE)
    parts: dict[int, list[_Points]] = {}
    for index, ring in enumerate(rings):
        parent = int(hierarchy[0, index, 3])
        parts.setdefault(index if parent < 0 else parent, [])
        points = ring[:, 0, :].astype(np.float64)
        if parent < 0:
            parts[index].insert(0, points)
        else:
            parts[parent].append(points)
    return list(parts.values())


def place_patch(patch: Mask, height: int, width: int, top: int, left: int) -> Mask:
    """``patch`` on an empty (height, width) mask, moved into the frame; if too large, cut about its middle."""
    ph, pw = patch.shape
    if ph > height or pw > width:
        rows, cols = np.nonzero(patch)
        middle = int(np.argmin((rows - ph / 2) ** 2 + (cols - pw / 2) ** 2))
        y0 = min(max(0, int(rows[middle]) - height // 2), max(0, ph - height))
        x0 = min(max(0, int(cols[middle]) - width // 2), max(0, pw - width))
        patch = patch[y0 : y0 + height, x0 : x0 + width]
        top, left = top + y0, left + x0
        ph, pw = patch.shape
    top, left = min(max(top, 0), height - ph), min(max(left, 0), width - pw)
    mask = np.zeros((height, width), np.bool_)
    mask[top : top + ph, left : left + pw] = patch
    return mask


def perturb_contours(patch: Mask, params: MaskEnhancement, rng: np.random.Generator) -> Contours:
    """Eq. 5 as contours about the centroid: P(F(closing(M_a)), δ) + ΔP."""
    pad = ceil(params.close_px) + 2
    closed = close(np.pad(patch, pad), params.close_px)
    widths = local_width(closed)
    cy, cx = _centroid(closed)
    extent = float(np.hypot(*patch.shape))
    warp = _bending(rng, extent, params.bend)
    parts = []
    for part in trace_contours(closed, params.keep_holes):
        rings = []
        for ring in part:
            width = widths[ring[:, 1].astype(int), ring[:, 0].astype(int)]
            vertices, width = _simplified(ring, width, params.delta)
            # Three sigma of a normal draw are the full share of the width.
            moved = vertices + np.clip(rng.normal(0, 1 / 3, vertices.shape), -1, 1) * (params.jitter * width[:, None])
            rings.append(warp(moved - (cx, cy)))
        parts.append(rings)
    return parts


def local_width(mask: Mask) -> npt.NDArray[np.float32]:
    """How wide the mask is at each of its pixels: float32 (H, W), the diameter of the largest disc in it there."""
    inside = inner_distance(np.pad(mask, 1))[1:-1, 1:-1]
    width = np.minimum(2 * inside, 1).astype(np.float32)
    widest = float(inside.max())
    # Discs of a few sizes, the largest exact; large ones need only every second or fourth pixel, and a centre
    # that is a tenth off reaches the rim as well.
    for level in range(int(log(widest, 1.5)), -1, -1):
        radius = widest / 1.5**level
        stride = 1 if radius < 5 else 2 if radius < 12 else 4
        centres = inside[::stride, ::stride] >= (radius if stride == 1 else 0.9 * radius)
        near = distance_to_mask(centres) * stride < radius
        if stride > 1:
            near = near.repeat(stride, axis=0).repeat(stride, axis=1)[: mask.shape[0], : mask.shape[1]]
        width[near & mask] = 2 * radius - 1
    return width


def _simplified(
    ring: _Points, width: npt.NDArray[np.float32], delta: float
) -> tuple[_Points, npt.NDArray[np.float32]]:
    """The ring's polygon approximation within ``delta`` of its local widths, and the widths at its vertices."""
    if len(ring) < 4 or delta == 0:
        return ring, width
    # A wavy part and a thin one share a ring: the thin one rules, lest it be cut off.
    tolerance = max(0.5, delta * float(np.partition(width, len(width) // 4)[len(width) // 4]))
    kept = cv2.approxPolyDP(ring.astype(np.float32)[:, None, :], tolerance, True)[:, 0, :].astype(np.float64)
    # The vertices are points of the ring: find each again by its place.
    places, wanted = ring[:, 1] * 1e6 + ring[:, 0], kept[:, 1] * 1e6 + kept[:, 0]
    order = np.argsort(places)
    return kept, width[order[np.searchsorted(places[order], wanted)]]


def _bending(rng: np.random.Generator, extent: float, amount: float) -> Callable[[_Points], _Points]:
    """A smooth random displacement: both sides of a thin part move together, so it stays as thin as it was."""
    waves = rng.uniform(0.6, 1.6, (3, 2)) * rng.choice([-1.0, 1.0], (3, 2)) * (2 * np.pi / max(extent, 1.0))
    phases = rng.uniform(0, 2 * np.pi, 3)
    directions = rng.normal(0, amount * extent / 3, (3, 2))

    def warp(points: _Points) -> _Points:
        return np.asarray(points + np.sin(points @ waves.T + phases) @ directions)

    return warp


def _centroid(mask: Mask) -> tuple[float, float]:
    rows, cols = np.nonzero(mask)
    return float(rows.mean()), float(cols.mean())
