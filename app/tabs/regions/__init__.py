"""Regions: click the parts of the product, name them, carry them to every photo."""

from __future__ import annotations

import html
from typing import Any, Literal

import gradio as gr

from app.components.fields import required_text
from app.components.name_question import NameQuestion
from app.components.photo_panel import SERIAL_EVENTS, VISIBLE_PHOTO_JS, PhotoPanel
from app.page_context import PageContext, on, on_html_event
from app.session import Session
from app.tabs.regions import propagation, proposal_panel, region_list, rules_panel
from core.api.regions import all_segmenters
from core.errors import InputError
from core.types import Mask

SaveAs = Literal["new", "replace", "both"]
"""What becomes of a region under a name that the photo has: not yet said, in its place, or beside it."""

CANVAS_HEIGHT = "clamp(300px, calc(100vh - 234px), 980px)"
HINT = """<p class="fs-hint">Click a part; right-click or <kbd>Shift</kbd>-click what does not belong to it, drag a box
around a difficult one. <kbd>Enter</kbd>, type its name, <kbd>Enter</kbd>.</p>"""
FOCUS_NAME_JS = """() => {
  const canvas = document.querySelector("#fs-regions-canvas .fsc");
  const box = document.querySelector("#fs-region-name :is(input, textarea)");
  if (!canvas || !canvas.__mask.count()) return;
  box.focus({ preventScroll: true });
  box.select();
}"""
FOCUS_NEXT_JS = """() => {
  const next = document.querySelector("#fs-proposals");
  const naming = next && next.offsetParent !== null;
  const to = naming ? "#fs-region-name :is(input, textarea)" : "#fs-regions-canvas .fsc-stage";
  document.querySelector(to).focus({ preventScroll: true });
  if (naming) document.querySelector(to).select();
}"""
"""After a region is saved the keys belong to the next one: its name where it is a proposal, else the photo."""
NAME_SUGGESTIONS_JS = """
element.addEventListener("click", (event) => {
  const chip = event.target.closest("[data-name]");
  if (chip) trigger("named", { name: chip.dataset.name });
});
"""


