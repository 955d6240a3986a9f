"""One real anomaly drawn into another photo, without learning (after O2MAG, CVPR 2026, and FAST, NeurIPS 2025).

engine.py            the engine: from a request to a sample; torch is loaded only when it works
settings.py          what a person may set
reference_reading.py the target's self-attention, which reads the reference's anomaly
inversion.py         photos on the way to noise, kept warm
prompt_tuning.py     the prompt's embedding, tuned to one reference
drawing.py           the target between photo and references
"""

from core.methods.graft.engine import Graft
from core.methods.graft.settings import GraftParams

__all__ = ["Graft", "GraftParams"]
