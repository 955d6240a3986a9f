"""From what a network of the SAM family gives to candidates that keep the promises of a segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from core.progress import Steps
from core.segmentation.segmenter import Box, Cancel, Click, MaskCandidate, box_mask, iou, raise_if_cancelled
from core.types import Mask

FloatArray = npt.NDArray[np.float32]

GRID = 16
"""Points a side of the grid that *find all regions* clicks."""
_BATCH = 32
_TRUSTED, _STABLE = 0.85, 0.9
_LEAST, _MOST = 1e-4, 0.6
_SAME = 0.85


def clicked_candidates(
    masks: Sequence[Mask], scores: Sequence[float], clicks: Sequence[Click], box: Box | None, given: Mask | None
) -> list[MaskCandidate]:
    """Candidates of ``masks``, bool (H, W), best score first: nothing outside the box, no click on its wrong side.

    Where nothing is left, the answer is what was asked about: the box, or the mask so far (``given``).
    """
    found: list[MaskCandidate] = []
    for k in np.argsort(-np.asarray(scores), kind="stable"):
        full = masks[int(k)].copy()
        if box is not None:
            full &= box_mask(box, (full.shape[0], full.shape[1]))
        for click in clicks:
            full[int(click.y), int(click.x)] = click.positive
        if full.any():
            found.append(MaskCandidate(full, float(np.clip(scores[int(k)], 0, 1))))
    if not found and masks:
        asked = box_mask(box, (masks[0].shape[0], masks[0].shape[1])) if box is not None else given
        found = [MaskCandidate(asked.copy(), 0.0)] if asked is not None else []
    return found


def bounding_box(mask: Mask) -> Box:
    """The smallest box around a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), columns[-1] + 1.0, rows[-1] + 1.0


def photo_mask(logits: FloatArray, content: tuple[float, float], shape: tuple[int, int]) -> Mask:
    """One mask, bool (H, W) of ``shape``, from logits (h, w) of which the share ``content`` (rows, columns) is photo.

    The rest is padding below and to the right of it.
    """
    # The photo may end between two pixels of the logits: map the centres of the photo's pixels, do not crop.
    fy, fx = (n * share / side for n, share, side in zip(logits.shape, content, shape, strict=True))
    to_logits = np.array([[fx, 0, 0.5 * fx - 0.5], [0, fy, 0.5 * fy - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (shape[1], shape[0])
    full = cv2.warpAffine(logits, to_logits, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(full > 0, np.bool_)


class GridDecoder(Protocol):
    """A photo whose network can be asked about many single clicks."""

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the photo."""
        ...

    @property
    def content(self) -> tuple[float, float]:
        """The share of the network's rows and columns that is photo."""
        ...

    def decode_points(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """For n single clicks (n, 2) as x, y in photo pixels: logits (n, m, h, w) and scores (n, m)."""
        ...


def grid_regions(
    photo: GridDecoder, progress: Steps | None = None, cancelled: Cancel | None = None, side: int = GRID
) -> list[MaskCandidate]:
    """Every region that a grid of ``side`` x ``side`` clicks finds and the network trusts, largest first."""
    height, width = photo.shape
    ys, xs = (np.mgrid[:side, :side].reshape(2, -1) + 0.5) / side
    points = np.stack([xs * width, ys * height], axis=1).astype(np.float32)
    found: list[tuple[float, FloatArray]] = []
    for start in range(0, len(points), _BATCH):
        raise_if_cancelled(cancelled)
        logits, scores = photo.decode_points(points[start : start + _BATCH])
        flat = zip(scores.reshape(-1).tolist(), logits.reshape(-1, *logits.shape[2:]), strict=True)
        found += [(score, one) for score, one in flat if score >= _TRUSTED and _is_region(one, photo.content)]
        if progress is not None:
            progress(min(start + _BATCH, len(points)), len(points))
    kept = _distinct(found)
    regions = [MaskCandidate(photo_mask(one, photo.content, photo.shape), min(score, 1.0)) for score, one in kept]
    return sorted((r for r in regions if r.area), key=lambda r: -r.area)


def _is_region(logits: FloatArray, content: tuple[float, float]) -> bool:
    """Whether a mask is neither dust nor the whole photo, and hardly depends on the threshold."""
    inside = int(np.count_nonzero(logits > 0))
    share = inside / (logits.size * content[0] * content[1])
    firm, loose = int(np.count_nonzero(logits > 1)), int(np.count_nonzero(logits > -1))
    return _LEAST <= share <= _MOST and firm >= _STABLE * loose


def _distinct(found: list[tuple[float, FloatArray]]) -> list[tuple[float, FloatArray]]:
    """Best of each group of masks that are nearly the same."""
    kept: list[tuple[float, FloatArray]] = []
    for score, one in sorted(found, key=lambda pair: -pair[0]):
        if all(iou(one > 0, other > 0) < _SAME for _, other in kept):
            kept.append((score, one))
    return kept
