"""Multi-component learning (ComGEN, section III-B, eq. 4): a word for each component, from photos of good parts alone.

learning_settings.py  what a person may set, and the presets; needs no torch
sentences.py   from names or regions to the sentences that are learned with; needs no torch
component_proposal.py  how many there may be, by clustering photos
train.py       the learning itself
attention_loss.py  the loss that draws a word's attention to its regions
attention_maps.py  where each word looks on photos, as pictures and as numbers
component_tokens.py  a model that understands a learned set
"""

from core.methods.comgen.components.learning_settings import ComponentLearningParams
from core.methods.comgen.components.sentences import ComponentSentences, component_words

__all__ = ["ComponentLearningParams", "ComponentSentences", "component_words"]
