"""Views of real anomalies at a model's working size: cut out around the defects, turned, mirrored, moved and scaled.

The anomaly stays whole inside the view (AnomalyDiffusion, appendix B). Before it is varied the view is the very square
that is drawn into when such a defect is generated, for both ask core.images.square_crop.Framing. Needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import MaskError
from core.images.square_crop import Framing, Matrix, SquareCrop
from core.masks.morphology import dilate
from core.types import AnomalyExample, Image, Mask, NormalImage

Points = npt.NDArray[np.float64]

LEAST_PIXELS = 4
"""A mask of fewer pixels shows no defect that could be learned."""
MOST_SHARE = 0.95
"""A mask that covers more of the photo leaves no good surface around the defect."""
_TARGETS = 8
"""Defects of one photo that get windows of their own."""
_MIN_COVERAGE = 0.25
"""Share of a view's pixel that the mask must cover."""


@dataclass(frozen=True)
class Augmentation:
    """How views vary: with the chance ``share`` a view is mirrored (``flip``; ``flip_rows``: upside
    down too), turned by ``quarter_turns`` and up to
    ``max_rotation`` degrees, scaled by a factor of ``scale`` and moved by up to ``shift`` of its side, but never off
    the photo."""

    share: float = 1.0
    flip: bool = True
    flip_rows: bool = False
    quarter_turns: bool = True
    max_rotation: float = 12.0
    scale: tuple[float, float] = (0.85, 1.25)
    shift: float = 0.15


@dataclass(frozen=True)
class ExampleView:
    """A square picture uint8 (S, S, 3) and where it shows the anomaly, bool (S, S)."""

    image: Image
    mask: Mask


@dataclass(frozen=True)
class DefectTarget:
    """A defect to look at: the example, the defect's own mask (H, W), and the square it is seen in."""

    example: AnomalyExample
    defect: Mask
    crop: SquareCrop

    @property
    def extent(self) -> float:
        """The square's side in photo pixels."""
        return self.crop.extent


def reject_reason(mask: Mask) -> str | None:
    """Why nothing can be learned from an anomaly with this mask and what to do, or None."""
    pixels, share = int(np.count_nonzero(mask)), float(mask.mean())
    if pixels < LEAST_PIXELS:
        return f"its mask has {pixels} px, too few to show a defect; draw all of it"
    if share > MOST_SHARE:
        return (
            f"its mask covers {share:.0%} of the photo; draw the defect alone, so that good surface is left around it"
        )
    return None


def usable_examples(examples: Sequence[AnomalyExample]) -> tuple[list[AnomalyExample], tuple[str, ...]]:
    """The examples that can be learned from, and a note on each that cannot; MaskError if there are none."""
    kept, notes = [], []
    for example in examples:
        if reason := reject_reason(example.mask):
            notes.append(f"example {example.id}: {reason}")
        else:
            kept.append(example)
    if not kept and notes:
        raise MaskError(f"no example can be learned from: {notes[0]}")
    return kept, tuple(f"left out: {note}" for note in notes)


