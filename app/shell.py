"""What every tab is given: the session's id, the news that another project was opened, and the tabs themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from app.notices import guarded
from app.session import Session, sessions

Component = Any

SESSION_JS = """() => {
  let sid = sessionStorage.getItem("flawsmith-sid");
  if (!sid) {
    sid = Array.from(crypto.getRandomValues(new Uint8Array(16)), b => b.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem("flawsmith-sid", sid);
  }
  return [sid];
}"""
"""``sessionStorage`` is one browser tab's own and survives its reload, which Gradio's session does not."""


PRIVATE = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass
class Shell:
    """``sid`` is the first input of every event; ``opened`` changes when there is another project on the table."""

    sid: gr.Textbox
    opened: gr.State
    tabs: gr.Tabs
    changed: dict[str, gr.State] = field(default_factory=dict)

    def refresh(self, tab: gr.Tab, fill: Callable[[Session], Any], outputs: Sequence[Component]) -> None:
        """Call ``fill(session)`` for ``outputs`` when the tab is shown and when another project is opened."""

        @guarded
        def filled(sid: str) -> Any:
            return fill(sessions.get(sid))

        for happens in (tab.select, self.opened.change):
            happens(filled, self.sid, list(outputs), **PRIVATE)


def on(
    event: Callable[..., Any],
    handler: Callable[..., Any],
    shell: Shell,
    inputs: Sequence[Component] = (),
    outputs: Sequence[Component] = (),
    **more: Any,
) -> Any:
    """``event`` calls ``handler(session, *inputs)``; a person's mistakes become notices."""

    @guarded
    def handle(sid: str, *values: Any) -> Any:
        return handler(sessions.get(sid), *values)

    return event(handle, [shell.sid, *inputs], list(outputs), **(PRIVATE | more))


def on_pick(
    event: Callable[..., Any],
    handler: Callable[[Session, int], Any],
    shell: Shell,
    outputs: Sequence[Component],
    **more: Any,
) -> Any:
    """A gallery's ``select`` calls ``handler(session, index)``."""

    @guarded
    def handle(sid: str, picked: gr.SelectData) -> Any:
        return handler(sessions.get(sid), picked.index)

    return event(handle, [shell.sid], list(outputs), **(PRIVATE | more))


def on_canvas(
    event: Callable[..., Any],
    handler: Callable[[Session, dict[str, Any]], Any],
    shell: Shell,
    outputs: Sequence[Component],
    **more: Any,
) -> Any:
    """An event of the mask canvas calls ``handler(session, data)`` with what the browser sent."""

    @guarded
    def handle(sid: str, sent: gr.EventData) -> Any:
        return handler(sessions.get(sid), dict(sent._data or {}))

    return event(handle, [shell.sid], list(outputs), **(PRIVATE | more))
