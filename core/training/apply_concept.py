"""A learned anomaly as a prompt: the model wears the concept's adapter and understands its words for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from core.diffusion.backbone import Backbone
from core.diffusion.conditioning import Conditioning
from core.diffusion.model_crop import CropSettings
from core.diffusion.tokens import Placeholder, padded_ids, token_positions, with_placeholders
from core.errors import InputError
from core.training.checkpoints import Concept
from core.training.concept_config import InversionConfig
from core.training.low_rank import merged_adapter
from core.training.spatial_embedding import (
    MaskEncoder,
    SpatialTables,
    encode_with_spatial,
    encoder_input,
    load_encoder,
    spatial_word,
)
from core.training.textual_inversion import SPATIAL_WORD, anomaly_word, learned_words
from core.types import Mask


@dataclass(frozen=True)
class AppliedConcept:
    """A model that understands a concept. ``words`` are e_a by group; ``token_positions`` are those of e_a and e_s
    in the padded prompt, the same for every group since their words are equally long."""

    backbone: Backbone
    concept: Concept
    config: InversionConfig
    word_of_group: Mapping[str, str]
    token_positions: tuple[int, ...]
    encoder: MaskEncoder
    spatial_tables: SpatialTables

    @property
    def normal_prompt(self) -> str:
        """What a photo of a good part is called."""
        return self.config.normal_prompt

    def crop_settings(self, margin: float = 0.0) -> CropSettings:
        """What of a photo is drawn in: what the concept was learned from, or ``margin`` around the mask."""
        if margin or not self.config.sees_whole_photos:
            framed = bool(self.config.view)
            return CropSettings(margin or self.config.margin, square=not framed, framed=framed)
        return CropSettings(framed=True, whole=True)

    @torch.no_grad()
    def conditioning(self, group: str, mask: Mask) -> Conditioning:
        """{e_a, e_s} of ``group`` in the concept's prompt for a window's mask bool (h, w): one row.

        InputError where the concept holds other groups.
        """
        known = tuple(self.word_of_group)
        if group not in known and len(known) > 1:
            raise InputError(
                f"concept {self.concept.id}: it knows {', '.join(known)}, not {group!r}; choose one of these"
            )
        # A concept of one label draws it whatever the anomaly shall be called.
        prompt = _concept_prompt(self.config, self.word_of_group.get(group, self.word_of_group[known[0]]))
        tokens = self.encoder(encoder_input(self.encoder.kind, mask).to(self.backbone.device))
        return encode_with_spatial(self.backbone, padded_ids(self.backbone, [prompt]), self.spatial_tables, tokens)


@contextmanager
def apply_concept(backbone: Backbone, concept: Concept, tensors: Mapping[str, Tensor]) -> Iterator[AppliedConcept]:
    """``backbone`` as it understands ``concept``; as before when the block ends. Hold it alone meanwhile.

    A group is a label or, where the concept tells clusters of its labels apart, one of these.
    """
    config = concept.config.read_as(InversionConfig, f"concept {concept.id}")
    words = {group: anomaly_word(i) for i, group in enumerate(concept.groups)}
    state = {name.removeprefix("encoder."): v for name, v in tensors.items() if name.startswith("encoder.")}
    with ExitStack() as stack:
        stack.enter_context(merged_adapter(backbone, tensors))
        learned = [Placeholder(word, tensors[f"anomaly.{word}"]) for word in words.values()]
        known = stack.enter_context(with_placeholders(backbone, learned))
        known, tables = stack.enter_context(spatial_word(known, SPATIAL_WORD, state["start"].shape[0]))
        encoder = load_encoder(config.encoder, state).to(backbone.device)
        prompt, word = _concept_prompt(config, anomaly_word(0)), anomaly_word(0)
        at = token_positions(known, prompt, word)
        at += token_positions(known, prompt, SPATIAL_WORD) if config.spatial else ()
        yield AppliedConcept(known, concept, config, words, at, encoder, tables)


def _concept_prompt(config: InversionConfig, word: str) -> str:
    return config.prompt.replace("{}", learned_words(word, config.spatial))
