"""The same over all photos: many samples in the background, seen as they come."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from app.jobbar import FINAL, JobBar
from app.session import Session, file_url
from app.shell import Shell, on
from app.tabs.studio.controls import Controls
from app.tabs.studio.masks import MaskTools
from core.errors import InputError, NotFound
from core.types import Verdict
from core.workbench import Batch, SampleFilter

NEWEST = 8
"""Previews of the running batch."""
HINT = """<p class="fs-hint">With the engine, label, seed and settings of this form, on every photo in turn. Masks come
from the placement rules; with Layout, parts come from its settings.</p>"""
TO_REVIEW_JS = """() => [...document.querySelectorAll('#fs-tabs button[role=tab]')]
  .find((tab) => tab.textContent.trim() === 'Review').click()"""


class Bulk:
    """The fold-out for bulk work. ``parts`` is what ``show`` updates."""

    def __init__(self, shell: Shell) -> None:
        with gr.Accordion("In bulk, over all photos", open=False, elem_classes="fs-fold", elem_id="fs-bulk") as fold:
            with gr.Row(elem_classes="fs-tight", equal_height=True):
                self.count = gr.Number(100, label="How many", precision=0, minimum=1, maximum=100_000, min_width=80,
                                       elem_id="fs-bulk-count")  # fmt: skip
                self.best = gr.Number(None, label="Keep the best", precision=0, minimum=1, min_width=80,
                                      placeholder="none", elem_id="fs-bulk-best")  # fmt: skip
            gr.HTML(HINT)
            self.go = gr.Button("Make them", size="sm", elem_id="fs-bulk-go")
            self.bar = JobBar(shell, "bulk_id")
            self.seen = gr.HTML(elem_id="fs-bulk-seen")
            self.review = gr.Button("Review them", size="sm", variant="primary", visible=False,
                                    elem_id="fs-bulk-review")  # fmt: skip
        self.fold = fold
        self.parts = [self.fold, self.seen, self.review]

    def show(self, session: Session) -> list[Any]:
        """The newest samples of the session's batch, and the way to them once it has ended."""
        job_id = session.bulk_id
        if session.bench is None or not job_id:
            return [gr.skip(), "", gr.update(visible=False)]
        try:
            event = session.bench.jobs.event(job_id)
        except NotFound:
            return [gr.skip(), "", gr.update(visible=False)]
        rows = session.bench.studio.latest(job_id, NEWEST)
        session.memory["bulk-seen"] = [r.id for r in rows]
        over = event.status in FINAL
        made = session.bench.review.count(SampleFilter(job_id=job_id)) if over else 0
        return [gr.update(open=True), _seen(session, rows, made), gr.update(visible=over and made > 0)]

    def grow(self, session: Session) -> list[Any]:
        """The same, but nothing is touched while no new sample has come."""
        if session.bench is None or not session.bulk_id:
            return [gr.skip()] * 2
        rows = session.bench.studio.latest(session.bulk_id, NEWEST)
        if [r.id for r in rows] == session.memory.get("bulk-seen"):
            return [gr.skip()] * 2
        return self.show(session)[1:]


def wire(work: Bulk, shell: Shell, controls: Controls, tools: MaskTools) -> None:
    """Start, growing preview, the end, and the way to Review."""
    width = len(tools.placement)

    def start(session: Session, count: float | None, best: float | None, *values: Any) -> list[Any]:
        engine, label, seed, fresh, _, *params = values[width:]
        if session.bulk_id and _runs(session):
            raise InputError("a batch is being made already: wait for it, or stop it first")
        order = Batch(
            engine=engine,
            label=(label or "").strip(),
            count=max(1, int(count or 1)),
            seed=controls.roll(seed, fresh),
            params=controls.engine_params(engine, params),
            placement=tools.read_placement(list(values[:width])),
        )
        session.bulk_id = session.open_bench.studio.start_batch(order, int(best) if best else None)
        session.memory.pop("bulk-seen", None)
        return [*work.bar.look(session), *work.show(session), str(order.seed)]

    inputs = [work.count, work.best, *tools.placement, *controls.form]
    on(work.go.click, start, shell, inputs, [*work.bar.parts, *work.parts, controls.seed])
    on(work.bar.timer.tick, work.grow, shell, outputs=work.parts[1:], concurrency_limit=None)
    on(work.bar.ended.change, work.show, shell, outputs=work.parts)

    def look_at_them(session: Session) -> None:
        session.filter = SampleFilter(job_id=session.bulk_id, descending=True)
        session.offset, session.grouped = 0, False

    on(work.review.click, look_at_them, shell).then(None, js=TO_REVIEW_JS)


def _runs(session: Session) -> bool:
    try:
        return session.open_bench.jobs.event(session.bulk_id).status not in FINAL
    except NotFound:
        return False


def _seen(session: Session, rows: list[Any], made: int) -> str:
    desk = session.open_bench.review
    cells = "".join(f"<img src='{file_url(desk.thumbnail(r))}' alt='{html.escape(r.label)}'>" for r in rows)
    said = ""
    if made:
        kept = desk.count(SampleFilter(job_id=session.bulk_id, verdict=Verdict.KEPT))
        more = f", {kept:,} of them kept" if kept else ""
        said = f"<p><b>{made:,}</b> {'sample' if made == 1 else 'samples'} made{more}</p>"
    return f"<div class='fs-grow'>{cells}</div>{said}" if rows else ""
