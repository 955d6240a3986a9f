"""Detectors that are trained on the pairs: one file each; see :mod:`core.evaluation.detectors.api`."""

from core.evaluation.detectors.api import Detector, DetectorParams, TrainContext, TrainedDetector, detector, detectors

__all__ = ["Detector", "DetectorParams", "TrainedDetector", "TrainContext", "detector", "detectors"]
