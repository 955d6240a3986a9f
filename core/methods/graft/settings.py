"""What a person may set of drawing like one real anomaly. Needs no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from core.engines.api import EngineParams

ANY, MOST_TOGETHER = "any", 4


class GraftParams(EngineParams):
    """Form and bounds of the ``graft`` engine."""

    reference: str = Field(
        ANY,
        max_length=256,
        title="Real anomaly",
        description="any: each time another of the label. Or the id of one, bank:ID for an entry of the defect bank, "
        "or up to four with commas between, which are read together.",
    )
    mix: int = Field(
        1,
        ge=1,
        le=MOST_TOGETHER,
        title="Read together",
        description="Of any: how many real anomalies a sample takes its look from; the first gives its shape.",
    )
    renewal: float = Field(
        0.5,
        ge=0.05,
        le=1,
        title="Variation",
        description="Share of the steps that are drawn: low values stay close to the real anomaly, 1 begins at noise.",
    )
    reinjection: float = Field(
        0.6,
        ge=0,
        le=1,
        title="Re-injection",
        description="Share of the real anomaly that is given back at each step (FAST); 0 leaves it to the attention.",
    )
    steps: int = Field(
        10, ge=2, le=100, title="Steps", description="Steps of inversion and of drawing: more is finer and slower."
    )
    prompt: str = Field(
        "{label}",
        title="Prompt",
        description="Words for the anomaly; {label} stands for its label; empty for none.",
    )
    attention: float = Field(
        1.5,
        ge=1,
        le=10,
        title="Attention to the prompt",
        description="Factor on the attention to the prompt's words inside the mask; 1 leaves it as it is.",
    )
    tune: int = Field(
        0,
        ge=0,
        le=2000,
        title="Steps of tuning",
        description="Tune the prompt's embedding to the real anomaly for so many steps first, once for each anomaly; "
        "O2MAG takes 500; 0 takes the prompt as it is.",
    )
    rounds: int = Field(
        1,
        ge=1,
        le=10,
        title="Inversion rounds",
        description="How often each step of the inversion is refined; 1 is quick and drifts.",
    )
    margin: float = Field(
        0.5, ge=0, le=4, title="Context", description="Surroundings the model sees, as a share of the mask's box."
    )
    least: int = Field(
        96,
        ge=16,
        le=2048,
        title="Least view (px)",
        description="Pixels of the photo that the model sees at least, a side; a small mask is drawn enlarged.",
    )
    detail: float = Field(
        1.0,
        ge=0,
        le=1,
        title="Grain",
        description="How much fine structure is given back that the model's autoencoder loses.",
    )
    feather: float = Field(
        1.0, ge=0, le=64, title="Feather", description="Pixels inside the mask over which the drawing fades in."
    )
    seam: Literal["feather", "poisson"] = Field(
        "feather", title="Seam", description="Fade at the mask's edge, or clone the drawing's gradients (Poisson)."
    )
    backbone: str = Field(
        "auto",
        title="Model",
        description="auto, sd15, mini, a model folder, a .safetensors file or a hub id that was fetched.",
    )

    @field_validator("reference")
    @classmethod
    def _few(cls, reference: str) -> str:
        if len(asked_ids(reference)) > MOST_TOGETHER:
            raise ValueError(f"expected up to {MOST_TOGETHER} ids with commas between")
        return reference

    @property
    def together(self) -> int:
        """How many real anomalies a sample is drawn like."""
        return len(asked_ids(self.reference)) or self.mix


def asked_ids(reference: str) -> list[str]:
    """The ids that a person named; none where any anomaly of the label will do."""
    named = [id.strip() for id in reference.split(",") if id.strip()]
    return [] if named == [ANY] else list(dict.fromkeys(named))
