"""The component prompt by hand: each press on a chip is an edit, in the words that the command line takes too."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import gradio as gr

from app.components.photo_panel import ONE_BY_ONE
from app.modules import on_load
from app.page_context import on, on_canvas
from app.session import Session
from app.tabs.studio import part_tools
from app.tabs.studio.engine_form import EngineForm, clean
from app.tabs.studio.prompt_editor_html import drawn, nothing
from app.tabs.studio.try_out import Maker
from core.api.studio.studio import TryRequest
from core.errors import FlawsmithError

EVENTS = (
    *("chip_edited", "chip_replaced", "chip_dropped", "chip_undone", "chip_cleared", "chip_titled", "chip_worded"),
    "chips_previewed",
)
DEFAULTS = {"edit": "remove", "prompt": "", "concept": "", "borrowed": ""}
"""Settings of an engine with a prompt that the chips show and write, as its form begins."""
LABELS = {
    "remove": "missing", "repeat": "extra", "swap": "swapped", "replace": "wrong_part", "weight": "wrong_look",
    "adjective": "wrong_look", "count": "wrong_count",
}  # fmt: skip
"""What a person would call the outcome; a label of one's own stays."""
MOST_UNDONE = 50
MOST_SENT = 32


class PromptEditor:
    """The panel; ``shown`` is what ``show`` updates: the chips, and the settings behind them."""

    def __init__(self) -> None:
        with gr.Column(elem_classes="fs-panel", visible=False, elem_id="fs-chips") as self.box:
            self.html = gr.HTML(js_on_load=on_load("app/tabs/studio/chips.js", *EVENTS))

    def attach(self, controls: EngineForm) -> None:
        """Find the settings in the engine's form, once that is there."""
        engine = controls.with_tool("prompt")
        assert engine is not None, "the panel is there for an engine that has a prompt"
        self.engine, form = engine, controls.forms[engine]
        self.boxes = {name: form.control(name) for name in DEFAULTS}
        self.shown = [self.html, *self.boxes.values()]

    def show(self, session: Session) -> list[Any]:
        """Updates for ``shown``: the photo's chips, and the settings as the session has them."""
        now = state(session)
        for name in DEFAULTS:
            _sent(session, name).append(now[name])
        return [self.draw(session), *now.values()]

    def draw(self, session: Session) -> str:
        """The chips of the session's photo, HTML; or what is missing."""
        photo = session.photo()
        if not photo:
            return nothing("Import photos of good parts in <b>Product</b> first.", ("Product",))
        now = state(session)
        concepts = session.open_bench.concepts.page(self.engine)
        try:
            board = session.open_bench.studio.chips.show(photo, now)
        except FlawsmithError as error:
            return nothing(html.escape(str(error)), ("Regions", "Concepts"), now, concepts)
        return drawn(board, now, concepts, bool(_undo(session)))


def state(session: Session) -> dict[str, str]:
    """The session's settings of the chips by name; in the browser they may be a press behind."""
    if not session.memory.studio.prompt:
        session.memory.studio.prompt = dict(DEFAULTS)
    return session.memory.studio.prompt


def _undo(session: Session) -> list[str]:
    return session.memory.studio.prompt_undo


def _sent(session: Session, name: str) -> list[str]:
    """Values on their way to the browser, which tells of them when they arrive."""
    queue = session.memory.studio.prompt_sent.setdefault(name, [])
    del queue[:-MOST_SENT]
    return queue


def _put(session: Session, text: str) -> None:
    """Another edit; the last one can be had back."""
    now = state(session)
    if text != now["edit"]:
        _undo(session).append(now["edit"])
        del _undo(session)[:-MOST_UNDONE]
        now["edit"] = text


def wire(board: PromptEditor, maker: Maker) -> None:
    """Presses become edits, edits settings, and Preview one sample."""
    controls, table, shell = maker.controls, maker.table, maker.shell
    outputs = [*board.shown, controls.label]

    def told(event: Any, change: Callable[[Session, dict[str, Any]], None]) -> None:
        def handle(session: Session, sent: dict[str, Any], label: str | None) -> list[Any]:
            change(session, sent)
            return [*board.show(session), _label(label, state(session)["edit"])]

        on_canvas(event, handle, shell, outputs, [controls.label], **ONE_BY_ONE)

    def edited(session: Session, sent: dict[str, Any]) -> None:
        desk, now = session.open_bench.studio.chips, dict(state(session))
        if now["edit"] == DEFAULTS["edit"] and not _undo(session):
            now["edit"] = ""  # nobody asked for what the form begins with
        _put(session, desk.add(table.photo(session), now, str(sent.get("edit", ""))))

    def replaced(session: Session, sent: dict[str, Any]) -> None:
        before = dict(state(session))
        lender = str(sent.get("lender", ""))
        edited(session, sent)
        if lender:
            known = [one.strip() for one in before["borrowed"].split(",") if one.strip()]
            id = session.open_bench.studio.chips.borrow(lender)
            state(session)["borrowed"] = ", ".join(dict.fromkeys([*known, id]))

    def dropped(session: Session, sent: dict[str, Any]) -> None:
        desk = session.open_bench.studio.chips
        _put(session, desk.drop(table.photo(session), state(session), int(sent.get("place", -1))))

    def undone(session: Session, sent: dict[str, Any]) -> None:
        if before := _undo(session):
            state(session)["edit"] = before.pop()

    def titled(session: Session, sent: dict[str, Any]) -> None:
        desk = session.open_bench.studio.chips
        state(session)["prompt"] = desk.titled(str(sent.get("title", "")))

    def worded(session: Session, sent: dict[str, Any]) -> None:
        state(session)["concept"] = str(sent.get("concept", ""))

    chips = board.html
    for event, change in (
        (chips.chip_edited, edited), (chips.chip_replaced, replaced), (chips.chip_dropped, dropped),
        (chips.chip_undone, undone), (chips.chip_cleared, lambda session, sent: _put(session, "")),
        (chips.chip_titled, titled), (chips.chip_worded, worded),
    ):  # fmt: skip
        told(event, change)

    def typed(session: Session, value: str | None, name: str) -> Any:
        queue, value = _sent(session, name), value or ""
        if value in queue:  # our own, come back
            del queue[: queue.index(value) + 1]
            return gr.skip()
        if value == state(session)[name]:
            return gr.skip()
        if name == "edit":
            _put(session, value)
        state(session)[name] = value
        return board.draw(session)

    for name, box in board.boxes.items():
        told_by = lambda session, value, name=name: typed(session, value, name)  # noqa: E731
        on(box.change, told_by, shell, [box], [board.html], trigger_mode="always_last")
    for event in (table.moved.change, controls.engine.change):
        on(event, board.draw, shell, outputs=[board.html])

    def preview(session: Session, seen: str, *form: Any) -> list[Any]:
        _, label, seed, fresh, variants, *values = form
        params = controls.engine_params(board.engine, values) | state(session)
        order = TryRequest(board.engine, clean(label), seen, params, seed=controls.roll(seed, fresh), variants=1)
        shown = maker.start(session, order)
        filled = controls.filled(board.engine, params, values)
        controls.keep(session, [board.engine, order.label, str(order.seed), fresh, variants, *filled])
        return shown

    table.on_seen(chips.chips_previewed, preview, controls.form, maker.outputs)


def _label(given: str | None, text: str) -> str:
    """The person's own label, or what the last edit makes of the part."""
    label = clean(given)
    own = {*LABELS.values(), *part_tools.LABELS.values()}
    op = text.rpartition(";")[2].strip().partition(":")[0]
    return label if label and label not in own else LABELS.get(op, LABELS["remove"])
