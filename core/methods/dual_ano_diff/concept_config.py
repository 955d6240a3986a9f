"""What is noted of a learned pair model, beside what every concept has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from core.methods.dual_ano_diff.learning_settings import PresetName
from core.training.checkpoints import Concept
from core.training.concept_config import ConceptConfig


@dataclass(frozen=True)
class Build:
    """What there is of a dual model, as a concept keeps it. ``words`` are learned: word → number of its vectors.

    ``prompts`` are (whole, part) of each label, those of a good part under "".
    """

    rank: int
    saim: bool
    saim_zero: bool
    bcm: bool
    scale: float
    inject: str
    bent: bool
    text_adapter: bool
    words: Mapping[str, int]
    prompts: Mapping[str, tuple[str, str]]
    anomaly: Mapping[str, str]
    """Label → what stands for the anomaly in its prompts."""
    bcm_reads: Literal["input", "output"] = "input"
    """What of the background's self-attention the whole's reads."""

    @property
    def group(self) -> int:
        """Rows a pair takes in a batch."""
        return 3 if self.bcm else 2


@dataclass(frozen=True, kw_only=True)
class DualConfig(ConceptConfig):
    """``side`` is that of the square it learned, in pixels of the photo ``margin`` around a defect, or the ``whole``
    photo. ``objects`` is the finder of the part, "" without; ``looks`` are descriptors of the examples.
    """

    preset: PresetName
    build: Build
    side: int
    margin: float
    whole: bool
    objects: str
    looks: tuple[tuple[float, ...], ...] = ()


def dual_config(concept: Concept) -> DualConfig:
    """What ``concept`` notes of its pair model; InputError in one line if something is missing."""
    return concept.config.read_as(DualConfig, f"concept {concept.id}")
