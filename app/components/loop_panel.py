"""The loop in Evaluate: start it or go on, what each round brought, what is missed; the way to Review and Studio."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from app.components.fields import required_text, whole_number
from app.components.progress_bar import ProgressBar
from app.modules import on_load
from app.page_context import PageContext, go_to_tab_js, on, on_html_event
from app.session import Session, file_url
from core.api import SampleFilter
from core.api.loops import EXAMPLE, LoopCard, LoopSpec, loop_parts
from core.types import ReviewStatus

MAX_ROUNDS, MAX_PAIRS = 20, 10_000
USUAL_DETECTOR = "features"
HINT = (
    "<p class='fs-hint'>Trains a detector, looks at what it misses, makes pairs like that, trains again and keeps "
    "what helped. It learns from the real anomalies that the project's split learns from; half of the others guide "
    "it, the other half judges.</p>"
)


class LoopPanel:
    """A card of the right column; ``parts`` is what ``show`` updates."""

    def __init__(self, shell: PageContext) -> None:
        with gr.Accordion("Loop: from misses to pairs", open=False, elem_classes="fs-fold", elem_id="fs-loop"):
            gr.HTML(HINT)
            self.contract = gr.Textbox(EXAMPLE, label="Contract", max_lines=1, elem_id="fs-loop-contract",
                                       info="What to reach, and behind @ what must hold with it.")  # fmt: skip
            with gr.Row(equal_height=True, elem_classes="fs-inline"):
                self.detector = gr.Dropdown([], label="Detector", min_width=150, elem_id="fs-loop-detector")
                self.rounds = gr.Number(3, label="Rounds at most", precision=0, min_width=90, elem_id="fs-loop-rounds")
                self.pairs = gr.Number(200, label="Pairs at most", precision=0, min_width=90, elem_id="fs-loop-pairs")
            with gr.Row(equal_height=True, elem_classes="fs-inline"):
                self.look = gr.Checkbox(True, label="I look at the pairs before training", container=False,
                                        min_width=220, elem_id="fs-loop-look")  # fmt: skip
                self.go = gr.Button("Start or go on", variant="primary", size="sm", scale=0, min_width=130,
                                    elem_id="fs-loop-go")  # fmt: skip
            self.bar = ProgressBar(shell, "loop_id")
            self.html = gr.HTML(
                js_on_load=on_load("app/components/loop_panel.js", "miss_opened", "round_opened"),
                elem_id="fs-loop-state",
            )
        self.form = [self.contract, self.detector, self.rounds, self.pairs, self.look]
        self.parts = [*self.form, self.html]

    def show(self, session: Session) -> list[object]:
        """Updates of ``parts``: the form as it was, and the loop that was worked on last."""
        if session.api is None:
            return [gr.skip()] * len(self.form) + [""]
        known = session.api.loops.detectors()
        found = session.api.loops.loops()
        form = session.memory.evaluate.loop or (_form_of(found[0]) if found else None)
        contract, detector, rounds, pairs, look = form or [EXAMPLE, USUAL_DETECTOR, 3, 200, True]
        names = [name for _, name in known]
        detector = next((name for name in (detector, USUAL_DETECTOR, *names) if name in names), None)
        shown = loop_html(session, found[0]) if found else ""
        return [contract, gr.update(choices=known, value=detector), rounds, pairs, look, shown]

    def wire(self, shell: PageContext) -> None:
        """The button, the end of the job, and the ways to Review and Studio."""
        on(self.go.click, self._start, shell, self.form, self.bar.parts, trigger_mode="once")
        self.bar.on_end(shell, self.show, outputs=self.parts)
        looked = on_html_event(self.html.round_opened, _look_at_round, shell, [], role="viewer")
        looked.then(None, js=go_to_tab_js("Review"))
        on_html_event(self.html.miss_opened, _open_miss, shell, []).then(None, js=go_to_tab_js("Studio"))

    def _start(
        self, session: Session, contract: str, detector: str, rounds: Any, pairs: Any, look: Any
    ) -> list[object]:
        spec = LoopSpec(
            required_text("Contract", contract, EXAMPLE), required_text("Detector", detector, USUAL_DETECTOR),
            rounds=whole_number("Rounds at most", rounds, 1, MAX_ROUNDS),
            pairs=whole_number("Pairs at most", pairs, 1, MAX_PAIRS), auto=not look,
        )  # fmt: skip
        session.memory.evaluate.loop = [contract, detector, rounds, pairs, look]
        session.loop_id = session.required_api.loops.start(spec)
        return self.bar.refresh(session)


def loop_html(session: Session, card: LoopCard) -> str:
    """Where a loop is, what its rounds brought, and what it misses. HTML."""
    link = (
        f"<a class='fs-ev-button' href='{file_url(card.report)}' download='loop.html'>Save the page</a>"
        if card.report.is_file()
        else ""
    )
    look = (
        f"<button type='button' class='fs-ev-button' data-round='{html.escape(card.waits_for, quote=True)}'>"
        "Look at the round's pairs in Review</button>"
        if card.waits_for
        else ""
    )
    said = f"<p><b>{html.escape(card.said)}</b></p><div class='fs-loop-acts'>{look}{link}</div>"
    return f"<div class='fs-loop'>{said}{loop_parts(card)}{_misses_html(session, card)}</div>"


def _misses_html(session: Session, card: LoopCard) -> str:
    cells = "".join(
        f"<button type='button' data-miss='{html.escape(one.example_id, quote=True)}' "
        f"title='{html.escape(one.said, quote=True)}'>"
        f"<img src='{file_url(one.picture)}' alt='{html.escape(one.label, quote=True)} that is missed'>"
        f"<b>{html.escape(one.label)}</b><span>missed in {one.missed:.0%}</span></button>"
        for one in session.required_api.loops.misses(card)
    )
    if not cells:
        return ""
    head = (
        "<h3>What is missed, and in how many of the seeds</h3>"
        "<p class='fs-hint'>Click one to make more like it in Studio.</p>"
    )
    return f"{head}<div class='fs-loop-misses'>{cells}</div>"


def _form_of(card: LoopCard) -> list[Any]:
    spec = card.state.spec
    return [spec.contract, spec.detector, spec.rounds, spec.pairs, not spec.auto]


def _look_at_round(session: Session, sent: dict[str, Any]) -> None:
    session.filter = SampleFilter(job_id=str(sent.get("job", "")), verdict=ReviewStatus.KEPT, descending=True)
    session.offset, session.grouped = 0, False


def _open_miss(session: Session, sent: dict[str, Any]) -> None:
    make_more_like(session, str(sent.get("id", "")))


def make_more_like(session: Session, example_id: str) -> None:
    """Have Studio show a good photo with the outline of this real anomaly, its label and an engine for it, next time
    it is in front."""
    place = session.required_api.loops.place_like(example_id)
    session.normal_id = place.normal_id
    session.memory.studio.laid = (place.normal_id, place.mask)
    cards = session.required_api.studio.engines()
    usual = next((name for name, card in cards.items() if card.first_choice), "")
    session.memory.studio.requested = {"engine": place.engine or usual, "label": place.label, "params": {}}
