"""The component prompt by hand: each press on a chip is an edit, in the words that the command line takes too."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from app.components.labels import normalized_label
from app.components.photo_panel import SERIAL_EVENTS, PhotoPanel
from app.modules import on_load
from app.page_context import on, on_html_event
from app.sent_values import sent_place
from app.session import Session
from app.tabs.studio import part_tools
from app.tabs.studio.engine_form import EngineForm
from app.tabs.studio.prompt_editor_html import editor_html, missing_html
from app.tabs.studio.try_out import TryOutRunner
from core.api.studio.studio import TryRequest
from core.errors import FlawsmithError

EVENTS = (
    *("chip_edited", "chip_replaced", "chip_dropped", "chip_undone", "chip_cleared", "chip_titled", "chip_worded"),
    "chips_previewed",
)
DEFAULTS = {"edit": "remove", "prompt": "", "concept": "", "borrowed": ""}
"""Settings of an engine with a prompt that the chips show and write, as its form begins."""
LABEL_OF_EDIT = {
    "remove": "missing", "repeat": "extra", "swap": "swapped", "replace": "wrong_part", "weight": "wrong_look",
    "adjective": "wrong_look", "count": "wrong_count",
}  # fmt: skip
"""What a person would call the outcome; a label of one's own stays."""
MAX_UNDO = 50
MAX_ECHOES = 32


class PromptEditor:
    """The panel; ``shown`` is what ``show`` updates: the chips, and the settings behind them."""

    def __init__(self) -> None:
        with gr.Column(elem_classes="fs-panel", visible=False, elem_id="fs-chips") as self.box:
            self.html = gr.HTML(js_on_load=on_load("app/tabs/studio/chips.js", *EVENTS))

    def attach_form(self, controls: EngineForm) -> None:
        """Find the settings in the engine's form, once that is there."""
        engine = controls.with_tool("prompt")
        assert engine is not None, "the panel is there for an engine that has a prompt"
        self.engine, form = engine, controls.settings.forms[engine]
        self.boxes = {name: form.control(name) for name in DEFAULTS}
        self.shown = [self.html, *self.boxes.values()]

    def show(self, session: Session) -> list[object]:
        """Updates for ``shown``: the photo's chips, and the settings as the session has them."""
        now = editor_settings(session)
        for name in DEFAULTS:
            _echo_queue(session, name).append(now[name])
        return [self.html_of(session), *now.values()]

    def html_of(self, session: Session) -> str:
        """The chips of the session's photo, HTML; or what is missing."""
        photo = session.photo_id()
        if not photo:
            return missing_html("Import photos of good parts in <b>Product</b> first.", ("Product",))
        now = editor_settings(session)
        concepts = session.required_api.concepts.learned(self.engine)
        try:
            board = session.required_api.studio.prompt_editor.show(photo, now)
        except FlawsmithError as error:
            return missing_html(html.escape(str(error)), ("Regions", "Concepts"), now, concepts)
        return editor_html(board, now, concepts, bool(_undo_stack(session)))


def editor_settings(session: Session) -> dict[str, str]:
    """The session's settings of the chips by name; in the browser they may be a press behind."""
    if not session.memory.studio.prompt:
        session.memory.studio.prompt = dict(DEFAULTS)
    return session.memory.studio.prompt


def _undo_stack(session: Session) -> list[str]:
    return session.memory.studio.prompt_undo


def _echo_queue(session: Session, name: str) -> list[str]:
    """Values on their way to the browser, which tells of them when they arrive."""
    queue = session.memory.studio.prompt_sent.setdefault(name, [])
    del queue[:-MAX_ECHOES]
    return queue


def _push_edit(session: Session, text: str) -> None:
    """Another edit; the last one can be had back."""
    now = editor_settings(session)
    if text != now["edit"]:
        _undo_stack(session).append(now["edit"])
        del _undo_stack(session)[:-MAX_UNDO]
        now["edit"] = text


ChipChange = Callable[[Session, PhotoPanel, Mapping[str, object]], None]
"""What a press on the chips changes of the session's settings, with what the page sent."""


def _add_edit(session: Session, table: PhotoPanel, sent: Mapping[str, object]) -> None:
    desk, now = session.required_api.studio.prompt_editor, dict(editor_settings(session))
    if now["edit"] == DEFAULTS["edit"] and not _undo_stack(session):
        now["edit"] = ""  # nobody asked for what the form begins with
    _push_edit(session, desk.add(table.photo_id(session), now, str(sent.get("edit", ""))))


