"""A learned anomaly as a prompt: the model wears the concept's adapter and understands its words for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from core.diffusion.backbone import Backbone
from core.diffusion.conditioning import Conditioning
from core.diffusion.tokens import Placeholder, padded_ids, placeholders, positions
from core.errors import InputError
from core.training.checkpoints import Concept
from core.training.concept_config import InversionConfig
from core.training.low_rank import merged
from core.training.spatial_embedding import MaskEncoder, RowEmbedding, encode_with, encoder_of, seen_by, spatial_word
from core.training.textual_inversion import SPATIAL, anomaly_word
from core.types import Mask


@dataclass(frozen=True)
class AppliedConcept:
    """A model that understands a concept. ``words`` are e_a by group; ``positions`` are those of e_a and e_s in the
    padded prompt, the same for every group since their words are equally long."""

    backbone: Backbone
    concept: Concept
    config: InversionConfig
    words: Mapping[str, str]
    positions: tuple[int, ...]
    encoder: MaskEncoder
    table: RowEmbedding

    @property
    def normal_prompt(self) -> str:
        """What a photo of a good part is called."""
        return self.config.normal_prompt

    @torch.no_grad()
    def conditioning(self, group: str, mask: Mask) -> Conditioning:
        """{e_a, e_s} of ``group`` in the concept's prompt for a window's mask bool (h, w): one row.

        InputError where the concept holds other groups.
        """
        known = tuple(self.words)
        if group not in known and len(known) > 1:
            raise InputError(
                f"concept {self.concept.id}: it knows {', '.join(known)}, not {group!r}; choose one of these"
            )
        # A concept of one label draws it whatever the anomaly shall be called.
        prompt = _prompt(self.config, self.words.get(group, self.words[known[0]]))
        tokens = self.encoder(seen_by(self.encoder.kind, mask).to(self.backbone.device))
        return encode_with(self.backbone, padded_ids(self.backbone, [prompt]), self.table, tokens)


@contextmanager
def apply_concept(backbone: Backbone, concept: Concept, tensors: Mapping[str, Tensor]) -> Iterator[AppliedConcept]:
    """``backbone`` as it understands ``concept``; as before when the block ends. Hold it alone meanwhile.

    A group is a label or, where the concept tells clusters of its labels apart, one of these.
    """
    config = concept.config.read_as(InversionConfig, f"concept {concept.id}")
    words = {group: anomaly_word(i) for i, group in enumerate(concept.groups)}
    state = {name.removeprefix("encoder."): v for name, v in tensors.items() if name.startswith("encoder.")}
    with ExitStack() as stack:
        stack.enter_context(merged(backbone, tensors))
        learned = [Placeholder(word, tensors[f"anomaly.{word}"]) for word in words.values()]
        known = stack.enter_context(placeholders(backbone, learned))
        known, table = stack.enter_context(spatial_word(known, SPATIAL, state["start"].shape[0]))
        encoder = encoder_of(config.encoder, state).to(backbone.device)
        prompt, word = _prompt(config, anomaly_word(0)), anomaly_word(0)
        at = positions(known, prompt, word) + positions(known, prompt, SPATIAL)
        yield AppliedConcept(known, concept, config, words, at, encoder, table)


def _prompt(config: InversionConfig, word: str) -> str:
    return config.prompt.replace("{}", f"{word} {SPATIAL}")
