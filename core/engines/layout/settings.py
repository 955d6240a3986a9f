"""What a person can set: the form and ``--param`` come from here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.engines.api import EngineParams

Op = Literal["remove", "duplicate", "move", "rotate", "flip", "swap", "replace", "recolour"]


class LayoutParams(EngineParams):
    """Settings of one layout edit. What is left unset is drawn at random from what fits."""

    op: Op = Field(
        "remove",
        title="Edit",
        description="remove: missing part; duplicate: one too many; move: displaced; rotate, flip: turned wrongly; "
        "swap: two parts exchanged; replace: a copy of another part in its place; recolour: wrong colour.",
    )
    region: str = Field(
        "",
        title="Region",
        description="Name of the component, or several with commas to pick one at random. 'washer' stands for "
        "'washer', 'washer_2', ...; empty picks any.",
    )
    instance: int = Field(
        0, ge=0, le=999, title="Instance", description="Which region of that name; 0 picks one at random."
    )
    partner: str = Field(
        "",
        title="Other region",
        description="swap: the component to change places with; replace: the one to put there. "
        "Empty picks one of another name.",
    )
    partner_instance: int = Field(
        0, ge=0, le=999, title="Other instance", description="Which region of the other name; 0 picks one at random."
    )
    dx: int | None = Field(
        None,
        ge=-20000,
        le=20000,
        title="Right (px)",
        description="move, duplicate: how far to the right; negative is left. With dx and dy unset a free place on "
        "the same surface is picked.",
    )
    dy: int | None = Field(
        None, ge=-20000, le=20000, title="Down (px)", description="move, duplicate: how far down; negative is up."
    )
    angle: float | None = Field(
        None,
        ge=-360,
        le=360,
        title="Angle (degrees)",
        description="Turn counter-clockwise about the component's middle. Unset: random for rotate; else 0, or more "
        "where only a turned part finds a place.",
    )
    scale: float = Field(
        1.0, ge=0.25, le=4, title="Scale", description="move, duplicate, rotate: size of the part at its new place."
    )
    axis: Literal["random", "horizontal", "vertical"] = Field(
        "random", title="Flip", description="flip: horizontal exchanges left and right, vertical top and bottom."
    )
    overlap: bool = Field(
        False,
        title="Allow overlap",
        description="Let places picked at random, turned parts and exchanged parts lie over other regions.",
    )
    shadow: bool = Field(
        True, title="Move the shadow", description="Find the component's soft shadow and move it with the component."
    )
    hue: float | None = Field(
        None, ge=-180, le=180, title="Hue (degrees)", description="recolour: turn of the hue. Ignored on grey photos."
    )
    saturation: float | None = Field(
        None,
        ge=-100,
        le=100,
        title="Saturation",
        description="recolour: Lab chroma added or taken; a grey part becomes coloured. Ignored on grey photos.",
    )
    lightness: float | None = Field(
        None, ge=-60, le=60, title="Lightness", description="recolour: Lab lightness added or taken."
    )
