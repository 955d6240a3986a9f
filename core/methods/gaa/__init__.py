"""GAA (Lu et al. 2025): a label's anomalies told apart by their looks, each look learned and drawn by itself.

engine.py     the engine: learning and drawing; torch is loaded only when it works
clustering/   AMFC: a label's defects in groups that look alike
"""

from core.methods.gaa.engine import Gaa, GaaParams

__all__ = ["Gaa", "GaaParams"]
