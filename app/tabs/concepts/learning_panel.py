"""What is learned by which engine: the right-hand column, and what grows meanwhile."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.components import engine_picker, param_form
from app.components.engine_texts import unavailable_html
from app.components.progress_bar import FINAL_STATES
from app.session import Session, file_url
from core.api.concepts.library import LearnRequest, learner_cards
from core.api.evaluation.evaluations import report_parts
from core.errors import FlawsmithError, NotFound

ALL_LABELS = "all labels together"
"""A choice of the label's list; no label has a space."""
PRESET = "preset"
MAX_PICTURES = 5
KEEP_PARTIAL_JS = """
element.addEventListener("click", (event) => {
  if (event.target.closest("[data-keep]")) trigger("learning_kept", {});
});
"""


class LearningPanel:
    """Engine, label, preset and settings; ``inputs`` are its controls, ``groups`` shown for one engine alone."""

    def __init__(self) -> None:
        self.cards = learner_cards()
        usable = [card for card in self.cards.values() if card.reason is None]
        names = [card.name for card in usable]
        with gr.Column(elem_classes="fs-panel"):
            self.engine, _ = engine_picker.engine_radio(usable, "fs-learn-engine", frozenset(names))
            self.about = gr.HTML(elem_id="fs-learn-about")
            gr.HTML(unavailable_html(list(self.cards.values())), elem_classes="fs-unusable")
            with gr.Column(elem_classes="fs-form") as self.labels:
                self.label = gr.Dropdown(
                    [ALL_LABELS], value=ALL_LABELS, label="What to learn", elem_id="fs-learn-label"
                )
            heads = {name: self._form(name, head=True) for name in names}
        with gr.Accordion("Settings of the learning", open=False, elem_classes="fs-fold", elem_id="fs-learn-settings"):
            rests = {name: self._form(name, head=False) for name in names}
        self.columns = {name: (heads[name][0], rests[name][0]) for name in heads}
        self.forms = {name: (heads[name][1], rests[name][1]) for name in heads}

    def _form(self, name: str, *, head: bool) -> tuple[gr.Column, param_form.ParamForm]:
        model = self.cards[name].params
        skip = [field for field in model.model_fields if (field == PRESET) != head]
        with gr.Column(visible=name == self.engine.value, elem_classes="fs-form") as column:
            return column, param_form.build_param_form(model, skip)

    @property
    def inputs(self) -> list[Any]:
        """All controls, in the order that ``order`` takes their values."""
        return [
            self.engine,
            self.label,
            *(c for pair in self.forms.values() for form in pair for c in form.components),
        ]

    @property
    def groups(self) -> list[object]:
        """The text on the engine, the label's list, and each engine's own controls."""
        return [self.about, self.labels, *(column for pair in self.columns.values() for column in pair)]

    def clusters(self, session: Session) -> bool:
        """Whether the chosen engine learns the looks of a label one by one."""
        card = self.cards.get((session.memory.concepts.form or [None])[0])
        return card is not None and card.reason is None and card.clusters

    def order(self, values: Sequence[Any]) -> LearnRequest:
        """What is asked for."""
        engine, label, *rest = values
        start = 0
        params: dict[str, Any] = {}
        for name, pair in self.forms.items():
            for form in pair:
                if name == engine:
                    params |= form.params_of(rest[start : start + len(form.components)])
                start += len(form.components)
        alone = not self.cards[engine].from_examples
        return LearnRequest(engine=engine, label="" if alone or label in (None, ALL_LABELS) else label, params=params)

    def show(self, session: Session) -> list[object]:
        """Updates of ``inputs`` for the session's project; what was chosen stays."""
        plain = [self.engine.value, ALL_LABELS, *(c.value for c in self.inputs[2:])]
        values = list(session.memory.concepts.form or plain)
        counts: dict[str, int] = {}
        for card in session.api.concepts.examples.cards(part="learn") if session.api else []:
            counts[card.row.label] = counts.get(card.row.label, 0) + 1
        if values[1] not in counts:
            values[1] = next(iter(counts)) if len(counts) == 1 else ALL_LABELS
        choices = [(f"{name} ({number:,})", name) for name, number in sorted(counts.items())]
        if len(counts) != 1:
            many = f" ({sum(counts.values()):,})" if counts else ""
            choices.insert(0, (f"All labels together{many}", ALL_LABELS))
        session.memory.concepts.form = values
        return [
            gr.update(value=values[0]),
            gr.update(choices=choices, value=values[1]),
            *(gr.update(value=v) for v in values[2:]),
        ]

    def fitting(self, engine: str) -> list[object]:
        """Updates of ``groups``."""
        card = self.cards.get(engine)
        about = f"<p class='fs-hint'>{html.escape(card.summary)}</p>" if card else ""
        label = gr.update(visible=card is None or card.from_examples)
        return [about, label, *(gr.update(visible=n == engine) for n, pair in self.columns.items() for _ in pair)]


