"""What a person may set of the ``comgen`` engine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.engines.drawing_presets import PresetParams

AttentionStep = Literal["first step", "t = 0"]
"""Where the attention of both pictures is read."""


class ComGenParams(PresetParams):
    """Form and bounds of the ``comgen`` engine."""

    draw_as: Literal["auto", "flawsmith", "paper"] = Field(  # type: ignore[assignment]
        "auto",
        title="Draw as",
        description="Sets all that follows: ours (flawsmith), as published (paper); auto: as the components were "
        "learned. Single values can be changed.",
    )

    edit: str = Field(
        "remove",
        title="Edit",
        description="Edits: remove:washer=1; repeat:nut; swap:nut,bolt; replace:nut,gear; count:washer=3; "
        "weight:bolt=0.5; adjective:bolt=rusty. Several are joined by semicolons. remove, repeat or swap alone take "
        "any component. From noise also none: what is rare comes by chance.",
    )
    prompt: str = Field(
        "",
        title="Component prompt",
        description="The good part in words: 'a tray with a bolt, a nut and two washers'. {components} stands for "
        "the list of the photo's regions, which is also what is taken where this is empty.",
    )
    concept: str = Field(
        "",
        title="Learned components",
        description="Components that were learned, by their id, or newest; empty takes the model's own words.",
    )
    borrowed: str = Field(
        "",
        title="Borrowed components",
        description="Further learned components, by ids with commas between them: their words serve for what replace "
        "puts in, such as another product's part.",
    )
    mode: Literal["photo", "noise"] = Field(
        "photo",
        title="Mode",
        description="photo: the chosen photo is inverted and edited; noise: a new picture is drawn from noise.",
    )
    background: Literal["keep", "rewrite"] = Field(
        "keep",
        title="Background",
        description="Keep every pixel outside the mask the photo's own, or take the whole picture as it was drawn.",
    )
    ground: Literal["photos", "drawn"] = Field(
        "photos",
        title="Ground below",
        description="What is seen where a component with a region goes. photos: what other good photos show, its "
        "shadow taken away, and the drawing only where none shows it; what moves is the photo's own. drawn: the "
        "drawing alone.",
    )
    steps: int = Field(20, ge=4, le=250, title="Steps", description="Steps of the sampler: more is finer and slower.")
    guidance: float = Field(
        3.0, ge=1, le=20, title="Guidance", description="How strongly the edited prompt is followed."
    )
    follow: float = Field(
        0.6,
        ge=0,
        le=1,
        title="Cross-attention steps",
        description="Share of the steps in which each word looks where it looks on the photo (Prompt-to-Prompt).",
    )
    structure: float = Field(
        0.5,
        ge=0,
        le=1,
        title="Self-attention steps",
        description="For edits of weight or look: share of the steps in which shapes stay the photo's.",
    )
    margin: float = Field(
        0.04,
        ge=0,
        le=0.3,
        title="Margin",
        description="How far around a component is drawn anew, as a share of the photo's longer side: its shadow.",
    )
    detail: float = Field(
        1.0,
        ge=0,
        le=1,
        title="Grain",
        description="How much of the photo's fine grain goes on where a component is gone.",
    )
    candidates: int = Field(
        4, ge=1, le=64, title="Candidates", description="From noise: pictures drawn, of which the best is taken."
    )
    compare: Literal["nearest", "photo"] = Field(
        "nearest",
        title="Compare with",
        description="From noise: the good part that is most like the picture, or the chosen photo, whatever it shows.",
    )
    d_min: float = Field(
        0.0,
        ge=0,
        le=6,
        title="Minimum distance",
        description="From noise: pictures nearer to a good part are rejected (d_min, ComGEN eq. 6; 0 to 6).",
    )
    d_max: float = Field(
        3.0, ge=0, le=6, title="Maximum distance", description="From noise: pictures farther from it are rejected."
    )
    read_at: AttentionStep = Field(
        "first step",
        title="Read attention at",
        description="first step: the picture carried one step towards noise, where words look more surely; t = 0: the "
        "picture itself, as the paper writes it.",
    )
    backbone: str = Field(
        "auto",
        title="Model",
        description="auto, sd15, mini, a model folder, a .safetensors file or a hub id that was fetched.",
    )
