"""DualAnoDiff: a picture with an anomaly and its part alone, drawn together; the mask comes from the part.

engine.py   the engine: from a request to a sample; torch is loaded only when it works
params.py   what a person may set
pane.py     the piece of a photo that is drawn, at the model's size, and back
masks.py    three ways to a mask, and by how much they agree
"""

from core.engines.dual_ano_diff.engine import DualAnoDiff
from core.engines.dual_ano_diff.params import DualAnoDiffParams

__all__ = ["DualAnoDiff", "DualAnoDiffParams"]
