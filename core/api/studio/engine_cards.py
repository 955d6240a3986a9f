"""The engines as the app shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.engines.api import (
    GOALS,
    Background,
    DrawingPreset,
    Engine,
    EngineParams,
    Goal,
    LearningEngine,
    Tool,
    read_params,
)
from core.engines.registry import engine, engines
from core.errors import NotFound
from core.training.checkpoints import newest_concept
from core.types import Kind

__all__ = ["GOALS", "EngineCard", "Goal", "Tool", "engine_cards", "idle_settings"]


@dataclass(frozen=True)
class EngineCard:
    """An engine as the app shows it. ``reason`` is None, or why it cannot be used and what to do."""

    name: str
    title: str
    summary: str
    kind: Kind
    needs: frozenset[str]
    reason: str | None
    params: type[EngineParams]
    background: Background
    tools: frozenset[Tool]
    first_choice: bool
    drawing_presets: Mapping[str, DrawingPreset]
    goal: Goal
    paper: str
    reference_setting: str
    context_setting: str


def idle_settings(engine_name: str, params: Mapping[str, object]) -> Mapping[str, str]:
    """Settings of an engine that are not taken with these ``params``, such as those its model lacks, and why."""
    chosen = engine(engine_name)
    return chosen.idle_settings(read_params(chosen, params))


def engine_cards(concepts: Path | None = None) -> dict[str, EngineCard]:
    """All engines as the app shows them, those that cannot run here with the reason.

    With a folder of ``concepts`` (it need not be there yet) an engine that has learned nothing says so.
    """
    return {name: _engine_card(e, concepts) for name, e in engines().items()}


def _engine_card(e: Engine, concepts: Path | None) -> EngineCard:
    reason = e.available()
    if reason is None and concepts is not None and isinstance(e, LearningEngine) and e.needs_concept:
        try:
            newest_concept(concepts, e.name)
        except NotFound as error:
            reason = str(error)
    return EngineCard(
        e.name,
        e.title,
        e.summary,
        e.kind,
        e.needs,
        reason,
        e.Params,
        e.background,
        e.tools,
        e.first_choice,
        drawing_presets=e.drawing_presets(),
        goal=e.goal,
        paper=e.paper,
        reference_setting=e.reference_setting,
        context_setting=e.context_setting,
    )
