"""Click → mask, all regions of a photo, and regions carried from one photo to the others."""

from core.segmentation.segmenter import (
    Click,
    MaskCandidate,
    PreparedPhoto,
    Segmenter,
    best_segmenter,
    segmenter,
    segmenters,
)

__all__ = ["MaskCandidate", "Click", "PreparedPhoto", "Segmenter", "best_segmenter", "segmenter", "segmenters"]
