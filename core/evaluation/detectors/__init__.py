"""Detectors that are trained on the pairs: one file each; see :mod:`core.evaluation.detectors.api`."""

from core.evaluation.detectors.api import Detector, DetectorParams, Fitted, TrainContext, detector, detectors

__all__ = ["Detector", "DetectorParams", "Fitted", "TrainContext", "detector", "detectors"]