def plan_updates(session: Session, controls: LearningPanel) -> list[object]:
    """What would be learned from what, or what is missing; the button, and the one that measures a step."""
    hidden = gr.update(visible=False)
    if session.api is None:
        return [_hint("Open a project in <b>Product</b> first."), gr.update(value="Learn", interactive=False), hidden]
    values = session.memory.concepts.chosen
    if not values[0]:
        return [_hint("No engine can learn on this machine yet; see above."), gr.update(interactive=False), hidden]
    try:
        order = controls.order(values)
        seen = session.api.concepts.preview(order)
    except FlawsmithError as error:
        text = str(error)
        return [_hint(html.escape(text[:1].upper() + text[1:])), gr.update(value="Learn", interactive=False), hidden]
    facts = "".join(f"<dt>{html.escape(verb)}</dt><dd>{html.escape(what)}</dd>" for verb, what in seen.facts.items())
    said = "".join(f"<p class='fs-warn'>{html.escape(line)}</p>" for line in seen.warnings)
    said += "".join(_hint(html.escape(line)) for line in seen.notes)
    if seen.resumes_at and not live_learning_html(session, controls):
        said += _hint(f"Stopped at {html.escape(seen.resumes_at)}: <b>Go on</b> takes it up there.")
    button, free = "Go on" if seen.resumes_at else "Learn", not is_running(session)
    measure = gr.update(visible=seen.can_measure and free)
    return [f"<dl class='fs-ev-plan'>{facts}</dl>{said}", gr.update(value=button, interactive=free), measure]


def is_running(session: Session) -> bool:
    """Whether this session's learning has not ended."""
    return _status(session) in ("queued", "running")


def live_learning_html(session: Session, controls: LearningPanel) -> str:
    """Curve and pictures of the learning in progress, or of one that was stopped; "" while there is none."""
    status = _status(session)
    if status in ("", "done"):
        return ""
    desk, job_id = session.required_api.concepts, session.learn_id
    chart = report_parts.curve_charts([("", desk.smoothed_live_curves(job_id))])
    order = desk.order_of(job_id)
    compared = order is not None and order.engine in controls.cards and controls.cards[order.engine].from_examples
    pictures = desk.live_pictures(job_id)
    event = session.required_api.jobs.event(job_id)
    title, keep = "As it learns", ""
    says = "Stop whenever you like: what was learned so far is kept, and the same settings go on from there."
    if status in FINAL_STATES:
        title = f"Stopped at step {event.done:,} of {event.total:,}" if event.done else "Stopped"
        says = "<b>Go on</b> takes it up there, as long as the settings are the same."
        if status == "failed":
            title, says = "Not finished", html.escape(event.message)
        if desk.can_keep_partial(job_id):
            says += " Or keep what it can do by now as a concept."
            keep = "<button type='button' class='fs-ev-button' data-keep>Keep it as it is</button>"
    if not chart and not pictures:
        wait = "Waiting for another job to end." if status == "queued" else "Reading the photos."
        chart = "" if status in FINAL_STATES else f"<p class='fs-hint'>{wait}</p>"
    head = f"<div class='fs-cx-head'><div><h3>{title}</h3><p class='fs-hint'>{says}</p></div>{keep}</div>"
    return (
        f"<section class='fs-cx-card fs-cx-live'>{head}"
        f"<div class='fs-cx-grow'><div>{_pictures_html(pictures, compared)}</div><div>{chart}</div></div></section>"
    )


def _pictures_html(pictures: Sequence[tuple[int, Any]], compared: bool) -> str:
    if not pictures:
        return ""
    step, newest = pictures[-1]
    says = f"real, and drawn at step {step:,}" if compared else f"drawn at step {step:,}"
    large = f"<figure><img src='{file_url(newest)}' alt='{says}'><figcaption>{says}</figcaption></figure>"
    before = "".join(
        f"<figure><img src='{file_url(path)}' alt='Step {step:,}'><figcaption>{step:,}</figcaption></figure>"
        for step, path in pictures[-1 - MAX_PICTURES : -1]
    )
    return large + (f"<div class='fs-cx-film'>{before}</div>" if before else "")


def _status(session: Session) -> str:
    if session.api is None or not session.learn_id:
        return ""
    try:
        return session.api.jobs.event(session.learn_id).status
    except NotFound:
        return ""


def _hint(text: str) -> str:
    return f"<p class='fs-hint'>{text}</p>"
