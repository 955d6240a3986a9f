"""What a segmenter is: it prepares a photo once and answers many clicks.

A new segmenter is one new file here plus one entry in ``_FACTORIES``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from core.errors import Cancelled, InputError
from core.lookup import named
from core.masks import rle
from core.progress import Steps
from core.types import Image, Mask, check_mask

Cancel = Callable[[], bool]
"""True once the person pressed stop."""
Box = tuple[float, float, float, float]
"""``(x0, y0, x1, y1)`` in image pixels."""


@dataclass(frozen=True)
class Click:
    """A point in image pixels (x to the right, y down); positive = inside, negative = outside."""

    x: float
    y: float
    positive: bool = True


@dataclass(frozen=True)
class MaskCandidate:
    """A proposed region, and how much the segmenter trusts it, 0..1.

    ``window``, bool (h, w), is the window that holds the region; ``corner`` is the window's first (row, column) on the
    photo of ``shape`` (H, W). Without ``shape`` the window is the photo: ``Candidate(mask, score)``.
    """

    window: Mask
    score: float
    corner: tuple[int, int] = (0, 0)
    photo_shape: tuple[int, int] | None = None

    @cached_property
    def mask(self) -> Mask:
        """bool (H, W) of the photo's size."""
        if self.photo_shape is None:
            return self.window
        full = np.zeros(self.photo_shape, np.bool_)
        y0, x0 = self.corner
        full[y0 : y0 + self.window.shape[0], x0 : x0 + self.window.shape[1]] = self.window
        return full

    @property
    def area(self) -> int:
        """Pixels in the region."""
        return int(np.count_nonzero(self.window))

    def run_lengths(self) -> list[int]:
        """Run lengths of ``mask`` as core.masks.rle gives them, at the cost of the window alone."""
        y0, x0 = self.corner
        return rle.encode_window(self.window, y0, x0, self.photo_shape or (self.window.shape[0], self.window.shape[1]))


class PreparedPhoto(Protocol):
    """A photo made ready for clicks. Safe to ask from several threads."""

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        ...

    def predict(
        self, clicks: Sequence[Click], box_xyxy: tuple[float, ...] | None = None, mask: Mask | None = None
    ) -> list[MaskCandidate]:
        """Up to three candidates, best first, all non-empty.

        A negative click is never inside, a positive one never outside, and nothing lies outside the box.
        ``mask``, bool (H, W), is the region so far: the answer is that region, corrected by the clicks.
        InputError when neither a positive click nor a box nor a mask is given, or they lie off the photo.
        """
        ...


@runtime_checkable
class Segmenter(Protocol):
    """``name`` as in settings, ``title`` as in the app."""

    name: ClassVar[str]
    title: ClassVar[str]

    def available(self) -> str | None:
        """None, or why it can't be used here and what to do about it, in one line."""
        ...

    def prepare(self, image: Image, progress: Steps | None = None, cancelled: Cancel | None = None) -> PreparedPhoto:
        """The dear part, once per photo; Cancelled if the person stops it."""
        ...

    def regions(
        self, image: Image, progress: Steps | None = None, cancelled: Cancel | None = None
    ) -> list[MaskCandidate]:
        """Every component on the photo, largest first, without near-duplicates."""
        ...


# Best first: best_segmenter() takes the first that is available.
_FACTORIES = (
    "core.segmentation.sam:vit_h",
    "core.segmentation.sam:vit_l",
    "core.segmentation.sam:vit_b",
    "core.segmentation.sam:mobile",
    "core.segmentation.mini_click:MiniSegmenter",
    "core.segmentation.classic:ClassicSegmenter",
)


def segmenters() -> dict[str, Segmenter]:
    """Every segmenter by name, best first, whether or not it can run on this machine.

    The models that a person put into the models folder come before the shipped ones.
    """
    shipped = ("mini_click", "classic")
    by_name = _built_in()
    own = {one.name: one for one in local_segmenters()}
    return {n: s for n, s in by_name.items() if n not in shipped} | own | {n: by_name[n] for n in shipped}


