"""Shapes of masks that were drawn by a learned mask embedding: kept with the concept, framed for a photo.

How they are learned and drawn: core.training.mask_embedding. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from core.device import numpy_rng
from core.errors import NotFound
from core.images import png_bytes, read_image
from core.images.geometry import coverage
from core.training.checkpoints import Concept, list_concepts
from core.training.concept_config import InversionConfig
from core.training.learning_settings import ShapeView
from core.types import Mask

SHAPE_SIDE = 128
"""Pixels of a kept shape."""


def shapes_picture_name(index: int) -> str:
    """The picture, next to a concept's card, that holds the shapes of its ``index``-th label."""
    return f"shapes{index}"


def shapes_png(shapes: Sequence[Mask], view: ShapeView = "window") -> bytes:
    """Shapes bool (S, S) side by side as one PNG; those of whole photos as they are, since they are small there."""
    small = [s if view == "whole" else coverage(s, (SHAPE_SIDE, SHAPE_SIDE)) >= 0.5 for s in shapes]
    white = np.concatenate(small, axis=1).astype(np.uint8) * 255
    return png_bytes(np.repeat(white[..., None], 3, axis=2), grey=True)


def learned_masks(folder: Path | None, label: str, like: Sequence[Mask]) -> list[Mask]:
    """The shapes of ``label`` in the newest concept that has some, each as large as one of the real masks ``like``, or
    where it lies on the photo if whole masks were learned.

    NotFound where no concept under ``folder`` has any, and says how to learn some.
    """
    if like and (kept := _newest_shapes(folder, label)) is not None:
        concept, path = kept
        white = read_image(path)[..., 0] > 127
        shapes = [np.ascontiguousarray(s) for s in np.split(white, white.shape[1] // white.shape[0], axis=1)]
        rng = numpy_rng(0, "shapes", concept.id)
        fitted = stretched if _shows_whole_photos(concept) else framed
        return [fitted(s, like[int(rng.integers(len(like)))], rng) for s in shapes if s.any()]
    raise NotFound(
        f"placement from learned shapes: none were learned for {label!r}; learn it with --param shapes=24, or place "
        "with source=examples"
    )


def learned_with_place(folder: Path | None, label: str) -> bool:
    """Whether the shapes that ``learned_masks`` gives lie where they were drawn on the photo."""
    kept = _newest_shapes(folder, label)
    return kept is not None and _shows_whole_photos(kept[0])


def _newest_shapes(folder: Path | None, label: str) -> tuple[Concept, Path] | None:
    """The newest concept that has shapes of ``label``, and their picture."""
    for concept in list_concepts(folder, label=label):
        assert folder is not None  # a concept was found there
        path = folder / concept.id / f"{shapes_picture_name(concept.labels.index(label))}.png"
        if path.is_file():
            return concept, path
    return None


def _shows_whole_photos(concept: Concept) -> bool:
    return concept.config.read_as(InversionConfig, f"concept {concept.id}").shape_view == "whole"


def stretched(shape: Mask, like: Mask, rng: np.random.Generator) -> Mask:
    """``shape`` of a whole photo on a photo of the size of ``like``; nothing is drawn from ``rng``."""
    shares = coverage(shape, (like.shape[0], like.shape[1]))
    return np.asarray(shares >= min(0.5, float(shares.max())), np.bool_)


def framed(shape: Mask, like: Mask, rng: np.random.Generator) -> Mask:
    """``shape`` as large as the anomaly ``like`` (within a factor of 1.3), in the middle of its photo's frame."""
    rows, columns = np.flatnonzero(shape.any(axis=1)), np.flatnonzero(shape.any(axis=0))
    cut = shape[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    area = max(4.0, np.count_nonzero(like) * float(np.exp(rng.uniform(-0.26, 0.26))))
    scale = min(np.sqrt(area / np.count_nonzero(cut)), *(n / m for n, m in zip(like.shape, cut.shape, strict=True)))
    height, width = (max(1, min(n, round(m * scale))) for n, m in zip(like.shape, cut.shape, strict=True))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    soft = cv2.resize(cut.astype(np.float32), (width, height), interpolation=how)
    out = np.zeros(like.shape, np.bool_)
    top, left = (like.shape[0] - height) // 2, (like.shape[1] - width) // 2
    out[top : top + height, left : left + width] = soft >= min(0.5, float(soft.max()))
    return out
