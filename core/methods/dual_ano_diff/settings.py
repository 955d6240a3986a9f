"""What a person may set of the ``dual_ano_diff`` engine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.engines.drawing_presets import PresetParams
from core.training.checkpoints import NEWEST


class DualAnoDiffParams(PresetParams):
    """Form and bounds of the ``dual_ano_diff`` engine."""

    concept: str = Field(
        NEWEST, title="Concept", description="Id of the learned concept; newest uses the latest one of the label."
    )
    transplant: bool = Field(
        True,
        title="Transplant",
        description="Put the anomaly alone into the photo, fitted to the mask; off, the sample is the whole new "
        "picture.",
    )
    start: Literal["auto", "noise", "example", "photo"] = Field(
        "auto",
        title="Initial image",
        description="noise: a new picture, as in the paper; example: a real example in the mask; photo: the photo as "
        "it is; auto: an example, or noise for whole new pictures and for other presets.",
    )
    strength: float = Field(
        0.4,
        ge=0.05,
        le=1,
        title="Strength",
        description="From an example or the photo: how much of it is redrawn; from noise it has no effect.",
    )
    mask: Literal["auto", "threshold", "segmenter", "attention", "u2net"] = Field(
        "auto",
        title="Mask from",
        description="threshold: where the part is not neutral grey; segmenter: the picture clicked where the part is; "
        "attention: where the anomaly's word looks; auto: the one of these that agrees best with the other two; "
        "u2net: what U²-Net finds in the part, as in the paper, where its weights are.",
    )
    steps: int = Field(
        0,
        ge=0,
        le=250,
        title="Steps",
        description="Steps of the sampler: more is finer and slower; 0: as the concept was learned for.",
    )
    guidance: float = Field(
        0.0,
        ge=0,
        le=20,
        title="Guidance",
        description="How strongly the anomaly is drawn; 1 is without guidance, 0: as the concept was learned for.",
    )
    negative: Literal["good part", "empty prompt"] = Field(
        "good part",
        title="Guidance compares with",
        description="A good part of the same product, of which the anomalous part is empty; or the empty prompt, as "
        "in the paper.",
    )
    sampler: Literal["auto", "ddim", "dpmpp_2m"] = Field(
        "auto", title="Sampler", description="DDIM, or DPM-Solver++(2M), which needs fewer steps; auto as learned for."
    )
    detail: float = Field(
        1.0,
        ge=0,
        le=1,
        title="Grain",
        description="From an example or the photo: how much of the fine grain goes on where it is drawn.",
    )
    feather: float = Field(
        1.0, ge=0, le=64, title="Feather", description="Pixels inside the mask over which the anomaly fades in."
    )
    backbone: str = Field(
        "auto", title="Model", description="auto is the one the concept was learned on; else as when learning."
    )
