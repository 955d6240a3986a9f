"""ComGEN: logical anomalies from photos of good parts alone, by editing the prompt that lists their components.

engine.py   the engine: from a request to a sample; torch is loaded only when it works
asked.py    what is asked for in words: the photo's prompt, the learned components; needs no torch
params.py   what a person may set
parts.py    where each component of a photo is
plan.py     what an edit means on this photo: where to draw, and which word looks where
draw.py     the photo inverted, edited, read back (torch)
paste.py    what was drawn, in the photo at its own resolution
noise.py    samples from noise, ranked by their distance from the nearest good part (torch)
"""

from core.engines.comgen.engine import ComGen
from core.engines.comgen.params import ComGenParams

__all__ = ["ComGen", "ComGenParams"]
