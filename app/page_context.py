"""What every tab is given: the session's ticket, the news that another project was opened, and the tabs themselves."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr

from app.components.notices import errors_as_notices
from app.components.pulse import Pulse
from app.open_projects import header_of
from app.sent_values import checked_event_data, checked_index, checked_values
from app.server.accounts import Role
from app.server.callers import Caller, caller_of
from app.server.proxy_user import user_header
from app.session import Session, TicketJustReplaced, sessions

Component = Any

SESSION_JS = """() => [sessionStorage.getItem("flawsmith-ticket") || "", location.hash]"""
"""``sessionStorage`` is one browser tab's own and survives its reload, which Gradio's session does not. The address
names project and tab, see assets/js/address.js."""
KEEP_TICKET_JS = """(ticket) => { if (ticket) sessionStorage.setItem("flawsmith-ticket", ticket); }"""


def go_to_tab_js(name: str) -> str:
    """JavaScript for an event's ``js`` that opens the tab with this title."""
    return f"""() => [...document.querySelectorAll('#fs-tabs button[role=tab]')]
      .find((tab) => tab.textContent.trim() === '{name}').click()"""


FRONT_TAB_JS = """(ticket, front) => {
  const tab = document.querySelector("#fs-tabs [role=tab][aria-selected=true]");
  return [ticket, tab ? tab.textContent.trim().toLowerCase() : ""];
}"""


RoleName = Literal["viewer", "inspector", "admin"]
"""The least role whose people may send an event. An inspector's where it is left out, since most events write."""

PRIVATE_EVENT = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass
class PageContext:
    """``ticket`` is the first input of every event; ``project_opened`` changes when another project is on the table.

    ``header`` and ``ticket`` are the last outputs of every event made by ``on`` and its kin: counts are never old, and
    a page that has opened another project says so from then on. ``pulse`` tells of verdicts from elsewhere. ``front``
    tells which tab is in front when a project is opened.
    """

    ticket: gr.Textbox
    project_opened: gr.State
    tabs: gr.Tabs
    header: gr.HTML
    pulse: Pulse
    front: gr.Textbox

    @property
    def always(self) -> tuple[Component, ...]:
        """The last outputs of every event."""
        return self.header, self.ticket

    def fill_on_select(self, tab: gr.Tab, fill: Callable[[Session], Any], outputs: Sequence[Component]) -> None:
        """Call ``fill(session)`` for ``outputs`` when the tab comes to the front or a project is opened in it."""

        def selected(session: Session) -> Any:
            session.tab = str(tab.id)
            return fill(session)

        def opened(session: Session, front: str) -> Any:
            # A click on a tab while the page was loading came before the page could tell who it is, and went unheard.
            if session.tab == "product" and front == tab.id:
                session.tab = front
            return fill(session) if session.tab == tab.id else [gr.skip()] * len(outputs)

        on(tab.select, selected, self, outputs=outputs, role="viewer")
        on(self.project_opened.change, opened, self, [self.front], outputs, role="viewer", js=FRONT_TAB_JS)


def on(
    event: Callable[..., Any],
    handler: Callable[..., Any],
    shell: PageContext,
    inputs: Sequence[Component] = (),
    outputs: Sequence[Component] = (),
    role: RoleName = "inspector",
    **more: Any,
) -> Any:
    """``event`` calls ``handler(session, *inputs)``; a person's mistakes become notices."""

    @errors_as_notices
    def handle(ticket: str, request: gr.Request, *values: Any) -> Any:
        return _answered(shell, ticket, request, role, outputs, lambda s: handler(s, *checked_values(inputs, values)))

    if "show_progress" in more:  # on what is waited for, not on the header
        more["show_progress_on"] = list(outputs)
    return event(handle, [shell.ticket, *inputs], [*outputs, *shell.always], **(_unseen(shell) | more))


def on_gallery_select(
    event: Callable[..., Any],
    handler: Callable[[Session, int], Any],
    shell: PageContext,
    outputs: Sequence[Component],
    role: RoleName = "inspector",
    **more: Any,
) -> Any:
    """A gallery's ``select`` calls ``handler(session, index)``."""

    @errors_as_notices
    def handle(ticket: str, picked: gr.SelectData, request: gr.Request) -> Any:
        return _answered(
            shell, ticket, request, role, outputs, lambda session: handler(session, checked_index(picked.index))
        )

    return event(handle, [shell.ticket], [*outputs, *shell.always], **(_unseen(shell) | more))


def on_html_event(
    event: Callable[..., Any],
    handler: Callable[..., Any],
    shell: PageContext,
    outputs: Sequence[Component],
    inputs: Sequence[Component] = (),
    role: RoleName = "inspector",
    **more: Any,
) -> Any:
    """An event of a ``gr.HTML`` calls ``handler(session, data, *inputs)`` with what the browser sent."""

    @errors_as_notices
    def handle(ticket: str, sent: gr.EventData, request: gr.Request, *values: Any) -> Any:
        data = checked_event_data(sent._data)
        work = lambda s: handler(s, data, *checked_values(inputs, values))  # noqa: E731
        return _answered(shell, ticket, request, role, outputs, work)

    return event(handle, [shell.ticket, *inputs], [*outputs, *shell.always], **(_unseen(shell) | more))


def _unseen(shell: PageContext) -> dict[str, Any]:
    """An event whose progress is not shown.

    Gradio's page keeps a status for every component that shows an event's progress, hidden or not, and with each step
    of any event looks for all of them in the whole page: seconds on a page this size. So one stands for all.
    """
    return {**PRIVATE_EVENT, "show_progress_on": [shell.ticket]}


def header_html(session: Session) -> str:
    """The project's name with its counts, HTML; remembered as what the browser shows."""
    bench = session.api
    if bench is None:
        session.headline = '<span class="fs-quiet">No project open</span>'
    else:
        name, photos, kept = header_of(bench)
        many = "photo" if photos == 1 else "photos"
        more = " · for reading only" if bench.project.only_read else ""
        counts = f'<span class="fs-quiet">{photos:,} {many} · {kept:,} kept{more}</span>'
        folder = html.escape(bench.path.name, quote=True)
        session.headline = f'<b data-folder="{folder}">{html.escape(name)}</b>{counts}'
    return session.headline


def caller_in(request: gr.Request) -> Caller:
    """Who sent an event."""
    address = request.client.host if request.client else ""
    return caller_of(request.headers.get("cookie", ""), user_header.user_of(request.headers, address))


def _answered(
    shell: PageContext,
    ticket: str,
    request: gr.Request,
    role: RoleName,
    outputs: Sequence[Component],
    work: Callable[[Session], Any],
) -> Any:
    """Updates for ``outputs`` and ``shell.always``: what ``work`` returns for the session that the ticket names."""
    skipped = [gr.skip()] * (len(outputs) + len(shell.always))
    if not ticket:  # the page was built, but has not told yet who it is
        return skipped
    try:
        session = sessions.get(ticket, caller_in(request), Role(role))
    except TicketJustReplaced:  # what this page shows next is of the project that it opened
        return skipped
    result = work(session)
    return [*_listed(result, len(outputs)), *_page_updates(ticket, sessions.current(session))]


def _listed(result: Any, outputs: int) -> list[Any]:
    if outputs < 2:
        return [result] * outputs
    return [result] * outputs if isinstance(result, dict) else list(result)


def _page_updates(ticket: str, session: Session) -> list[Any]:
    """Updates for ``PageContext.always``, where the browser shows something older."""
    before = session.headline
    now = header_html(session)
    return [gr.skip() if now == before else now, gr.skip() if session.ticket == ticket else session.ticket]