def _replace(session: Session, table: PhotoPanel, sent: Mapping[str, object]) -> None:
    before = dict(editor_settings(session))
    lender = str(sent.get("lender", ""))
    _add_edit(session, table, sent)
    if lender:
        known = [one.strip() for one in before["borrowed"].split(",") if one.strip()]
        id = session.required_api.studio.prompt_editor.borrow(lender)
        editor_settings(session)["borrowed"] = ", ".join(dict.fromkeys([*known, id]))


def _drop_edit(session: Session, table: PhotoPanel, sent: Mapping[str, object]) -> None:
    desk = session.required_api.studio.prompt_editor
    _push_edit(session, desk.drop(table.photo_id(session), editor_settings(session), sent_place(sent, "place")))


def _undo(session: Session, table: PhotoPanel, sent: Mapping[str, object]) -> None:
    if before := _undo_stack(session):
        editor_settings(session)["edit"] = before.pop()


def _clear(session: Session, table: PhotoPanel, sent: Mapping[str, object]) -> None:
    _push_edit(session, "")


def _take_title(session: Session, table: PhotoPanel, sent: Mapping[str, object]) -> None:
    desk = session.required_api.studio.prompt_editor
    editor_settings(session)["prompt"] = desk.titled(str(sent.get("title", "")))


def _take_concept(session: Session, table: PhotoPanel, sent: Mapping[str, object]) -> None:
    editor_settings(session)["concept"] = str(sent.get("concept", ""))


def wire(board: PromptEditor, maker: TryOutRunner) -> None:
    """Presses become edits, edits settings, and Preview one sample."""
    controls, table, shell = maker.controls, maker.table, maker.shell
    outputs = [*board.shown, controls.label]
    chips = board.html

    def on_chips(event: Callable[..., object], change: ChipChange) -> None:
        def handle(session: Session, sent: dict[str, object], label: str | None) -> list[object]:
            change(session, table, sent)
            return [*board.show(session), _label_for(label, editor_settings(session)["edit"])]

        on_html_event(event, handle, shell, outputs, [controls.label], **SERIAL_EVENTS)

    for event, change in (
        (chips.chip_edited, _add_edit), (chips.chip_replaced, _replace), (chips.chip_dropped, _drop_edit),
        (chips.chip_undone, _undo), (chips.chip_cleared, _clear), (chips.chip_titled, _take_title),
        (chips.chip_worded, _take_concept),
    ):  # fmt: skip
        on_chips(event, change)

    def typed(session: Session, value: str | None, name: str) -> Any:
        queue, value = _echo_queue(session, name), value or ""
        if value in queue:  # our own, come back
            del queue[: queue.index(value) + 1]
            return gr.skip()
        if value == editor_settings(session)[name]:
            return gr.skip()
        if name == "edit":
            _push_edit(session, value)
        editor_settings(session)[name] = value
        return board.html_of(session)

    for name, box in board.boxes.items():
        told_by = lambda session, value, name=name: typed(session, value, name)  # noqa: E731
        on(box.change, told_by, shell, [box], [board.html], role="viewer", trigger_mode="always_last")
    for event in (table.photo_changed.change, controls.engine.change):
        on(event, board.html_of, shell, outputs=[board.html], role="viewer")

    def preview(session: Session, seen: str, *form: Any) -> list[object]:
        _, label, seed, fresh, variants, *values = form
        params = controls.settings.engine_params(board.engine, values) | editor_settings(session)
        order = TryRequest(
            board.engine, normalized_label(label), seen, params, seed=controls.choose_seed(seed, fresh), variants=1
        )
        shown = maker.start(session, order)
        filled = controls.settings.with_engine_params(board.engine, params, values)
        controls.remember(session, [board.engine, order.label, str(order.seed), fresh, variants, *filled])
        return shown

    table.on_visible_photo(chips.chips_previewed, preview, controls.form, maker.outputs)


def _label_for(given: str | None, text: str) -> str:
    """The person's own label, or what the last edit makes of the part."""
    label = normalized_label(given)
    own = {*LABEL_OF_EDIT.values(), *part_tools.LABEL_OF_ACTION.values()}
    op = text.rpartition(";")[2].strip().partition(":")[0]
    return label if label and label not in own else LABEL_OF_EDIT.get(op, LABEL_OF_EDIT["remove"])
