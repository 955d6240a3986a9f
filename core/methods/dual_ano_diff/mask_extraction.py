"""Three ways from a drawn pair to a mask, and by how much they agree (DualAnoDiff, Mask Generation).

threshold   where the part differs from neutral grey, cleaned up
segmenter   the picture, clicked and boxed where the part is
u2net       what U²-Net finds in the part (the paper's first way), only where it is asked for
attention   where the part's word for the anomaly looked (the paper's second way: average attention in SD*)

A way's agreement is the mean IoU with the other two. ``auto`` takes the threshold of the part, which is what the model
says that it drew, unless another way agrees better by AGREEMENT_MARGIN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import FlawsmithError
from core.images.geometry import mask_box
from core.masks.morphology import fill_holes
from core.segmentation.salient_object import salient_mask
from core.segmentation.segmenter import Click, best_segmenter, iou
from core.types import Image, Mask

MASK_SOURCES = ("threshold", "segmenter", "attention")
LEAST_LEVELS = 14
"""Levels of 255 by which the part must differ from its neutral grey: the autoencoder's own ripple is below."""
PEAK_SHARE = 0.35
"""Share of the part's strongest difference from which on it counts."""
LEAST_SHARE = 0.05
"""Pieces smaller than this share of the largest are dropped."""
LEAST_PIXELS = 12
AGREEMENT_MARGIN = 0.05
"""Agreement by which another way must be ahead of the part's own threshold."""
LARGEST = 0.6
"""A mask that takes more of the picture is no anomaly of it."""


@dataclass(frozen=True)
class ExtractedMasks:
    """Every way's mask, bool (S, S), perhaps empty; how much it agrees with the others, 0..1; and which is taken."""

    by_source: Mapping[str, Mask]
    agreement: Mapping[str, float]
    chosen: str

    @property
    def mask(self) -> Mask:
        """The one that is taken."""
        return self.by_source[self.chosen]


def extract_masks(
    whole: Image, part: Image, attention: npt.NDArray[np.float32], wanted: str, cancelled: Callable[[], bool]
) -> ExtractedMasks:
    """All three masks of a pair uint8 (S, S, 3) and its attention float32 (S, S), 0..1; ``wanted`` is one, or auto.

    A fourth comes where it is wanted: ``u2net``, the paper's. Unavailable without its weights.
    """
    by_part = mask_from_part(part)
    found = {
        "threshold": by_part,
        "segmenter": mask_from_segmenter(whole, by_part, cancelled),
        "attention": mask_from_attention(attention),
    }
    agreement = {
        way: float(np.mean([_iou_or_zero(found[way], found[other]) for other in MASK_SOURCES if other != way]))
        for way in MASK_SOURCES
    }
    if wanted == "u2net":
        own = mask_from_salient(part)
        agreement["u2net"] = float(np.mean([_iou_or_zero(own, mask) for mask in found.values()]))
        found["u2net"] = own
    ahead = {"threshold": AGREEMENT_MARGIN}
    ranked = sorted(MASK_SOURCES, key=lambda way: (not found[way].any(), -agreement[way] - ahead.get(way, 0)))
    taken = wanted if wanted != "auto" else ranked[0]
    return ExtractedMasks(found, agreement, taken)


def mask_from_salient(part: Image) -> Mask:
    """What U²-Net finds in a part uint8 (S, S, 3), as published; empty where nothing stands out."""
    found = salient_mask(part)
    return np.zeros_like(found) if found.all() else cleaned(found)


def mask_from_part(part: Image) -> Mask:
    """Where a part uint8 (S, S, 3) differs from the grey around it: bool (S, S), empty where nothing was drawn."""
    smooth = cv2.GaussianBlur(part, (0, 0), 1.0).astype(np.float32)
    apart = np.abs(smooth - np.median(smooth, axis=(0, 1))).max(axis=2)
    peak = float(np.quantile(apart, 1 - LEAST_PIXELS / apart.size))
    return cleaned(apart > max(LEAST_LEVELS, PEAK_SHARE * peak))


def mask_from_segmenter(whole: Image, part: Mask, cancelled: Callable[[], bool]) -> Mask:
    """What the best segmenter of this machine finds where the part is; empty where there is no part."""
    if not part.any():
        return part
    depth = cv2.distanceTransform(np.pad(part, 1).view(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    rows, cols = mask_box(part, pad=4)
    box = (cols.start, rows.start, cols.stop, rows.stop)
    try:
        prepared = best_segmenter().prepare(whole, cancelled=cancelled)
        click = Click(float(x), float(y))
        # A box finds what stands out little, a click alone follows edges better.
        candidates = [*prepared.predict([click]), *prepared.predict([click], box)]
    except FlawsmithError:
        if cancelled():
            raise
        # A segmenter that finds nothing there says so by an error.
        return np.zeros_like(part)
    return max((c.mask for c in candidates), key=lambda mask: iou(mask, part), default=np.zeros_like(part))


def mask_from_attention(attention: npt.NDArray[np.float32]) -> Mask:
    """Where attention float32 (S, S) in 0..1 is high (Otsu's threshold): bool (S, S)."""
    levels = np.clip(np.rint(attention * 255), 0, 255).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return cleaned(levels > max(threshold, 64))


def cleaned(rough: Mask) -> Mask:
    """Gaps closed, holes filled, specks gone; empty where that leaves no anomaly."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    closed = cv2.morphologyEx(rough.view(np.uint8), cv2.MORPH_CLOSE, disc)
    filled = fill_holes(closed != 0, 200)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(filled.view(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if not len(areas) or areas.max() < LEAST_PIXELS:
        return np.zeros_like(rough)
    keep = np.concatenate([[False], areas >= max(LEAST_SHARE * areas.max(), LEAST_PIXELS / 2)])
    mask = np.asarray(keep[labels], np.bool_)
    return mask if mask.mean() <= LARGEST else np.zeros_like(rough)


def _iou_or_zero(a: Mask, b: Mask) -> float:
    return iou(a, b) if a.any() and b.any() else 0.0
