"""ComGEN: logical anomalies from photos of good parts alone, by editing the prompt that lists their components.

engine.py   the engine: from a request to a sample; torch is loaded only when it works
requested_prompt.py  what is asked for in words: the photo's prompt, the learned components; needs no torch
settings.py  what a person may set
component_masks.py  where each component of a photo is
edit_plan.py  what an edit means on this photo: where to draw, and which word looks where
sample.py   the photo inverted, edited, read back (torch)
paste_back.py  what was drawn, in the photo at its own resolution
low_density.py  samples from noise, ranked by their distance from the nearest good part (torch)
"""

from core.methods.comgen.engine import ComGen
from core.methods.comgen.settings import ComGenParams

__all__ = ["ComGen", "ComGenParams"]