@cache
def _built_in() -> dict[str, Segmenter]:
    found: dict[str, Segmenter] = {}
    for place in _FACTORIES:
        module, _, factory = place.partition(":")
        one: Segmenter = getattr(importlib.import_module(module), factory)()
        found[one.name] = one
    return found


def local_segmenters() -> list[Segmenter]:
    """Those in the models folder as it is now: folders of the SAM family, then pairs of ONNX files, by name."""
    from core.segmentation.onnx_sam import onnx_folders
    from core.segmentation.sam_family import family_folders

    kinds = (("sam_family:FamilySegmenter", family_folders()), ("onnx_sam:OnnxSegmenter", onnx_folders()))
    return [_local(kind, folder) for kind, folders in kinds for folder in folders]


@cache
def _local(kind: str, folder: Path) -> Segmenter:
    """One segmenter a folder, so that its network and what it prepared stay loaded."""
    module, _, factory = kind.partition(":")
    made: Segmenter = getattr(importlib.import_module(f"core.segmentation.{module}"), factory)(folder)
    return made


def segmenter(name: str) -> Segmenter:
    """The segmenter called ``name``; NotFound names those there are."""
    return named(segmenters(), name, "segmenter")


def best_segmenter() -> Segmenter:
    """The best segmenter that can run on this machine; the classic one always can."""
    return next(s for s in segmenters().values() if s.available() is None)


def check_prompt(
    shape: tuple[int, int], clicks: Sequence[Click], box_xyxy: tuple[float, ...] | None, mask: Mask | None
) -> tuple[list[Click], Box | None, Mask | None]:
    """The prompt, checked against a photo of ``shape`` (H, W): clicks on it, the box ordered and clipped."""
    height, width = shape
    for click in clicks:
        if not (0 <= click.x < width and 0 <= click.y < height):
            raise InputError(f"click ({click.x:g}, {click.y:g}): it is off the {width}x{height} photo; click on it")
    box = None
    if box_xyxy is not None:
        if len(box_xyxy) != 4 or not np.isfinite(box_xyxy).all():
            raise InputError(f"box: expected four numbers x0, y0, x1, y1, got {box_xyxy!r}")
        x0, x1 = sorted((float(box_xyxy[0]), float(box_xyxy[2])))
        y0, y1 = sorted((float(box_xyxy[1]), float(box_xyxy[3])))
        box = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
        if box[2] - box[0] < 2 or box[3] - box[1] < 2:
            raise InputError(f"box: it covers less than 2x2 pixels of the {width}x{height} photo; drag a larger one")
    if mask is not None:
        mask = check_mask(mask, shape)
        mask = mask if mask.any() else None
    if box is None and mask is None and not any(c.positive for c in clicks):
        raise InputError("segment: give a positive click or a box first; negative clicks only take away")
    if box is not None:
        for click in clicks:
            if click.positive and not (box[0] <= click.x <= box[2] and box[1] <= click.y <= box[3]):
                raise InputError(f"click ({click.x:g}, {click.y:g}): it lies outside the box; enlarge the box")
    return list(clicks), box, mask


def pixel_box(box: Box) -> tuple[int, int, int, int]:
    """The box on whole pixels: first column and row, and those after the last."""
    x0, y0, x1, y1 = box
    return int(np.floor(x0)), int(np.floor(y0)), int(np.ceil(x1)), int(np.ceil(y1))


def box_mask(box: Box, shape: tuple[int, int]) -> Mask:
    """bool (H, W), True on the pixels that the box touches."""
    out = np.zeros(shape, np.bool_)
    x0, y0, x1, y1 = pixel_box(box)
    out[y0:y1, x0:x1] = True
    return out


def raise_if_cancelled(cancelled: Cancel | None) -> None:
    """Raise Cancelled if the person pressed stop."""
    if cancelled is not None and cancelled():
        raise Cancelled("segmentation stopped")


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union of two masks; 1 for two empty ones."""
    union = np.count_nonzero(a | b)
    return 1.0 if union == 0 else np.count_nonzero(a & b) / union
