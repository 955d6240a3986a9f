"""Concepts: real anomalies with their masks, learned, watched while they are learned, tried at once."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from app.components.photo_panel import SERIAL_EVENTS
from app.components.progress_bar import ProgressBar
from app.page_context import PageContext, on, on_html_event
from app.session import Session
from app.tabs.concepts import concept_list, example_list, learning_panel
from app.tabs.concepts.bank_list import BankList
from app.tabs.concepts.example_list import ExampleList
from app.tabs.concepts.group_rows import GroupList
from app.tabs.concepts.mask_drawing import FOCUS_JS, MaskDrawing
from core.api.concepts.library import learner_cards


def build(shell: PageContext) -> None:
    """The tab."""
    ConceptsTab(shell).wire()


class ConceptsTab:
    """The tab's parts and what happens in them.

    ``everything`` is what ``look`` updates: all but the progress bars and the curves of the learning in progress,
    which follow their own timer.
    """

    def __init__(self, shell: PageContext) -> None:
        self.shell = shell
        with gr.Tab("Concepts", id="concepts") as self.tab, gr.Row(elem_classes="fs-parts", equal_height=False):
            with gr.Column(elem_classes="fs-cx-main"):
                with gr.Column(elem_classes="fs-cx-main fs-cx-browse") as browse:
                    self.live = gr.HTML(js_on_load=learning_panel.KEEP_PARTIAL_JS, elem_id="fs-cx-live")
                    self.listed = ExampleList()
                    self.bank = BankList()
                    self.rows = GroupList(shell, lambda session: self.controls.clusters(session))
                    self.shelf = concept_list.ConceptList(learner_cards())
                self.drawing = MaskDrawing(shell)
            with gr.Column(elem_classes="fs-side", elem_id="fs-cx-side") as side:
                with gr.Column(elem_classes="fs-side-scroll"):
                    self.controls = learning_panel.LearningPanel()
                with gr.Column(elem_classes="fs-side-foot"):
                    plan = gr.HTML(elem_id="fs-learn-plan")
                    self.bar = ProgressBar(shell, "learn_id")
                    self.measure = gr.Button("Measure how long it takes", size="sm", visible=False,
                                             elem_id="fs-learn-measure")  # fmt: skip
                    self.go = gr.Button("Learn", variant="primary", elem_id="fs-learn-go")
            self.drawing.build_side()
        self.ready = [plan, self.go, self.measure]
        modes = [browse, side, *self.drawing.parts]
        form = [*self.controls.inputs, *self.controls.groups]
        lists = [*self.listed.parts, *self.bank.parts, *self.rows.parts, *self.shelf.parts]
        self.everything = [*modes, *form, *self.ready, *lists]

    def wire(self) -> None:
        """Connect the parts."""
        rows = self.rows
        self.shell.fill_on_select(self.tab, self.fill, [*self.everything, *self.bar.parts, *rows.bar.parts, self.live])
        rows.wire()
        follows = [*self.controls.groups, *self.ready, *rows.parts, *self.listed.parts]
        for place, control in enumerate(self.controls.inputs):
            # A field's first input after the server filled it in goes unheard, and so does a number beside a slider.
            happens = control.change if isinstance(control, gr.Textbox | gr.Slider | gr.Number) else control.input
            change = lambda s, v, place=place: self.changed(s, v, place)  # noqa: E731
            on(happens, change, self.shell, [control], follows, role="viewer", trigger_mode="always_last")
        self._wire_learning()
        self._wire_lists()

    def _wire_learning(self) -> None:
        shell, bar, live = self.shell, self.bar, self.live
        begun = [self.go, self.measure, *bar.parts, live]
        on(self.go.click, self.start, shell, self.controls.inputs, begun)
        on(self.measure.click, self.measure_pace, shell, self.controls.inputs, begun)
        on_html_event(live.learning_kept, self.keep, shell, begun, **SERIAL_EVENTS)
        on(bar.timer.tick, self._live_html, shell, outputs=[live], role="viewer", concurrency_limit=None)
        bar.on_end(shell, self.ended, outputs=[*self.ready, live, *self.shelf.parts]).success(
            None, js=concept_list.SCROLL_TO_NEW_JS
        )

    def _wire_lists(self) -> None:
        shell, listed, shelf, drawing = self.shell, self.listed, self.shelf, self.drawing
        on(listed.add.upload, self._then_look(drawing.add_photos), shell, [listed.add], self.everything).success(
            None, js=FOCUS_JS
        )
        on_html_event(
            listed.tiles.example_opened, self._then_look(drawing.edit_example), shell, self.everything, **SERIAL_EVENTS
        ).success(None, js=FOCUS_JS)
        on_html_event(
            listed.tiles.example_removed, self._then_look(example_list.remove), shell, self.everything, **SERIAL_EVENTS
        )
        self.bank.wire(shell)
        drawing.wire(self.look, self.everything)
        for event, handler in ((shelf.html.concept_renamed, shelf.rename), (shelf.html.concept_deleted, shelf.delete)):
            on_html_event(event, lambda s, sent, handler=handler: handler(s, sent)[0], shell, shelf.parts,
                          trigger_mode="multiple")  # fmt: skip
        on_html_event(shelf.html.concept_shown, lambda s, sent: shelf.filter(s, sent)[0], shell, shelf.parts,
                      role="viewer", trigger_mode="multiple")  # fmt: skip
        on_html_event(shelf.html.concept_tried, shelf.try_in_studio, shell, [shell.tabs])

    def look(self, session: Session) -> list[object]:
        """Updates for ``everything``."""
        shown = self.controls.show(session)
        return [
            *self._mode(session),
            *shown,
            *self.controls.fitting(session.memory.concepts.chosen[0]),
            *learning_panel.plan_updates(session, self.controls),
            *self.listed.show(session),
            *self.bank.show(session),
            *self.rows.show(session),
            *self.shelf.show(session),
        ]

    def fill(self, session: Session) -> list[object]:
        """The tab comes to the front, or a project is opened in it."""
        if session.api is not None:  # learning goes on when its window is closed; the next one takes it over
            session.learn_id = session.api.concepts.running() or session.learn_id
        look = self.look(session)
        return [*look, *self.bar.refresh(session), *self.rows.bar.refresh(session), self._live_html(session)]

    def changed(self, session: Session, value: object, place: int) -> list[object]:
        """The control at ``place`` of the form has another value."""
        # Each tells of itself alone: while a page loads, the others may not have come to the browser yet.
        values, rows, controls = session.memory.concepts.form, self.rows, self.controls
        listed = self.listed
        if values is None or values[place] == value:
            return [gr.skip()] * (len(controls.groups) + len(self.ready) + len(rows.parts) + len(listed.parts))
        values[place] = value
        if place == 1:
            session.memory.concepts.groups_of = ""
        looks = rows.show(session) if place < 2 else [gr.skip()] * len(rows.parts)
        wall = listed.show(session) if place == 1 else [gr.skip()] * len(listed.parts)
        return [*controls.fitting(values[0]), *learning_panel.plan_updates(session, controls), *looks, *wall]

    def start(self, session: Session, *values: object) -> list[object]:
        """*Learn* was pressed."""
        session.memory.concepts.form = list(values)
        session.learn_id = session.required_api.concepts.start(self.controls.order(values))
        return self._begun(session)

    def measure_pace(self, session: Session, *values: object) -> list[object]:
        """A few steps of the learning, to tell how long all of it takes."""
        session.memory.concepts.form = list(values)
        session.learn_id = session.required_api.concepts.start(self.controls.order(values), only_measure=True)
        return self._begun(session)

    def keep(self, session: Session, sent: dict[str, object]) -> list[object]:
        """A person takes what a stopped learning has so far."""
        session.learn_id = session.required_api.concepts.keep_partial(session.learn_id)
        return self._begun(session)

    def ended(self, session: Session) -> list[object]:
        """The learning is over: its concept is the newest."""
        made = session.required_api.jobs.result(session.learn_id).get("concept")
        session.memory.concepts.learned = made or session.memory.concepts.learned
        plan = learning_panel.plan_updates(session, self.controls)
        return [*plan, self._live_html(session), *self.shelf.show(session)]

    def _begun(self, session: Session) -> list[object]:
        idle = [gr.update(interactive=False), gr.update(visible=False)]
        return [*idle, *self.bar.refresh(session), self._live_html(session)]

    def _live_html(self, session: Session) -> str:
        return learning_panel.live_learning_html(session, self.controls)

    def _mode(self, session: Session) -> list[object]:
        """The lists and the form, or the canvas in their place."""
        busy = self.drawing.is_drawing(session)
        return [gr.update(visible=not busy), gr.update(visible=not busy), *self.drawing.show(session)]

    def _then_look(self, handler: Callable[..., object]) -> Callable[..., list[object]]:
        def acted(session: Session, *values: object) -> list[object]:
            handler(session, *values)
            return self.look(session)

        return acted
