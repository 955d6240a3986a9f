"""The looks of a label, for engines that learn them one by one: rows to merge, split and rename by mouse or keys."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from app.components.photo_panel import SERIAL_EVENTS
from app.components.progress_bar import ProgressBar
from app.modules import on_load
from app.page_context import PageContext, on_html_event
from app.session import Session, file_url
from core.api.concepts.groups import ExampleGroup
from core.errors import InputError, NotFound

EVENTS = (
    *("group_merged", "group_moved", "group_parted", "group_split", "group_renamed", "group_shown", "group_asked"),
    "group_undone",
)
MAX_SHOWN = 40
"""Tiles of one group; the others are counted."""


class GroupList:
    """The card with the groups; ``parts`` is what ``show`` updates."""

    def __init__(self, shell: PageContext, wanted: Callable[[Session], bool]) -> None:
        self.shell, self.wanted = shell, wanted
        with gr.Column(visible=False, elem_classes="fs-cx-card", elem_id="fs-cx-groups") as self.box:
            self.html = gr.HTML(js_on_load=on_load("app/tabs/concepts/groups.js", *EVENTS), elem_id="fs-cg")
            self.bar = ProgressBar(shell, "group_id")
        self.parts = [self.box, self.html]

    def show(self, session: Session) -> list[object]:
        """Updates for ``parts``."""
        labels = self._labels(session)
        if not labels or not self.wanted(session):
            return [gr.update(visible=False), ""]
        label = self._label(session, labels)
        groups = session.required_api.concepts.groups.groups_of(label)
        body = _empty_html(label) if groups is None else _rows(session, label, groups)
        tools = "" if groups is None else _tools(session.required_api.concepts.groups.can_undo(label))
        head = f"<div class='fs-cx-head'><h3>Looks</h3>{_choice(labels, label)}{tools}</div>"
        return [gr.update(visible=True), f"<div class='fs-cg'>{head}{body}</div>"]

    def wire(self) -> None:
        """What the rows tell."""
        groups: Callable[[Session], Any] = lambda s: s.required_api.concepts.groups  # noqa: E731
        acts: Sequence[tuple[Any, Callable[[Session, str, dict[str, Any]], None]]] = (
            (self.html.group_merged, lambda s, label, d: groups(s).merge(label, [str(d["to"]), str(d["from"])])),
            (self.html.group_moved, lambda s, label, d: groups(s).move(label, _members(d), str(d["to"]))),
            (self.html.group_parted, lambda s, label, d: groups(s).separate(label, _members(d))),
            (self.html.group_split, lambda s, label, d: groups(s).split(label, str(d["name"]))),
            (self.html.group_renamed, lambda s, label, d: groups(s).rename(label, str(d["old"]), str(d["name"]))),
            (self.html.group_undone, lambda s, label, d: groups(s).undo(label)),
        )
        for event, act in acts:

            def handle(session: Session, sent: dict[str, object], act: Any = act) -> list[object]:
                act(session, self._label(session, self._labels(session)), sent)
                return self.show(session)

            on_html_event(event, handle, self.shell, self.parts, **SERIAL_EVENTS)

        def shown(session: Session, sent: dict[str, object]) -> list[object]:
            session.memory.concepts.groups_of = str(sent.get("label", ""))
            return self.show(session)

        def ask(session: Session, sent: dict[str, object]) -> list[object]:
            label = self._label(session, self._labels(session))
            if session.group_id and _is_running(session):
                raise InputError("the defects are being grouped already: wait for it, or stop it first")
            session.group_id = groups(session).start(label, bool(sent.get("anew")))
            return self.bar.refresh(session)

        on_html_event(self.html.group_shown, shown, self.shell, self.parts, role="viewer", **SERIAL_EVENTS)
        on_html_event(self.html.group_asked, ask, self.shell, self.bar.parts, **SERIAL_EVENTS)
        self.bar.on_end(self.shell, self.show, outputs=self.parts)

    def _labels(self, session: Session) -> list[str]:
        rows = session.api.photos.examples() if session.api else []
        return sorted({row.label for row in rows})

    def _label(self, session: Session, labels: Sequence[str]) -> str:
        """The label whose looks are shown: the one picked here, else the one to be learned, else the first."""
        asked = (session.memory.concepts.groups_of, (session.memory.concepts.form or [None, None])[1])
        found = next((label for label in asked if label in labels), None)
        if found is None and not labels:
            raise InputError("there are no examples any more: add some first")
        return found or labels[0]


def _is_running(session: Session) -> bool:
    try:
        return session.required_api.jobs.event(session.group_id).status in ("queued", "running")
    except NotFound:
        return False


def _members(sent: dict[str, Any]) -> list[str]:
    return [str(member) for member in sent.get("members") or ()]


def _choice(labels: Sequence[str], label: str) -> str:
    if len(labels) < 2:
        return f"<span class='fs-quiet'>of {html.escape(label)}</span>"
    inside = "".join(
        f"<button type='button' data-label='{html.escape(name, quote=True)}' "
        f"aria-pressed='{str(name == label).lower()}'>{html.escape(name)}</button>"
        for name in labels
    )
    return f"<div class='fs-known' role='group' aria-label='Label'>{inside}</div>"


def _empty_html(label: str) -> str:
    return (
        "<p class='fs-hint'>One label often holds several looks: spots here, scratches there. Told apart, each is "
        "learned by itself. It is done when you learn, too; here you see it first and can change it.</p>"
        f"<button type='button' class='fs-ev-button' data-ask='now'>Group {html.escape(label)} by looks</button>"
    )


def _tools(undo: bool) -> str:
    off = "" if undo else " disabled"
    return (
        f"<div class='fs-cg-tools'><button type='button' class='fs-cx-quiet' data-undo{off}>Undo</button>"
        "<button type='button' class='fs-cx-quiet' data-ask='anew' title='Forget your changes and group them once "
        "more'>Group anew</button></div>"
    )


def _rows(session: Session, label: str, groups: Sequence[ExampleGroup]) -> str:
    names = [group.name for group in groups]
    rows = "".join(_row(session, label, group, [n for n in names if n != group.name]) for group in groups)
    options = "".join(f"<option>{html.escape(name)}</option>" for name in names)
    chosen = (
        "<div class='fs-cg-chosen' hidden><b></b><select data-move aria-label='Move to'><option value=''>Move to…"
        f"</option>{options}</select><button type='button' class='fs-cx-quiet' data-part>New group</button>"
        "<button type='button' class='fs-cx-quiet' data-calm>Clear</button></div>"
    )
    hint = (
        "<p class='fs-hint'>Drag a defect onto another row, or a row by its name onto another one to merge them. "
        "Click defects to choose several.</p>"
    )
    return f"{hint}{chosen}{rows}<div class='fs-cg-new' data-part-here>Drop here for a group of its own</div>"


def _row(session: Session, label: str, group: ExampleGroup, others: Sequence[str]) -> str:
    name = html.escape(group.name, quote=True)
    desk = session.required_api.concepts.groups
    tiles = "".join(
        f"<button type='button' class='fs-cg-tile' data-member='{html.escape(member, quote=True)}' draggable='true' "
        f"aria-pressed='false' aria-label='Defect {i} of {name}'>"
        f"<img src='{file_url(desk.thumbnail(label, member))}' alt='' draggable='false' loading='lazy'></button>"
        for i, member in enumerate(group.members[:MAX_SHOWN], start=1)
    )
    more = f"<span>and {len(group.members) - MAX_SHOWN:,} more</span>" if len(group.members) > MAX_SHOWN else ""
    count = f"{len(group.members):,} {'defect' if len(group.members) == 1 else 'defects'}"
    level = "clear" if group.similarity >= 0.25 else "mixed" if group.similarity > 0 else "doubtful"
    apart = f" · {level}" if len(group.members) > 1 and others else ""
    options = "".join(f"<option>{html.escape(other)}</option>" for other in others)
    merge = (
        f"<select data-merge aria-label='Merge {name} into'><option value=''>Merge into…</option>{options}</select>"
        if others
        else ""
    )
    split = (
        "<button type='button' class='fs-cx-quiet' data-split title='Divide it by looks'>Split</button>"
        if len(group.members) > 1
        else ""
    )
    return (
        f"<section class='fs-cg-row' data-group='{name}'><header draggable='true'>"
        f"<h4><b title='Double-click to rename'>{name}</b> "
        f"<span title='How far these lie from the other groups: {group.similarity:.2f} of 1'>"
        f"{count}{apart}</span></h4>"
        f"{merge}{split}<button type='button' class='fs-cx-quiet' data-rename>Rename</button></header>"
        f"<div class='fs-cg-tiles'>{tiles}{more}</div></section>"
    )
