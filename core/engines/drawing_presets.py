"""*Draw as*: one setting from which all others of drawing follow, flawsmith's, a paper's or its released code's.

What a person sets by hand wins over the preset; ``auto`` takes the preset that the concept was learned with. A preset
covers drawing, placement and selection, and the recipe records the values that ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from core.engines.api import DrawingPreset, Engine, EngineParams
from core.errors import NotFound
from core.training.checkpoints import NEWEST, find_concept

AUTO, OURS = "auto", "flawsmith"


class PresetParams(EngineParams):
    """Base of the ``Params`` of engines that have drawing presets."""

    draw_as: Literal["auto", "flawsmith", "paper", "code"] = Field(
        "auto",
        title="Draw as",
        description="Sets all that follows: ours (flawsmith), as published (paper), as released (code); auto: as the "
        "concept was learned. Single values can be changed.",
    )


def preset_name(engine: Engine, params: Mapping[str, object], label: str, concepts: Path | None) -> str:
    """The drawing preset that ``params`` ask for: by name, or with ``auto`` that of the concept they name."""
    presets = engine.drawing_presets()
    wanted = str(params.get("draw_as", AUTO))
    if wanted != AUTO:
        return wanted
    concept = str(params.get("concept", engine.Params.model_fields["concept"].default))
    if not concept:
        return OURS
    try:
        learned = find_concept(concepts, engine.name, concept, label).config.preset
    except NotFound:
        return OURS
    return learned if learned in presets else OURS


def resolve_preset(
    engine: Engine, params: Mapping[str, Any], label: str, concepts: Path | None
) -> tuple[dict[str, Any], DrawingPreset]:
    """``params`` with the preset's values where they say nothing, and the preset; as they are without presets.

    The newest concept is named by its id, so that a batch that is gone on with, or made in shards, draws with one.
    """
    presets = engine.drawing_presets()
    if not presets:
        return dict(params), DrawingPreset()
    params = _with_concept_id(engine, params, label, concepts)
    name = preset_name(engine, params, label, concepts)
    chosen = presets.get(name, DrawingPreset())
    return {**chosen.params, **params, "draw_as": name}, chosen


def _with_concept_id(
    engine: Engine, params: Mapping[str, Any], label: str, concepts: Path | None
) -> Mapping[str, Any]:
    """``params`` with the id of the newest concept where they ask for that, and there is one."""
    if params.get("concept", engine.Params.model_fields["concept"].default) != NEWEST:
        return params
    try:
        return {**params, "concept": find_concept(concepts, engine.name, NEWEST, label).id}
    except NotFound:
        return params
