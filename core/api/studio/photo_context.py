"""What of the photo a diffusion engine sees: what the canvas shows of it, and the rectangle that a project keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.engines.api import read_params
from core.engines.registry import engine
from core.errors import InputError
from core.images import ContextMargin, ContextRectangle
from core.store import Project

SETTING = "context_rectangle"
"""The project's setting: the rectangle as it is written, "" where none is set."""


@dataclass(frozen=True)
class SeenContext:
    """What a model sees around a mask: the ``rectangle`` as it is written, else ("") the mask's box widened by
    ``margin`` times its longer side, at least ``least`` photo pixels a side."""

    rectangle: str = ""
    margin: float = 0.0
    least: int = 0


class PhotoContext:
    """The desk behind the canvas' Context tool."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @property
    def kept(self) -> str:
        """The rectangle that was set last in this project, as it is written; "" without one."""
        found = self._project.get_setting(SETTING)
        try:
            return str(ContextRectangle.parse(found) or "") if isinstance(found, str) else ""
        except InputError:
            return ""

    def keep(self, rectangle: str) -> str:
        """Keep a rectangle, "" for none; returns it as it is written. InputError if it is none."""
        written = str(ContextRectangle.parse(rectangle) or "")
        if written != self.kept and not self._project.only_read:
            self._project.set_setting(SETTING, written)
        return written

    @staticmethod
    def seen(engine_name: str, params: Mapping[str, object]) -> SeenContext | None:
        """What an engine's model sees with these settings; None where it can't be told. InputError for wrong ones."""
        chosen = engine(engine_name)
        match chosen.context_of(read_params(chosen, params)):
            case ContextRectangle() as rectangle:
                return SeenContext(rectangle=str(rectangle))
            case ContextMargin(margin, least):
                return SeenContext(margin=margin, least=least)
        return None
