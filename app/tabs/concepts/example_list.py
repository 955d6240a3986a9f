"""The project's real anomalies: what can be learned from, by label; each opens on the canvas."""

from __future__ import annotations

import html
from collections.abc import Sequence

import gradio as gr

from app.session import Session, file_url
from core.api.concepts.examples import ExampleCard

MAX_SHOWN = 36
"""Tiles of one label; the others are counted."""
EMPTY = (
    "<div class='fs-cx-empty'><h2>Show it some real defects</h2>"
    "<p>A few photos of one kind of defect are enough; twelve are plenty. <b>Add photos of defects</b> above "
    "and draw over each defect once, or import a folder with masks in <b>Product</b>.</p>"
    "<p>What is learned from them is drawn into any photo of a good part, in <b>Studio</b> or in bulk.</p></div>"
)
EXAMPLES_JS = """
// Tiles to open by mouse or Enter, arrow keys from one to the next, Delete pressed twice removes:
// "example_opened" and "example_removed" tell {id}.
let asked = null;
const calm = () => { if (asked) { delete asked.dataset.sure; asked = null; } };
const remove = (tile) => {
  if (tile.dataset.sure) { trigger("example_removed", { id: tile.dataset.id }); return; }
  calm();
  asked = tile;
  tile.dataset.sure = "1";
  setTimeout(() => { if (asked === tile) calm(); }, 4000);
};
element.addEventListener("click", (event) => {
  const tile = event.target.closest("[data-id]");
  if (!tile) return;
  if (event.target.closest("[data-remove]")) remove(tile);
  else trigger("example_opened", { id: tile.dataset.id });
});
element.addEventListener("keydown", (event) => {
  const tile = event.target.closest("[data-id]");
  if (!tile) return;
  if (event.key === "Delete" || event.key === "Backspace") { event.preventDefault(); remove(tile); return; }
  if (event.key === "Escape") calm();
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const all = [...element.querySelectorAll("button[data-open]")];
  const next = all[all.indexOf(document.activeElement) + step];
  event.preventDefault();
  event.stopPropagation();
  if (next) next.focus();
});
"""


class ExampleList:
    """The card with the examples; ``parts`` is what ``show`` updates."""

    def __init__(self) -> None:
        with gr.Column(elem_classes="fs-cx-card", elem_id="fs-cx-examples"):
            with gr.Row(elem_classes="fs-cx-head", equal_height=True):
                self.head = gr.HTML()
                self.add = gr.UploadButton("Add photos of defects", file_types=["image"], file_count="multiple",
                                           size="sm", scale=0, min_width=176, elem_id="fs-cx-add")  # fmt: skip
            self.tiles = gr.HTML(js_on_load=EXAMPLES_JS, elem_id="fs-cx-tiles")
        self.parts = [self.head, self.tiles, self.add]

    def show(self, session: Session) -> list[object]:
        """Updates for ``parts``."""
        if session.api is None:
            text = "<p class='fs-hint'>Open a project in <b>Product</b> first.</p>"
            return ["<h3>Real anomalies</h3>", text, gr.update(interactive=False)]
        cards = session.api.concepts.examples.cards()
        total = f" <span class='fs-quiet'>{len(cards):,}</span>" if cards else ""
        shown = _groups(session, cards) if cards else EMPTY
        return [f"<h3>Real anomalies{total}</h3>", shown, gr.update(interactive=True)]


def remove(session: Session, sent: dict[str, object]) -> None:
    """A person said twice that an example may go."""
    session.required_api.concepts.examples.remove(str(sent.get("id", "")))


def example_tile_html(session: Session, card: ExampleCard) -> str:
    """One example as a button that opens it, HTML."""
    row, desk = card.row, session.required_api.concepts.examples
    name, label = html.escape(row.name, quote=True), html.escape(row.label, quote=True)
    fault = html.escape(card.reason, quote=True) if card.reason else ""
    mark = "<i aria-hidden='true'>!</i>" if fault else ""
    says = f"{name}: {fault}" if fault else f"{name}. Enter redraws its mask, Delete removes it."
    if row.part == "test":
        says, mark = f"{says} Kept for the test.", mark + "<em aria-hidden='true'>test</em>"
    return (
        f"<div class='fs-cx-tile' data-id='{row.id}'{' data-fault=1' if fault else ''}>"
        f"<button type='button' data-open title='{says}' aria-label='{label}, {says}'>"
        f"<img src='{file_url(desk.thumbnail(row))}' alt='' loading='lazy'>{mark}<span>Remove?</span></button>"
        f"<button type='button' class='fs-cx-x' data-remove tabindex='-1' title='Remove' "
        f"aria-label='Remove {name}'>✕</button></div>"
    )


def _groups(session: Session, cards: Sequence[ExampleCard]) -> str:
    """The examples by label, the one that is to be learned first; HTML."""
    chosen = session.memory.concepts.chosen[1]
    labels = sorted({card.row.label for card in cards}, key=lambda label: (label != chosen, label))
    inside = "".join(_group(session, label, [c for c in cards if c.row.label == label]) for label in labels)
    return f"<div class='fs-cx-labels'>{inside}</div>"


def _group(session: Session, label: str, cards: Sequence[ExampleCard]) -> str:
    faults = [card for card in cards if card.reason]
    left = f" · {len(faults):,} left out" if faults else ""
    if tested := sum(card.row.part == "test" for card in cards):
        left += f" · {tested:,} kept for the test"
    more = f"<p class='fs-hint'>and {len(cards) - MAX_SHOWN:,} more</p>" if len(cards) > MAX_SHOWN else ""
    why = "".join(
        f"<li><b>{html.escape(card.row.name)}</b> {html.escape(card.reason or '')}</li>" for card in faults[:4]
    )
    tiles = "".join(example_tile_html(session, card) for card in cards[:MAX_SHOWN])
    return (
        f"<section><h4>{html.escape(label)} <span>{len(cards):,}{left}</span></h4>"
        f"<div class='fs-cx-tiles'>{tiles}</div>{more}"
        + (f"<ul class='fs-cx-why'>{why}</ul>" if why else "")
        + "</section>"
    )
