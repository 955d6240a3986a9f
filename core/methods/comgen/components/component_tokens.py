"""A model that understands learned components, for the time of a ``with`` block."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor

from core.diffusion.backbone import Backbone
from core.diffusion.tokens import Placeholder, with_placeholders
from core.methods.comgen.components.concept_config import components_of
from core.methods.comgen.components.sentences import component_words
from core.training.checkpoints import Concept, check_backbone


def tensor_name(index: int) -> str:
    """The name, in a concept's file, of the vectors (k, width) of its ``index``-th component."""
    return f"component.{index}"


def concept_component_names(concept: Concept) -> tuple[str, ...]:
    """What the learned words are called."""
    return components_of(concept).names


@contextmanager
def apply_concept(
    backbone: Backbone, concept: Concept, tensors: Mapping[str, Tensor]
) -> Iterator[tuple[Backbone, dict[str, str]]]:
    """``backbone`` as it understands ``concept``, and the learned word for each component's name.

    The words are this concept's alone, so that what is kept by a prompt's text cannot be taken for another's. Hold
    the model alone meanwhile. Unavailable where the concept was learned on another model.
    """
    check_backbone(concept, backbone)
    stem = re.sub(r"[^a-z0-9]", "_", concept.id)[-40:]
    words = component_words(concept_component_names(concept), stem)
    known = [Placeholder(word, tensors[tensor_name(i)]) for i, word in enumerate(words.values())]
    with with_placeholders(backbone, known) as speaker:
        yield speaker, words
