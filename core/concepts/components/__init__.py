"""Multi-component learning (ComGEN, section III-B, eq. 4): a word for each component, from photos of good parts alone.

settings.py    what a person may set, and the presets; needs no torch
sentences.py   from names or regions to the sentences that are learned with; needs no torch
propose.py     how many there may be, by clustering photos
learning.py    the learning itself
guide.py       the loss that draws a word's attention to its regions
maps.py        where each word looks on photos, as pictures and as numbers
speak.py       a model that understands a learned set
"""

from core.concepts.components.sentences import Sentences, component_words
from core.concepts.components.settings import ComponentParams

__all__ = ["ComponentParams", "Sentences", "component_words"]