def defect_targets(example: AnomalyExample, framing: Framing) -> list[DefectTarget]:
    """What to look at in an example: its defects, those that lie close together as one; at most eight, largest first.

    Where whole photos are seen, all its defects are one.
    """
    mask = example.mask
    if framing.whole:
        return [DefectTarget(example, mask, framing.around(mask))]
    near = max(2, round(min(framing.least, *mask.shape)) // 8)
    count, labels = cv2.connectedComponents(dilate(mask, near).view(np.uint8), connectivity=8)
    parts = [np.asarray((labels == i) & mask, np.bool_) for i in range(1, count)]
    parts = sorted((p for p in parts if p.any()), key=_area, reverse=True)[:_TARGETS]
    large = [p for p in parts if _area(p) >= min(LEAST_PIXELS, _area(parts[0]))]
    return [DefectTarget(example, part, framing.around(part)) for part in large]


def _area(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def cropped_view(target: DefectTarget, rng: np.random.Generator | None, motion: Augmentation) -> ExampleView:
    """The target's square, varied by ``motion``; without a generator as it is drawn into.

    All anomalies in sight are in the mask; the target is whole. What lies beyond the photo's edge is its mirror image.
    """
    side = target.crop.side
    varied = rng is not None and rng.random() < motion.share
    matrix = _varied_matrix(target, rng, motion) if rng is not None and varied else target.crop.matrix
    scale = math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))
    image, mask, place = target.example.pixels, target.example.mask, matrix
    if scale < 0.75:
        # Warping alone would skip pixels.
        shape = tuple(max(1, round(n * scale)) for n in image.shape[:2])
        image = np.asarray(cv2.resize(image, shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
        step = np.array([mask.shape[1] / shape[1], mask.shape[0] / shape[0]])
        # Pixel centres lie half a pixel off the grid's corner.
        place = np.column_stack([matrix[:, :2] * step, matrix[:, 2] + matrix[:, :2] @ (step / 2 - 0.5)])
        mask = dilate(mask, max(0, math.ceil(step.max() / 2 - (1 - _MIN_COVERAGE))))
    how = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REFLECT}
    picture = cv2.warpAffine(image, place, (side, side), **how)
    soft = cv2.warpAffine(mask.astype(np.float32), matrix, (side, side), flags=cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_REFLECT)  # fmt: skip
    return ExampleView(np.asarray(picture, np.uint8), np.asarray(soft > _MIN_COVERAGE, np.bool_))


def _varied_matrix(target: DefectTarget, rng: np.random.Generator, motion: Augmentation) -> Matrix:
    """The 2x3 map from photo to view: the square made larger or smaller and moved on the photo, then turned."""
    crop = target.crop
    rows, columns = np.nonzero(target.defect)
    points = np.column_stack([columns, rows]).astype(np.float64)
    zoom = float(np.exp(rng.uniform(*np.log(motion.scale))))
    angle = float(rng.uniform(-motion.max_rotation, motion.max_rotation))
    angle += 90.0 * (int(rng.integers(4)) if motion.quarter_turns else 0)
    mirror = -1.0 if motion.flip and rng.integers(2) else 1.0
    upside = -1.0 if motion.flip_rows and rng.integers(2) else 1.0
    shift = rng.uniform(-motion.shift, motion.shift, 2)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    turn = np.array([[cos, -sin], [sin, cos]]) @ np.diag([mirror, upside])
    longest = float(np.ptp(points @ turn.T, axis=0).max()) + 1
    extent = max(crop.extent / zoom, longest * crop.side / (crop.side - 4))
    centre = _around_defect(replace(crop, extent=extent), np.array(crop.centre) + shift * extent, points)
    linear = crop.side / extent * turn
    middle = np.full(2, (crop.side - 1) / 2)
    inside = (points - centre) @ linear.T + middle
    # What a turn brings to stick out is moved back in.
    middle += np.clip(-inside.min(axis=0), 0, None) - np.clip(inside.max(axis=0) - (crop.side - 1), 0, None)
    return np.column_stack([linear, middle - linear @ centre])


def _around_defect(crop: SquareCrop, centre: Points, points: Points) -> Points:
    """``centre`` moved so that the square holds ``points`` (N, 2) and lies on the photo."""
    room = crop.extent / 2 - 0.5
    low, high = points.max(axis=0) - room, points.min(axis=0) + room
    held = np.where(low <= high, np.clip(centre, low, high), (low + high) / 2)
    return np.array(replace(crop, centre=(float(held[0]), float(held[1]))).kept_inside().centre)


def normal_crops(
    normals: Sequence[NormalImage], count: int, side: int, extent: float, rng: np.random.Generator
) -> list[Image]:
    """``count`` square crops of good photos, (side, side, 3), of about ``extent`` photo pixels, mirrored at random."""
    found = []
    for i in range(count):
        pixels = normals[i % len(normals)].pixels
        least = min(pixels.shape[:2])
        length = int(np.clip(extent * np.exp(rng.uniform(-0.25, 0.25)), min(16, least), least))
        top, left = (int(rng.integers(n - length + 1)) for n in pixels.shape[:2])
        crop = pixels[top : top + length, left : left + length]
        crop = crop[:, ::-1] if rng.integers(2) else crop
        how = cv2.INTER_AREA if length > side else cv2.INTER_CUBIC
        found.append(np.asarray(cv2.resize(np.ascontiguousarray(crop), (side, side), interpolation=how), np.uint8))
    return found


def brightness_ratio(one: ExampleView) -> tuple[float, float, float] | None:
    """How many times as bright the anomaly is as the surface around it, per channel; None where one of them is unseen.

    Medians, with 4 levels added to both, so that black surfaces have a ratio too.
    """
    ring = dilate(one.mask, 12) & ~dilate(one.mask, 3)
    if not ring.any() or not one.mask.any():
        return None
    inside, around = (np.median(one.image[part], axis=0) + 4 for part in (one.mask, ring))
    ratio = inside / around
    return float(ratio[0]), float(ratio[1]), float(ratio[2])
