"""The project's real defects in a strip: one dragged onto the photo, or pressed, is what the next samples are like."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.page_context import on_html_event
from app.session import Session, file_url
from app.tabs.studio.engine_form import EngineForm
from app.tabs.studio.try_out import TryOutRunner
from core.api import ExampleRow
from core.errors import InputError

MAX_SHOWN = 12
"""Defects of one label in the strip."""
MAX_TOGETHER = 4
"""Defects that one sample is drawn like."""
DEFECTS_JS = """
// A press, Enter, or a drag onto the photo tells {id, add} as "defect_chosen"; Shift adds to those chosen before.
const TYPE = "application/x-flawsmith-defect";
const tell = (id, add) => trigger("defect_chosen", { id, add: Boolean(add) });
element.addEventListener("click", (event) => {
  const tile = event.target.closest("[data-defect]");
  if (tile) tell(tile.dataset.defect, event.shiftKey);
});
element.addEventListener("keydown", (event) => {
  const tile = event.target.closest("[data-defect]");
  if (tile && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    event.stopPropagation();
    tell(tile.dataset.defect, event.shiftKey);
    return;
  }
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const all = [...element.querySelectorAll("[data-defect]")];
  const next = all[all.indexOf(document.activeElement) + step];
  event.preventDefault();
  event.stopPropagation();
  if (next) next.focus();
});
element.addEventListener("dragstart", (event) => {
  const tile = event.target.closest("[data-defect]");
  if (!tile) return;
  event.dataTransfer.setData(TYPE, tile.dataset.defect);
  event.dataTransfer.effectAllowed = "copy";
});
const onPhoto = (event) =>
  event.dataTransfer && event.dataTransfer.types.includes(TYPE) && event.target.closest("#fs-studio-canvas");
document.addEventListener("dragover", (event) => { if (onPhoto(event)) event.preventDefault(); });
document.addEventListener("drop", (event) => {
  if (!onPhoto(event) || !element.isConnected) return;
  event.preventDefault();
  event.stopPropagation();
  tell(event.dataTransfer.getData(TYPE), event.shiftKey);
}, true);
"""


class RealDefects:
    """The strip in its fold; ``parts`` is what ``show`` updates."""

    def __init__(self) -> None:
        with gr.Accordion("Make it like a real defect", open=True, visible=False, elem_classes="fs-fold",
                          elem_id="fs-like") as self.box:  # fmt: skip
            self.strip = gr.HTML(js_on_load=DEFECTS_JS, elem_id="fs-like-strip")
        self.parts = [self.box, self.strip]

    def show(self, session: Session, chosen: Sequence[str] = ()) -> list[object]:
        """Updates for ``parts``: the defects of the form's label come first, those ``chosen`` are marked."""
        learned = [] if session.api is None else session.api.concepts.examples.rows(part="learn")
        rows = [row for row in learned if row.kind != "logical"]  # a missing part is nothing that can be drawn
        if not rows:
            return [gr.update(visible=False), ""]
        first = session.memory.studio.shown_label
        labels = sorted({row.label for row in rows}, key=lambda label: (label != first, label))
        groups = [(label, [row for row in rows if row.label == label][:MAX_SHOWN]) for label in labels]
        inside = "".join(_group_html(session, label, some, chosen) for label, some in groups)
        return [gr.update(visible=True), f"<div class='fs-like' role='group' aria-label='Real defects'>{inside}</div>"]


def _group_html(session: Session, label: str, rows: Sequence[ExampleRow], chosen: Sequence[str]) -> str:
    tiles = "".join(_tile_html(session, row, row.id in chosen) for row in rows)
    return f"<section><h4>{html.escape(label)}</h4><div class='fs-like-tiles'>{tiles}</div></section>"


def _tile_html(session: Session, row: ExampleRow, chosen: bool) -> str:
    says = html.escape(f"{row.label}, {row.name}: make it like this", quote=True)
    picture = file_url(session.required_api.concepts.examples.thumbnail(row))
    # No button, since Firefox does not let one be dragged.
    return (
        f"<div role='button' tabindex='0' draggable='true' data-defect='{row.id}' "
        f"aria-pressed='{str(chosen).lower()}' aria-label='{says}' "
        f"title='{says}. Press it, or drag it onto the mask; Shift mixes it with those chosen before.'>"
        f"<img src='{picture}' alt='' draggable='false' loading='lazy'></div>"
    )


def wire(defects: RealDefects, maker: TryOutRunner) -> None:
    """A chosen defect sets engine, label and setting; where a mask lies on the photo, samples are made at once."""
    controls, table = maker.controls, maker.table

    def choose(session: Session, sent: dict[str, object], *form: Any) -> list[object]:
        engine = drawing_engine(controls)
        row = session.required_api.concepts.examples.row(str(sent.get("id", "")))
        setting = controls.cards[engine].reference_setting
        params = controls.settings.engine_params(engine, form[5:])
        before = [id for id in str(params[setting]).split(",") if form[0] == engine and form[1] == row.label and id]
        others = [id for id in before if id != row.id] if sent.get("add") is True else []
        known = {one.id for one in session.required_api.concepts.examples.rows(row.label, "learn")}
        together = [*[id for id in others if id in known], row.id][-MAX_TOGETHER:]
        controls.labels.remember(session, engine, row.label)
        update = controls.settings.params_update(engine, {**params, setting: ",".join(together)})
        return [engine, row.label, *[gr.skip()] * 3, *update, *defects.show(session, together)]

    chosen = on_html_event(
        defects.strip.defect_chosen, choose, maker.shell, [*controls.form, *defects.parts], controls.form,
        trigger_mode="multiple",
    )  # fmt: skip
    table.on_visible_photo(chosen.success, maker.generate, controls.form, maker.outputs, trigger_mode="once")


def drawing_engine(controls: EngineForm) -> str:
    """The engine that draws like named real anomalies; InputError where none can run here."""
    able = [name for name, card in controls.cards.items() if card.reference_setting and card.reason is None]
    if not able:
        reasons = [card.reason for card in controls.cards.values() if card.reference_setting and card.reason]
        raise InputError(f"nothing here draws like one real defect: {reasons[0] if reasons else 'no such engine'}")
    return able[0]
