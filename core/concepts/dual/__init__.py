"""Dual-interrelated learning (DualAnoDiff): a picture with an anomaly, and its part alone, drawn together.

settings.py    what a person may set, and the presets; needs no torch
views.py       pictures, their parts and backgrounds, from real anomalies and good photos; needs no torch
wearing.py     a model with both adapters, the layers between them and the words, for the time of a block
learning.py    the learning itself
"""

from core.concepts.dual.settings import PRESETS, DualParams, DualPreset

__all__ = ["PRESETS", "DualParams", "DualPreset"]
