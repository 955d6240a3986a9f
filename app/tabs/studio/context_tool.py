"""What the model sees of the photo: the canvas' frame and the engine's form say the same, and the project keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import gradio as gr

from app.components.photo_panel import PhotoPanel
from app.page_context import PageContext, on, on_html_event
from app.sent_values import sent_number
from app.session import Session
from app.tabs.studio.engine_form import EngineForm
from app.tabs.studio.engine_settings import MODEL
from core.api.studio.photo_context import PhotoContext
from core.errors import FlawsmithError

SIZING = ("margin", "side", MODEL)
"""Settings that the frame follows where no rectangle is set."""

SHOW_JS = "(seen) => { window.flawsmithContext?.('fs-studio-canvas', seen); return seen; }"


class ContextTool:
    """``seen`` takes what the canvas shows, on its way to the browser; ``fields`` are those of the engines whose model
    sees a rectangle that a person can set, by engine."""

    def __init__(self, controls: EngineForm) -> None:
        self.controls = controls
        self.seen = gr.Textbox(visible="hidden")
        self.fields = controls.settings.context_fields

    def _seen(self, params: Mapping[str, Any], engine: str, turn: int = 0) -> str:
        """What the engine's model sees, as the canvas reads it; "" where that can't be told."""
        if engine not in self.fields:
            return ""
        try:
            found = PhotoContext.seen(engine, params)
        except FlawsmithError:  # half typed; drawing says so
            return ""
        return json.dumps({**asdict(found), "turn": turn}) if found is not None else ""

    def look(self, session: Session, engine: str, *values: Any) -> str:
        """The canvas asks, or a setting was changed: an update for ``seen``."""
        return self._seen(self.controls.settings.engine_params(engine, values), engine)

    def typed(self, session: Session, engine: str, *values: Any) -> str:
        """A rectangle was typed: the project keeps it."""
        if engine not in self.fields:
            return ""
        params = self.controls.settings.engine_params(engine, values)
        session.required_api.studio.context.keep(str(params[self.controls.cards[engine].context_setting] or ""))
        return self._seen(params, engine)

    def set_on_canvas(self, session: Session, sent: dict[str, object], engine: str, *values: Any) -> list[object]:
        """The frame was dragged or taken off: updates for ``seen`` and the fields."""
        turn = int(sent_number(sent, "turn"))
        written = session.required_api.studio.context.keep(str(sent.get("context", "")))
        if engine not in self.fields:
            return ["", *[written] * len(self.fields)]
        params = self.controls.settings.engine_params(engine, values)
        params[self.controls.cards[engine].context_setting] = written
        return [self._seen(params, engine, turn), *[written] * len(self.fields)]


def wire(tool: ContextTool, shell: PageContext, table: PhotoPanel) -> None:
    """The canvas' events, the fields, and the settings that the frame follows."""
    controls = tool.controls
    form = [controls.engine, *controls.settings.params]
    tool.seen.change(None, tool.seen, None, js=SHOW_JS, api_visibility="private")
    on(table.canvas.context_wanted, tool.look, shell, form, [tool.seen])
    on_html_event(table.canvas.context_changed, tool.set_on_canvas, shell, [tool.seen, *tool.fields.values()], form)
    for name, field in tool.fields.items():
        for typed in (field.blur, field.submit):
            on(typed, tool.typed, shell, form, [tool.seen])
        settings = controls.settings.forms[name]
        for setting in SIZING:
            if setting in settings.model.model_fields:
                change = settings.control(setting).change
                on(change, tool.look, shell, form, [tool.seen], trigger_mode="always_last")
