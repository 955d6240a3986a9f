"""What is noted of learned components, beside what every concept has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.training.checkpoints import Concept
from core.training.concept_config import ConceptConfig


@dataclass(frozen=True, kw_only=True)
class ComponentsConfig(ConceptConfig):
    """``single``: one word for the whole product. ``renamed``: name given → the region it was found to be."""

    single: bool
    renamed: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.names or len(self.names) != len(self.counts):
            raise ValueError(f"expected names of components and as many counts, got {len(self.names)} names")


def components_of(concept: Concept) -> ComponentsConfig:
    """What ``concept`` knows of components; InputError in one line if it knows none."""
    return concept.config.read_as(ComponentsConfig, f"concept {concept.id}")
