"""The same over all photos: many samples in the background, seen as they come."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from app.components.fields import NumberField, whole_number
from app.components.labels import required_label
from app.components.progress_bar import FINAL_STATES, ProgressBar
from app.components.reject_reasons import reject_reasons_html
from app.page_context import PRIVATE_EVENT, PageContext, go_to_tab_js, on
from app.session import Session, file_url
from app.tabs.studio.engine_form import EngineForm
from app.tabs.studio.mask_tools import MaskTools
from core.api import GenerationBatch, ReviewRules, SampleFilter
from core.errors import InputError, NotFound

MAX_COUNT = 100_000
"""Samples of one batch."""
MAX_SHOWN = 8
"""Previews of the running batch."""
HINT = """<p class="fs-hint">With the engine, label, seed and settings of this form, on every photo in turn. Masks come
from the placement rules; with Layout, parts come from its settings. <b>Keep the best</b> scores each sample
and continues until that many good ones are kept; the others are rejected with a reason.</p>"""


class BulkProgress:
    """What comes of a batch, above the previews. ``parts`` is what ``show`` updates."""

    def __init__(self, shell: PageContext) -> None:
        with gr.Column(visible=False, elem_classes="fs-bulk-box", elem_id="fs-bulk-box") as self.box:
            self.bar = ProgressBar(shell, "bulk_id")
            self.seen = gr.HTML(elem_id="fs-bulk-seen")
            with gr.Row(visible=False, elem_classes="fs-tight", equal_height=True) as self.over:
                self.said = gr.HTML(elem_id="fs-bulk-said")
                self.review = gr.Button("Review them", size="sm", variant="primary", scale=0, min_width=96,
                                        elem_id="fs-bulk-review")  # fmt: skip
                self.close = gr.Button("Close", size="sm", scale=0, min_width=56, elem_id="fs-bulk-close")
        self.parts = [self.box, self.seen, self.over, self.said]

    def show(self, session: Session) -> list[object]:
        """The newest samples of the session's batch, and the way to them once it has ended."""
        job_id = session.bulk_id
        hidden = [gr.update(visible=False), "", gr.update(visible=False), ""]
        if session.api is None or not job_id:
            return hidden
        try:
            event = session.api.jobs.event(job_id)
        except NotFound:
            return hidden
        rows = session.api.studio.latest_samples(job_id, MAX_SHOWN)
        session.memory.studio.bulk_shown = [r.id for r in rows]
        over = event.status in FINAL_STATES
        desk = session.api.review
        cells = "".join(f"<img src='{file_url(desk.thumbnail(r))}' alt='{html.escape(r.label)}'>" for r in rows)
        said = _outcome_html(session) if over else ""
        return [gr.update(visible=True), f"<div class='fs-grow'>{cells}</div>", gr.update(visible=over), said]

    def grow(self, session: Session) -> list[object]:
        """The same, but nothing is touched while no new sample has come."""
        if session.api is None or not session.bulk_id:
            return [gr.skip()] * len(self.parts)
        rows = session.api.studio.latest_samples(session.bulk_id, MAX_SHOWN)
        if [r.id for r in rows] == session.memory.studio.bulk_shown:
            return [gr.skip()] * len(self.parts)
        return self.show(session)


class BulkForm:
    """The fold-out that starts a batch."""

    def __init__(self) -> None:
        with gr.Accordion("In bulk, over all photos", open=False, elem_classes="fs-fold", elem_id="fs-bulk"):
            with gr.Row(elem_classes="fs-tight", equal_height=True):
                self.count = NumberField(100, label="Make at most", precision=0, minimum=1, maximum=MAX_COUNT,
                                       min_width=80, elem_id="fs-bulk-count")  # fmt: skip
                self.best = gr.Textbox("", label="Keep the best", placeholder="keep all", max_lines=1,
                                       min_width=80, elem_id="fs-bulk-best")  # fmt: skip
            self.spend = gr.Checkbox(False, label="Make them all, then choose", container=False, visible=False,
                                     elem_id="fs-bulk-spend")  # fmt: skip
            gr.HTML(HINT)
            self.go = gr.Button("Make them", variant="primary", size="sm", elem_id="fs-bulk-go")


