"""Click → mask, all regions of a photo, and regions carried from one photo to the others."""

from core.segmentation.segmenter import Candidate, Click, Prepared, Segmenter, best_segmenter, segmenter, segmenters

__all__ = ["Candidate", "Click", "Prepared", "Segmenter", "best_segmenter", "segmenter", "segmenters"]
