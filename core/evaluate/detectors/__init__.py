"""Detectors that are trained on the pairs: one file each; see :mod:`core.evaluate.detectors.base`."""

from core.evaluate.detectors.base import Detector, DetectorParams, Fitted, TrainContext, detector, detectors

__all__ = ["Detector", "DetectorParams", "Fitted", "TrainContext", "detector", "detectors"]
