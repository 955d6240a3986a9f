"""Concepts: real anomalies with their masks, learned, watched while they are learned, tried at once."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.components.photo_panel import ONE_BY_ONE
from app.components.progress_bar import ProgressBar
from app.page_context import PageContext, on, on_canvas
from app.session import Session
from app.tabs.concepts import concept_list, example_list, learning_panel
from app.tabs.concepts.example_list import ExampleList
from app.tabs.concepts.group_rows import GroupRows
from app.tabs.concepts.mask_drawing import FOCUS_JS, Drawing
from core.api.concepts.library import learner_cards


def build(shell: PageContext) -> None:
    """The tab."""
    with gr.Tab("Concepts", id="concepts") as tab, gr.Row(elem_classes="fs-parts", equal_height=False):
        with gr.Column(elem_classes="fs-cx-main"):
            with gr.Column(elem_classes="fs-cx-main") as browse:
                live = gr.HTML(js_on_load=learning_panel.LIVE_JS, elem_id="fs-cx-live")
                listed = ExampleList()
                rows = GroupRows(shell, lambda session: controls.clusters(session))
                shelf = concept_list.ConceptList(learner_cards())
            drawing = Drawing(shell)
        with gr.Column(elem_classes="fs-side", elem_id="fs-cx-side") as side:
            with gr.Column(elem_classes="fs-side-scroll"):
                controls = learning_panel.LearningPanel()
            with gr.Column(elem_classes="fs-side-foot"):
                plan = gr.HTML(elem_id="fs-learn-plan")
                bar = ProgressBar(shell, "learn_id")
                go = gr.Button("Learn", variant="primary", elem_id="fs-learn-go")
        drawing.side()
    form = [*controls.inputs, *controls.groups]
    ready = [plan, go]
    lists = [*listed.parts, *rows.parts, *shelf.parts]
    modes = [browse, side, *drawing.parts]

    def mode(session: Session) -> list[Any]:
        busy = drawing.drawing(session)
        return [gr.update(visible=not busy), gr.update(visible=not busy), *drawing.show(session)]

    def look(session: Session) -> list[Any]:
        """All but the bar and what grows."""
        shown = controls.show(session)
        beside = [*controls.fitting(session.memory.concepts.chosen[0]), *learning_panel.plan(session, controls)]
        return [*mode(session), *shown, *beside, *listed.show(session), *rows.show(session), *shelf.show(session)]

    everything = [*modes, *form, *ready, *lists]

    def fill(session: Session) -> list[Any]:
        if session.bench is not None:  # learning goes on when its window is closed; the next one takes it over
            session.learn_id = session.bench.concepts.running() or session.learn_id
        return [*look(session), *bar.look(session), *rows.bar.look(session), learning_panel.growing(session, controls)]

    shell.refresh(tab, fill, [*everything, *bar.parts, *rows.bar.parts, live])
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
        return [*controls.fitting(values[0]), *learning_panel.plan(session, controls), *looks]

    for place, control in enumerate(controls.inputs):
        # A field's first input after the server filled it in goes unheard, and so does a number beside a slider.
        happens = control.change if isinstance(control, gr.Textbox | gr.Slider | gr.Number) else control.input
        on(happens, lambda s, v, place=place: changed(s, v, place), shell, [control],
           [*controls.groups, *ready, *rows.parts], trigger_mode="always_last")  # fmt: skip

    def start(session: Session, *values: Any) -> list[Any]:
        session.memory.concepts.form = list(values)
        session.learn_id = session.open_bench.concepts.start(controls.order(values))
        return [gr.update(interactive=False), *bar.look(session), learning_panel.growing(session, controls)]

    on(go.click, start, shell, controls.inputs, [go, *bar.parts, live])

    def keep(session: Session, sent: dict[str, Any]) -> list[Any]:
        session.learn_id = session.open_bench.concepts.keep(session.learn_id)
        return [gr.update(interactive=False), *bar.look(session), learning_panel.growing(session, controls)]

    on_canvas(live.learning_kept, keep, shell, [go, *bar.parts, live], **ONE_BY_ONE)
    on(bar.timer.tick, lambda s: learning_panel.growing(s, controls), shell, outputs=[live], concurrency_limit=None)

    def ended(session: Session) -> list[Any]:
        made = session.open_bench.jobs.result(session.learn_id).get("concept")
        session.memory.concepts.learned = made or session.memory.concepts.learned
        return [
            *learning_panel.plan(session, controls),
            learning_panel.growing(session, controls),
            *shelf.show(session),
        ]

    bar.on_end(shell, ended, outputs=[*ready, live, *shelf.parts]).success(None, js=concept_list.TO_NEW_JS)

    def act(handler: Any) -> Any:
        def acted(session: Session, *values: Any) -> list[Any]:
            handler(session, *values)
            return look(session)

        return acted

    on(listed.add.upload, act(drawing.bring), shell, [listed.add], everything).success(None, js=FOCUS_JS)
    on_canvas(listed.tiles.example_opened, act(drawing.redraw), shell, everything, **ONE_BY_ONE).success(
        None, js=FOCUS_JS
    )
    on_canvas(listed.tiles.example_removed, act(example_list.remove), shell, everything, **ONE_BY_ONE)
    drawing.wire(look, everything)
    for event, handler in ((shelf.html.concept_renamed, shelf.rename), (shelf.html.concept_deleted, shelf.delete),
                           (shelf.html.concept_shown, shelf.filter)):  # fmt: skip
        on_canvas(event, lambda s, sent, handler=handler: handler(s, sent)[0], shell, shelf.parts,
                  trigger_mode="multiple")  # fmt: skip
    on_canvas(shelf.html.concept_tried, shelf.attempt, shell, [shell.tabs])
