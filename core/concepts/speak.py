"""A learned anomaly as a prompt: the model wears the concept's adapter and understands its words for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from core.concepts.inversion import SPATIAL, anomaly_word
from core.concepts.lora import merged
from core.concepts.shelf import Concept
from core.concepts.spatial import MaskEncoder, RowEmbedding, encode_with, encoder_of, seen_by, spatial_word
from core.diffusion.model import Backbone
from core.diffusion.tokens import Placeholder, padded_ids, placeholders, positions
from core.errors import InputError
from core.types import Mask


@dataclass(frozen=True)
class Speaker:
    """A model that understands a concept. ``positions`` are those of e_a and e_s in the padded prompt."""

    backbone: Backbone
    prompt: str
    normal_prompt: str
    positions: tuple[int, ...]
    encoder: MaskEncoder
    table: RowEmbedding

    @torch.no_grad()
    def text(self, mask: Mask) -> Tensor:
        """{e_a, e_s} in the concept's prompt, float32 (1, length, width), for a window's mask bool (h, w)."""
        tokens = self.encoder(seen_by(self.encoder.kind, mask).to(self.backbone.device))
        return encode_with(self.backbone, padded_ids(self.backbone, [self.prompt]), self.table, tokens)


@contextmanager
def speaking(backbone: Backbone, concept: Concept, tensors: Mapping[str, Tensor], label: str) -> Iterator[Speaker]:
    """``backbone`` as it understands ``label`` of ``concept``; as before when the block ends. Hold it alone meanwhile.

    Where the concept tells clusters of its labels apart, ``label`` is the name of one. InputError where it holds
    others.
    """
    groups = tuple(concept.groups)
    if label not in groups and len(groups) > 1:
        raise InputError(f"concept {concept.id}: it knows {', '.join(groups)}, not {label!r}; choose one of these")
    # A concept of one label draws it whatever the anomaly shall be called.
    word = anomaly_word(groups.index(label) if label in groups else 0)
    vectors = tensors[f"anomaly.{word}"]
    state = {name.removeprefix("encoder."): v for name, v in tensors.items() if name.startswith("encoder.")}
    with ExitStack() as stack:
        stack.enter_context(merged(backbone, tensors))
        known = stack.enter_context(placeholders(backbone, [Placeholder(word, vectors)]))
        count = state["start"].shape[0]
        known, table = stack.enter_context(spatial_word(known, SPATIAL, count))
        encoder = encoder_of(concept.config["encoder"], state).to(backbone.device)
        prompt = str(concept.config["prompt"]).format(f"{word} {SPATIAL}")
        at = positions(known, prompt, word) + positions(known, prompt, SPATIAL)
        yield Speaker(known, prompt, str(concept.config["normal_prompt"]), at, encoder, table)
