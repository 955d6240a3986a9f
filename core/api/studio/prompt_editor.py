"""The prompt editor of the Studio: a chip for each component of a photo, and what may be done to it."""

from __future__ import annotations

from pathlib import Path

from core.api.recent import recent_projects
from core.engines.prompt_editing import ComponentCard, Lender, Mark, PromptEditing, PromptView
from core.engines.registry import engines
from core.jobs.product_data import ProductData

__all__ = ["ComponentCard", "Lender", "Mark", "PromptEditing", "PromptView", "prompt_editing"]


class _OpenProject:
    """What a prompt editor asks of the open project."""

    def __init__(self, data: ProductData) -> None:
        self._data = data

    @property
    def concepts(self) -> Path:
        return self._data.concepts

    def region_names(self, normal_id: str) -> list[str]:
        return [row.name for row in self._data.project.regions(normal_id)]

    def other_projects(self) -> list[Path]:
        return [path for path in recent_projects() if path != self._data.project.path]


def prompt_editing(data: ProductData) -> PromptEditing:
    """The view-model of the engine that has a prompt to edit."""
    product = _OpenProject(data)
    return next(found for e in engines().values() if (found := e.prompt_editing(product)) is not None)
