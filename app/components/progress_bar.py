"""Progress of a background job: bar, message, cancel. Survives a reload because the session knows the job's id."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any, Literal

import gradio as gr

from app.page_context import PageContext, on
from app.session import Session
from core.errors import NotFound
from core.types import JobEvent

JobSlot = Literal[
    "job_id", "batch_id", "try_id", "bulk_id", "find_id", "carry_id", "import_id", "export_id", "fetch_id",
    "rules_id", "breaking_id", "evaluate_id", "calibrate_id", "loop_id", "learn_id", "group_id", "pack_id",
]  # fmt: skip
FINAL_STATES = ("done", "failed", "cancelled", "interrupted")
STATUS_WORDS = {
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Stopped",
    "interrupted": "Interrupted",
    "queued": "Waiting",
}


class ProgressBar:
    """A hidden row until a job runs. ``ended_job`` changes to the job's id when it has ended, however it ended.

    ``slot`` names the field of Session that holds the job's id: jobs of different tabs run side by side, so each
    kind has its own bar.
    """

    def __init__(self, shell: PageContext, slot: JobSlot, poll_s: float = 0.4) -> None:
        self.slot: JobSlot = slot
        with gr.Row(visible=False, elem_classes="fs-job", equal_height=True) as self.row:
            self.html = gr.HTML(elem_classes="fs-job-line")
            self.cancel = gr.Button("Stop", size="sm", scale=0, min_width=72, elem_classes="fs-job-stop")
        self.timer = gr.Timer(poll_s, active=False)
        self.ended_job = gr.State("")
        self.parts = [self.row, self.html, self.timer, self.ended_job]
        on(self.timer.tick, self.refresh, shell, outputs=self.parts, role="viewer", concurrency_limit=None)
        on(self.cancel.click, self._stop, shell, queue=False)

    def refresh(self, session: Session) -> list[object]:
        """Updates for ``parts``: call it to show a job that was just started, and after a page load."""
        job_id = getattr(session, self.slot)
        if not job_id or session.api is None:
            return [gr.update(visible=False), "", gr.Timer(active=False), gr.skip()]
        try:
            event = session.api.jobs.event(job_id)
        except NotFound:
            setattr(session, self.slot, "")
            return [gr.update(visible=False), "", gr.Timer(active=False), gr.skip()]
        over = event.status in FINAL_STATES
        if over and job_id not in session.memory.told:
            session.memory.told.add(job_id)
            _notify_end(event)
        visible = event.status != "done"
        return [gr.update(visible=visible), _bar_html(event), gr.Timer(active=not over), job_id if over else ""]

    def on_end(
        self,
        shell: PageContext,
        handler: Callable[..., Any],
        inputs: Sequence[Any] = (),
        outputs: Sequence[Any] = (),
    ) -> Any:
        """``handler(session, *inputs)`` when a job has ended; not when a page merely loads without one."""

        def finished(session: Session, *values: Any) -> Any:
            if session.api is None or not getattr(session, self.slot):
                return gr.skip() if len(outputs) == 1 else [gr.skip()] * len(outputs)
            return handler(session, *values)

        return on(self.ended_job.change, finished, shell, inputs, outputs, role="viewer")

    def _stop(self, session: Session) -> None:
        if session.api is not None and getattr(session, self.slot):
            session.api.jobs.cancel(getattr(session, self.slot))


def _notify_end(event: JobEvent) -> None:
    if event.status == "failed":
        gr.Warning(event.message, title="Not done", duration=12)
    elif event.status == "cancelled":
        gr.Info(event.message or "Stopped; what was finished is kept.", title="Stopped")


def _bar_html(event: JobEvent) -> str:
    share = event.done / event.total if event.total else 0.0
    words = STATUS_WORDS.get(event.status, "Working")
    count = f"{event.done:,} of {event.total:,}" if event.total else ""
    message = html.escape(event.message or "")
    moving = "" if event.total or event.status in FINAL_STATES else " fs-bar-wait"
    return (
        f'<div class="fs-bar{moving}" role="progressbar" aria-valuemin="0" aria-valuemax="{event.total}" '
        f'aria-valuenow="{event.done}"><i style="width:{100 * share:.1f}%"></i></div>'
        f'<div class="fs-bar-text" data-status="{event.status}"><b>{words}</b> <span>{count}</span> '
        f"<span>{message}</span></div>"
    )
