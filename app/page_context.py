"""What every tab is given: the session's id, the news that another project was opened, and the tabs themselves."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.components.notices import errors_as_notices
from app.session import Session, header_of, sessions

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


def go_to_tab_js(name: str) -> str:
    """JavaScript for an event's ``js`` that opens the tab with this title."""
    return f"""() => [...document.querySelectorAll('#fs-tabs button[role=tab]')]
      .find((tab) => tab.textContent.trim() === '{name}').click()"""


PRIVATE_EVENT = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass
class PageContext:
    """``sid`` is the first input of every event; ``opened`` changes when there is another project on the table.

    ``header`` is the last output of every event made by ``on`` and its kin, so that its counts are never old.
    """

    sid: gr.Textbox
    project_opened: gr.State
    tabs: gr.Tabs
    header: gr.HTML

    def fill_on_select(self, tab: gr.Tab, fill: Callable[[Session], Any], outputs: Sequence[Component]) -> None:
        """Call ``fill(session)`` for ``outputs`` when the tab comes to the front or a project is opened in it."""

        def selected(session: Session) -> Any:
            session.tab = str(tab.id)
            return fill(session)

        def opened(session: Session) -> Any:
            return fill(session) if session.tab == tab.id else [gr.skip()] * len(outputs)

        on(tab.select, selected, self, outputs=outputs)
        on(self.project_opened.change, opened, self, outputs=outputs)


def on(
    event: Callable[..., Any],
    handler: Callable[..., Any],
    shell: PageContext,
    inputs: Sequence[Component] = (),
    outputs: Sequence[Component] = (),
    **more: Any,
) -> Any:
    """``event`` calls ``handler(session, *inputs)``; a person's mistakes become notices."""

    @errors_as_notices
    def handle(sid: str, *values: Any) -> Any:
        if not sid:  # the page was built, but has not told yet who it is
            return [gr.skip()] * (len(outputs) + 1) if outputs else gr.skip()
        return _with_header(sid, handler(sessions.get(sid), *values), len(outputs))

    if "show_progress" in more:  # on what is waited for, not on the header
        more["show_progress_on"] = list(outputs)
    return event(handle, [shell.sid, *inputs], [*outputs, shell.header], **(PRIVATE_EVENT | more))


def on_gallery_select(
    event: Callable[..., Any],
    handler: Callable[[Session, int], Any],
    shell: PageContext,
    outputs: Sequence[Component],
    **more: Any,
) -> Any:
    """A gallery's ``select`` calls ``handler(session, index)``."""

    @errors_as_notices
    def handle(sid: str, picked: gr.SelectData) -> Any:
        return _with_header(sid, handler(sessions.get(sid), picked.index), len(outputs))

    return event(handle, [shell.sid], [*outputs, shell.header], **(PRIVATE_EVENT | more))


def on_html_event(
    event: Callable[..., Any],
    handler: Callable[..., Any],
    shell: PageContext,
    outputs: Sequence[Component],
    inputs: Sequence[Component] = (),
    **more: Any,
) -> Any:
    """An event of a ``gr.HTML`` calls ``handler(session, data, *inputs)`` with what the browser sent."""

    @errors_as_notices
    def handle(sid: str, sent: gr.EventData, *values: Any) -> Any:
        return _with_header(sid, handler(sessions.get(sid), dict(sent._data or {}), *values), len(outputs))

    return event(handle, [shell.sid, *inputs], [*outputs, shell.header], **(PRIVATE_EVENT | more))


def header_html(session: Session) -> str:
    """The project's name with its counts, HTML; remembered as what the browser shows."""
    bench = session.api
    if bench is None:
        session.headline = '<span class="fs-quiet">No project open</span>'
    else:
        name, photos, kept = header_of(bench)
        many = "photo" if photos == 1 else "photos"
        session.headline = f'<b>{html.escape(name)}</b><span class="fs-quiet">{photos:,} {many} · {kept:,} kept</span>'
    return session.headline


def _with_header(sid: str, result: Any, outputs: int) -> Any:
    # The handler may have opened another project: ask for the session anew.
    session = sessions.get(sid)
    before = session.headline
    now = header_html(session)
    header = gr.skip() if now == before else now
    if outputs == 0:
        return header
    if outputs == 1:
        return [result, header]
    return [*([result] * outputs if isinstance(result, dict) else result), header]
