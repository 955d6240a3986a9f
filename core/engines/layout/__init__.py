"""Logical anomalies by editing named regions: remove, duplicate, move, rotate, flip, swap, replace, recolour."""

from core.engines.layout.engine import Layout
from core.engines.layout.settings import LayoutParams

__all__ = ["Layout", "LayoutParams"]
