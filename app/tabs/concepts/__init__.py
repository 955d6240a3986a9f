"""Concepts: real anomalies with their masks, learned, watched while they are learned, tried at once."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.components.photo_panel import SERIAL_EVENTS
from app.components.progress_bar import ProgressBar
from app.page_context import PageContext, on, on_html_event
from app.session import Session
from app.tabs.concepts import concept_list, example_list, learning_panel
from app.tabs.concepts.example_list import ExampleList
from app.tabs.concepts.group_rows import GroupList
from app.tabs.concepts.mask_drawing import FOCUS_JS, MaskDrawing
from core.api.concepts.library import learner_cards


def build(shell: PageContext) -> None:
    """The tab."""
    with gr.Tab("Concepts", id="concepts") as tab, gr.Row(elem_classes="fs-parts", equal_height=False):
        with gr.Column(elem_classes="fs-cx-main"):
            with gr.Column(elem_classes="fs-cx-main") as browse:
                live = gr.HTML(js_on_load=learning_panel.KEEP_PARTIAL_JS, elem_id="fs-cx-live")
                listed = ExampleList()
                rows = GroupList(shell, lambda session: controls.clusters(session))
                shelf = concept_list.ConceptList(learner_cards())
            drawing = MaskDrawing(shell)
        with gr.Column(elem_classes="fs-side", elem_id="fs-cx-side") as side:
            with gr.Column(elem_classes="fs-side-scroll"):
                controls = learning_panel.LearningPanel()
            with gr.Column(elem_classes="fs-side-foot"):
                plan = gr.HTML(elem_id="fs-learn-plan")
                bar = ProgressBar(shell, "learn_id")
                go = gr.Button("Learn", variant="primary", elem_id="fs-learn-go")
        drawing.build_side()
    form = [*controls.inputs, *controls.groups]
    ready = [plan, go]
    lists = [*listed.parts, *rows.parts, *shelf.parts]
    modes = [browse, side, *drawing.parts]

    def mode(session: Session) -> list[Any]:
        busy = drawing.is_drawing(session)
        return [gr.update(visible=not busy), gr.update(visible=not busy), *drawing.show(session)]

    def look(session: Session) -> list[Any]:
        """All but the bar and what grows."""
        shown = controls.show(session)
        beside = [
            *controls.fitting(session.memory.concepts.chosen[0]),
            *learning_panel.plan_updates(session, controls),
        ]
        return [*mode(session), *shown, *beside, *listed.show(session), *rows.show(session), *shelf.show(session)]

    everything = [*modes, *form, *ready, *lists]

    def fill(session: Session) -> list[Any]:
        if session.api is not None:  # learning goes on when its window is closed; the next one takes it over
            session.learn_id = session.api.concepts.running() or session.learn_id
        return [
            *look(session),
            *bar.refresh(session),
            *rows.bar.refresh(session),
            learning_panel.live_learning_html(session, controls),
        ]

    shell.fill_on_select(tab, fill, [*everything, *bar.parts, *rows.bar.parts, live])
    rows.wire()

    def changed(session: Session, value: Any, place: int) -> list[Any]:
        # Each tells of itself alone: while a page loads, the others may not have come to the browser yet.
        values = session.memory.concepts.form
        if values is None or values[place] == value:
            return [gr.skip()] * (len(controls.groups) + len(ready) + len(rows.parts))
        values[place] = value
        if place == 1:
            session.memory.concepts.groups_of = ""
        looks = rows.show(session) if place < 2 else [gr.skip()] * len(rows.parts)
        return [*controls.fitting(values[0]), *learning_panel.plan_updates(session, controls), *looks]

    for place, control in enumerate(controls.inputs):
        # A field's first input after the server filled it in goes unheard, and so does a number beside a slider.
        happens = control.change if isinstance(control, gr.Textbox | gr.Slider | gr.Number) else control.input
        on(happens, lambda s, v, place=place: changed(s, v, place), shell, [control],
           [*controls.groups, *ready, *rows.parts], trigger_mode="always_last")  # fmt: skip

    def start(session: Session, *values: Any) -> list[Any]:
        session.memory.concepts.form = list(values)
        session.learn_id = session.required_api.concepts.start(controls.order(values))
        return [
            gr.update(interactive=False),
            *bar.refresh(session),
            learning_panel.live_learning_html(session, controls),
        ]

    on(go.click, start, shell, controls.inputs, [go, *bar.parts, live])

    def keep(session: Session, sent: dict[str, Any]) -> list[Any]:
        session.learn_id = session.required_api.concepts.keep_partial(session.learn_id)
        return [
            gr.update(interactive=False),
            *bar.refresh(session),
            learning_panel.live_learning_html(session, controls),
        ]

    on_html_event(live.learning_kept, keep, shell, [go, *bar.parts, live], **SERIAL_EVENTS)
    on(
        bar.timer.tick,
        lambda s: learning_panel.live_learning_html(s, controls),
        shell,
        outputs=[live],
        concurrency_limit=None,
    )

    def ended(session: Session) -> list[Any]:
        made = session.required_api.jobs.result(session.learn_id).get("concept")
        session.memory.concepts.learned = made or session.memory.concepts.learned
        return [
            *learning_panel.plan_updates(session, controls),
            learning_panel.live_learning_html(session, controls),
            *shelf.show(session),
        ]

    bar.on_end(shell, ended, outputs=[*ready, live, *shelf.parts]).success(None, js=concept_list.SCROLL_TO_NEW_JS)

    def act(handler: Any) -> Any:
        def acted(session: Session, *values: Any) -> list[Any]:
            handler(session, *values)
            return look(session)

        return acted

    on(listed.add.upload, act(drawing.add_photos), shell, [listed.add], everything).success(None, js=FOCUS_JS)
    on_html_event(listed.tiles.example_opened, act(drawing.edit_example), shell, everything, **SERIAL_EVENTS).success(
        None, js=FOCUS_JS
    )
    on_html_event(listed.tiles.example_removed, act(example_list.remove), shell, everything, **SERIAL_EVENTS)
    drawing.wire(look, everything)
    for event, handler in ((shelf.html.concept_renamed, shelf.rename), (shelf.html.concept_deleted, shelf.delete),
                           (shelf.html.concept_shown, shelf.filter)):  # fmt: skip
        on_html_event(event, lambda s, sent, handler=handler: handler(s, sent)[0], shell, shelf.parts,
                  trigger_mode="multiple")  # fmt: skip
    on_html_event(shelf.html.concept_tried, shelf.try_in_studio, shell, [shell.tabs])
