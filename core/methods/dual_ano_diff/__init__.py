"""DualAnoDiff (Jin et al., CVPR 2025): a picture with an anomaly and its part alone, drawn together.

engine.py             the engine: from a request to a sample; torch is loaded only when it works
settings.py           what a person may set of drawing
square_crop.py        the piece of a photo that is drawn, at the model's size, and back
mask_extraction.py    three ways from a drawn pair to a mask, and by how much they agree
sample.py             a pair drawn in one batch (torch)
interaction.py        self-attention interaction (SAIM) and background compensation (BCM) (torch)
adapters.py           a model with both adapters, the layers between them and the words, for the time of a block
learning_settings.py  what a person may set of learning, and the presets
training_samples.py   pictures, their parts and backgrounds, from real anomalies and good photos
train.py              the learning itself (torch)
"""

from core.methods.dual_ano_diff.engine import DualAnoDiff
from core.methods.dual_ano_diff.settings import DualAnoDiffParams

__all__ = ["DualAnoDiff", "DualAnoDiffParams"]
