"""Views of real anomalies at a model's working size: cut out around the defects, turned, mirrored, moved and scaled.

The anomaly stays whole inside the view (AnomalyDiffusion, appendix B), and the view is as large against the defect as
the window that core.diffusion.inpainting opens when such a defect is generated. Needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import MaskError
from core.images import crop_around_mask
from core.masks.morphology import dilate
from core.types import AnomalyExample, Image, Mask, NormalImage

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
    """How views vary: with the chance ``share`` a view is mirrored (``flip``), turned by quarter turns
    (``quarter_turns``) and up to ``turn`` degrees, scaled by a factor of ``scale`` and moved by up to ``shift`` of
    its side. ``whole`` shows the whole photo at first, as the papers do, not the defect's surroundings."""

    share: float = 1.0
    flip: bool = True
    quarter_turns: bool = True
    max_rotation: float = 12.0
    scale: tuple[float, float] = (0.85, 1.25)
    shift: float = 0.15
    whole: bool = False


@dataclass(frozen=True)
class ExampleView:
    """A square picture uint8 (S, S, 3) and where it shows the anomaly, bool (S, S)."""

    image: Image
    mask: Mask


@dataclass(frozen=True)
class DefectTarget:
    """A defect to look at: the example, the defect's own mask (H, W), and the side of its window in photo pixels."""

    example: AnomalyExample
    defect: Mask
    extent: int


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


def defect_targets(example: AnomalyExample, side: int, margin: float, whole: bool = False) -> list[DefectTarget]:
    """What to look at in an example: its defects, those that lie close together as one; at most eight, largest first.

    A window is as crop_for_model cuts it with this ``side`` and ``margin``, but square.
    """
    mask = example.mask
    if whole:
        return [DefectTarget(example, mask, max(mask.shape))]
    near = max(2, min(side, *mask.shape) // 8)
    count, labels = cv2.connectedComponents(dilate(mask, near).view(np.uint8), connectivity=8)
    parts = [np.asarray((labels == i) & mask, np.bool_) for i in range(1, count)]
    parts = sorted((p for p in parts if p.any()), key=_area, reverse=True)[:_TARGETS]
    large = [p for p in parts if _area(p) >= min(LEAST_PIXELS, _area(parts[0]))]
    return [DefectTarget(example, p, max(crop_around_mask(p, margin, min(side, *mask.shape)).shape)) for p in large]


def _area(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def cropped_view(
    target: DefectTarget, side: int, rng: np.random.Generator | None, motion: Augmentation
) -> ExampleView:
    """The target's window at ``side`` pixels, varied by ``motion``; as it is without a generator.

    All anomalies in sight are in the mask; the target is whole. What lies beyond the photo's edge is its mirror image.
    """
    matrix = _matrix(target, side, rng if rng is not None and rng.random() < motion.share else None, motion)
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
    how = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REFLECT_101}
    picture = cv2.warpAffine(image, place, (side, side), **how)
    soft = cv2.warpAffine(mask.astype(np.float32), matrix, (side, side), flags=cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_REFLECT_101)  # fmt: skip
    return ExampleView(np.asarray(picture, np.uint8), np.asarray(soft > _MIN_COVERAGE, np.bool_))


def _matrix(
    target: DefectTarget, side: int, rng: np.random.Generator | None, motion: Augmentation
) -> npt.NDArray[np.float64]:
    """The 2x3 map from photo to view: window to view at first, then what the motion draws, the defect kept inside."""
    rows, columns = np.nonzero(target.defect)
    points = np.column_stack([columns, rows]).astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    shape = np.array(target.defect.shape[::-1], np.float64)
    centre = (shape - 1) / 2 if motion.whole else (low + high) / 2
    scale, angle, mirror, shift = side / target.extent, 0.0, 1.0, np.zeros(2)
    if rng is not None:
        scale *= float(np.exp(rng.uniform(*np.log(motion.scale))))
        angle = float(rng.uniform(-motion.max_rotation, motion.max_rotation)) + 90.0 * (
            int(rng.integers(4)) if motion.quarter_turns else 0
        )
        mirror = -1.0 if motion.flip and rng.integers(2) else 1.0
        shift = rng.uniform(-motion.shift, motion.shift, 2) * side
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    turn = np.array([[cos, -sin], [sin, cos]]) @ np.diag([mirror, 1.0])
    reach = (points - centre) @ turn.T
    extent = float(np.ptp(reach, axis=0).max()) + 1
    scale = min(scale, (side - 4) / extent) if rng is not None else scale
    linear = scale * turn
    middle = np.full(2, (side - 1) / 2) + shift
    inside = (points - centre) @ linear.T + middle
    # Moved back in by as much as it sticks out.
    middle += np.clip(1 - inside.min(axis=0), 0, None) - np.clip(inside.max(axis=0) - (side - 2), 0, None)
    return np.column_stack([linear, middle - linear @ centre])


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