def build(shell: PageContext) -> None:
    """The tab."""
    with gr.Tab("Regions", id="regions") as tab, gr.Row(elem_classes="fs-parts", equal_height=False):
        with gr.Column(min_width=320, elem_classes="fs-studio-photo"):
            table = PhotoPanel(shell, "regions", CANVAS_HEIGHT)
        with gr.Column(min_width=300, elem_classes="fs-side"), gr.Column(elem_classes="fs-side-scroll"):
            with gr.Column(elem_classes="fs-panel"):
                hint = gr.HTML(HINT)
                with gr.Row(elem_classes="fs-tight fs-joined", equal_height=True):
                    name = gr.Textbox(label="Name of the selection", max_lines=1, scale=5, min_width=120,
                                      placeholder="for example washer", elem_id="fs-region-name")  # fmt: skip
                    save = gr.Button("Save", variant="primary", size="sm", scale=2, min_width=64,
                                     elem_id="fs-region-save")  # fmt: skip
                question = NameQuestion("fs-region-taken", "Replace it")
                known = gr.HTML(js_on_load=NAME_SUGGESTIONS_JS, elem_id="fs-region-known")
            finder = proposal_panel.ProposalPanel(shell)
            regions = region_list.RegionList()
            carrier = propagation.PropagationPanel(shell)
            rules = rules_panel.RulesPanel(shell)
    shown = [*table.parts, name, known, *regions.parts, *finder.parts, *question.parts]

    def look(session: Session, called: Any = None) -> list[object]:
        # A name that is being typed stays, however late this answer comes.
        called = finder.word(session) or (gr.skip() if called is None else called)
        return [
            *table.show(session),
            called,
            _name_suggestions(session),
            *regions.show(session),
            *finder.show(session),
            *question.hide(),
        ]

    def fill(session: Session) -> list[object]:
        bars = [*finder.bar.refresh(session), *carrier.bar.refresh(session), *rules_panel.refresh_bars(rules, session)]
        return [*look(session), *bars, *carrier.show(session), *rules.show(session), HINT + _segmenter(session)]

    bars = [*finder.bar.parts, *carrier.bar.parts, *rules.bar.parts, *rules.breaking.parts]
    shell.fill_on_select(tab, fill, [*shown, *bars, *carrier.parts, *rules.parts, hint])
    beside = len(table.parts)
    around = lambda s: [*look(s)[beside:], *carrier.turned(s)]  # noqa: E731
    on(table.photo_changed.change, around, shell, outputs=[*shown[beside:], *carrier.parts], role="viewer")

    outputs = [*shown, *carrier.parts]

    def keep(session: Session, seen: str, given: str | None, how: SaveAs = "new") -> list[object]:
        called = _region_name(given)
        other = session.required_api.regions.free_name(seen, called)
        taken = other != called and session.memory.regions.editing != (seen, called)
        if taken and how == "new":
            _selection(table, session, seen)
            asked = question.ask(f"This photo has a region {called!r} already.", other)
            return [*[gr.skip()] * (len(shown) - len(asked)), *asked, *[gr.skip()] * len(carrier.parts)]
        _save(table, finder, session, seen, other if taken and how == "both" else called)
        return [*look(session, ""), *carrier.show(session)]

    for press in (save.click, name.submit):
        saved = table.on_visible_photo(press, keep, [name], outputs)
        saved.success(None, js=FOCUS_NEXT_JS).then(None, js=question.focus_js)
    for press, how in ((question.use.click, "replace"), (question.both.click, "both")):
        again = lambda session, seen, given, how=how: keep(session, seen, given, how)  # noqa: E731
        table.on_visible_photo(press, again, [name], outputs).success(None, js=FOCUS_NEXT_JS)
    chip = lambda session, sent, seen: keep(session, seen, str(sent.get("name", "")))  # noqa: E731
    on_html_event(
        known.named, chip, shell, outputs, [table.visible_photo], js=VISIBLE_PHOTO_JS, **SERIAL_EVENTS
    ).success(None, js=FOCUS_NEXT_JS)
    table.canvas.confirmed(None, None, None, js=FOCUS_NAME_JS, api_visibility="private")
    region_list.wire(regions, shell, table, look, shown)
    proposal_panel.wire(finder, shell, table, look, shown, FOCUS_NEXT_JS)
    propagation.wire(carrier, shell, table, look, shown)
    rules_panel.wire(rules, shell, table)


def _region_name(given: str | None) -> str:
    return " ".join(required_text("Name of the selection", given, "washer").split())


def _selection(table: PhotoPanel, session: Session, seen: str) -> Mask:
    mask = table.mask(session, seen)
    if mask is None:
        raise InputError("nothing is selected: click the part on the photo first")
    return mask


def _save(table: PhotoPanel, finder: proposal_panel.ProposalPanel, session: Session, seen: str, name: str) -> None:
    session.required_api.regions.save(seen, name, _selection(table, session, seen))
    session.memory.regions.editing = None
    table.set_mask(session, seen, None)
    finder.choose_next(session, seen, table)


def _segmenter(session: Session) -> str:
    """Which segmenter answers clicks, and where a better one comes from."""
    if session.api is None:
        return ""
    title = html.escape(session.api.regions.segmenter().title)
    missing = any(s.available() for s in all_segmenters().values())
    better = " Better ones are fetched in <b>Models</b>." if missing else ""
    return f"<p class='fs-hint' id='fs-segmenter'>Clicks are answered by {title}.{better}</p>"


def _name_suggestions(session: Session) -> str:
    """Names of the project that this photo does not have yet, to be given with one click."""
    photo = session.photo_id()
    if not photo:
        return ""
    desk = session.required_api.regions
    here = {r.name for r in desk.of_photo(photo)}
    chips = "".join(
        f"<button type='button' data-name='{html.escape(n, quote=True)}' title='Save the selection under this name'>"
        f"{html.escape(n)}</button>"
        for n in sorted(desk.names())
        if n not in here
    )
    return f"<div class='fs-known'><span>Missing here:</span>{chips}</div>" if chips else ""
