"""How long a step of a learning takes on this machine, as it was the last time anybody learned so here."""

from __future__ import annotations

import json
from typing import Any

from core.api.recent import state_folder
from core.images.write import atomic_write
from core.store import Project
from core.training.learning_settings import LearningParams

SETTING = "learning_pace"
"""Setting of a project, and name of this machine's file: seconds a step by engine, preset and model."""


class LearningPaces:
    """Seconds a step: of the project, since photos differ in size, else of any project on this machine."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def seconds_per_step(self, engine: str, params: LearningParams) -> float:
        """As it was last time; 0 where nobody knows."""
        key = _key(engine, params)
        return float(self._project.get_setting(SETTING, {}).get(key) or _of_this_machine().get(key) or 0.0)

    def note(self, engine: str, params: LearningParams, seconds: float) -> None:
        """A run was that quick; 0 says nothing. A machine whose state cannot be written keeps none."""
        if not seconds:
            return
        pace = {_key(engine, params): round(seconds, 4)}
        self._project.set_setting(SETTING, {**self._project.get_setting(SETTING, {}), **pace})
        try:
            state_folder().mkdir(parents=True, exist_ok=True)
            atomic_write(state_folder() / f"{SETTING}.json", json.dumps({**_of_this_machine(), **pace}).encode())
        except OSError:
            return


def _of_this_machine() -> dict[str, Any]:
    try:
        known = json.loads((state_folder() / f"{SETTING}.json").read_text())
    except (OSError, ValueError):
        return {}
    return (
        {key: value for key, value in known.items() if isinstance(value, int | float)}
        if isinstance(known, dict)
        else {}
    )


def _key(engine: str, params: LearningParams) -> str:
    settings = params.model_dump()
    return f"{engine} {settings['preset']} {settings['backbone']}"