def wire(work: BulkForm, come: BulkProgress, shell: PageContext, controls: EngineForm, tools: MaskTools) -> None:
    """Start, growing preview, the end, and the way to Review."""
    width = len(tools.placement)

    def start(session: Session, count: float | None, best: str | None, spend: bool, *values: Any) -> list[object]:
        engine, label, seed, fresh, _, *params = values[width:]
        if session.bulk_id and _is_running(session):
            raise InputError("a batch is already running: wait for it, or stop it first")
        order = GenerationBatch(
            engine=engine,
            label=required_label(label),
            count=whole_number("Make at most", count, 1, MAX_COUNT),
            seed=controls.choose_seed(seed, fresh),
            params=controls.settings.engine_params(engine, params),
            placement=tools.read_placement(list(values[:width])),
        )
        rules = ReviewRules(keep_best=keep) if (keep := _parse_keep_best(best)) else None
        session.bulk_id = session.required_api.studio.start_batch(order, rules, bool(spend))
        session.memory.studio.bulk_shown = None
        return [*come.bar.refresh(session), *come.show(session), str(order.seed)]

    work.best.change(lambda best: gr.update(visible=bool((best or "").strip())), work.best, work.spend,
                     show_progress_on=[work.best], **PRIVATE_EVENT)  # fmt: skip
    inputs = [work.count, work.best, work.spend, *tools.placement, *controls.form]
    on(work.go.click, start, shell, inputs, [*come.bar.parts, *come.parts, controls.seed])
    on(come.bar.timer.tick, come.grow, shell, outputs=come.parts, role="viewer", concurrency_limit=None)
    come.bar.on_end(shell, come.show, outputs=come.parts)

    def look_at_them(session: Session) -> None:
        session.filter = SampleFilter(job_id=session.bulk_id, descending=True)
        session.offset, session.grouped = 0, False

    on(come.review.click, look_at_them, shell, role="viewer").then(None, js=go_to_tab_js("Review"))

    def close(session: Session) -> list[object]:
        session.bulk_id = ""
        return [*come.bar.refresh(session), *come.show(session)]

    on(come.close.click, close, shell, outputs=[*come.bar.parts, *come.parts])


def _parse_keep_best(given: str | None) -> int | None:
    text = (given or "").strip()
    if text and not (text.isdecimal() and int(text) > 0):
        raise InputError(f"Keep the best: give a whole number from 1 up, or nothing; got {text!r}")
    return int(text) if text else None


def _is_running(session: Session) -> bool:
    try:
        return session.required_api.jobs.event(session.bulk_id).status not in FINAL_STATES
    except NotFound:
        return False


def _outcome_html(session: Session) -> str:
    done = session.required_api.jobs.result(session.bulk_id)
    if "quota" in done:
        why = f"<div id='fs-bulk-why'>{reject_reasons_html(done['reasons'])}</div>"
        return f"<p class='fs-bulk-said'>{_outcome_in_words(done)}</p>{why}{_notes(done['notes'])}"
    made = session.required_api.review.count(SampleFilter(job_id=session.bulk_id))
    lost = f", {done['given_up']:,} given up" if done.get("given_up") else ""
    said = f"<p class='fs-bulk-said'><b>{made:,}</b> {'sample' if made == 1 else 'samples'} made{lost}</p>"
    return said + _notes(done.get("notes", ()))


def _outcome_in_words(done: Mapping[str, object]) -> str:
    kept = f"<b>{done['kept']:,} of {done['quota']:,}</b> kept"
    lost = f", {done['given_up']:,} given up" if done["given_up"] else ""
    if done["ended"] == "spent":
        return f"{kept}; the limit of {done['budget']:,} samples is reached{lost}"
    return f"{'Stopped: ' if done['ended'] == 'stopped' else ''}{kept} after {done['samples']:,} made{lost}"


def _notes(notes: Sequence[str]) -> str:
    return "".join(f"<p class='fs-hint'>{html.escape(note)}</p>" for note in notes)
