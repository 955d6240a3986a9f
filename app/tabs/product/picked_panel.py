"""The photos or real anomalies that are chosen in the album, and what can be done with them."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import gradio as gr

from app.components.fields import required_text
from app.components.labels import normalized_label
from app.components.photo_panel import SERIAL_EVENTS
from app.components.split_panel import TO_TEST, SplitPanel
from app.page_context import PageContext, on
from app.session import Session
from app.tabs.concepts.mask_drawing import FOCUS_JS, edit_example
from core.errors import InputError

GOOD, REAL = "good", "real"
"""What the album shows, in ``ProductMemory.kind``."""
REMOVE = "Remove from project"


class PickedPanel:
    """The row above the tiles; ``parts`` is what ``show`` updates. Some of it is for a single one alone."""

    def __init__(self) -> None:
        with gr.Row(visible=False, elem_classes="fs-picked", equal_height=True) as self.row:
            self.about = gr.HTML(elem_id="fs-picked")
            self.work = gr.Button("Work on it in Studio", size="sm", scale=0, min_width=150, elem_id="fs-to-studio")
            self.open = gr.Button("Open: mask and label", size="sm", scale=0, min_width=150, elem_id="fs-open-real")
            self.label = gr.Dropdown([], label="Label", show_label=False, container=False, allow_custom_value=True,
                                     scale=0, min_width=130, interactive=True, elem_id="fs-picked-label")  # fmt: skip
            self.give = gr.Button("Give this label", size="sm", scale=0, min_width=110, elem_id="fs-picked-give")
            self.move = gr.Button(TO_TEST, visible=False, size="sm", scale=0, min_width=130, elem_id="fs-split-move")
            self.remove = gr.Button(REMOVE, size="sm", scale=0, min_width=150, elem_id="fs-remove")
        self.parts = [self.row, self.about, self.work, self.open, self.label, self.give, self.move, self.remove]

    def show(self, session: Session) -> list[Any]:
        """Updates for ``parts``."""
        product = session.memory.product
        if not product.picked or session.api is None:
            return [gr.update(visible=False), "", *[gr.skip()] * 6]
        good, alone = product.kind == GOOD, len(product.picked) == 1
        about = _about_html(session) if alone else f"<b>{len(product.picked):,} chosen</b>"
        known = sorted(session.api.photos.part_counts())
        own = {} if good else {session.api.photos.example(i).label for i in product.picked}
        label = gr.update(visible=not good, choices=known, value=next(iter(own)) if len(own) == 1 else None)
        move = SplitPanel.move_update(session, product.picked[0] if alone and not good else "")
        remove = gr.update(value=self._remove_words(session), variant="stop" if product.removing else "secondary")
        work, draw = gr.update(visible=good and alone), gr.update(visible=not good and alone)
        return [gr.update(visible=True), about, work, draw, label, gr.update(visible=not good), move, remove]

    def wire(self, shell: PageContext, show: Callable[[Session], list[Any]], shown: list[Any]) -> None:
        """What the buttons do; ``show(session)`` gives updates for ``shown``, which hold ``parts``."""

        def remove(session: Session) -> list[Any]:
            product, photos = session.memory.product, session.required_api.photos
            if product.removing != product.picked:
                product.removing = list(product.picked)
                return [*[gr.skip()] * len(shown), gr.update(value=self._remove_words(session), variant="stop")]
            photos.remove(product.picked) if product.kind == GOOD else photos.remove_examples(product.picked)
            product.picked, product.removing = [], []
            return [*show(session), gr.update(value=REMOVE, variant="secondary")]

        def give(session: Session, label: str | None) -> list[Any]:
            name = normalized_label(required_text("Label", label or "", "scratch"))
            changed = session.required_api.photos.label_examples(session.memory.product.picked, name)
            gr.Info(f"{changed:,} now called {name}." if changed else f"They are called {name} already.")
            return show(session)

        def move(session: Session) -> list[Any]:
            SplitPanel.move_picked(session, _first_picked(session))
            return show(session)

        def work_on(session: Session) -> Any:
            session.normal_id = _first_picked(session)
            return gr.Tabs(selected="studio")

        def open_real(session: Session) -> Any:
            edit_example(session, _first_picked(session))
            return gr.Tabs(selected="concepts")

        on(self.work.click, work_on, shell, outputs=[shell.tabs], role="viewer")
        on(self.open.click, open_real, shell, outputs=[shell.tabs]).success(None, js=FOCUS_JS)
        # In the order of the presses, as choices are: what is removed is what was chosen before.
        on(self.give.click, give, shell, [self.label], shown, **SERIAL_EVENTS)
        on(self.move.click, move, shell, outputs=shown, **SERIAL_EVENTS)
        on(self.remove.click, remove, shell, outputs=[*shown, self.remove], **SERIAL_EVENTS)

    @staticmethod
    def _remove_words(session: Session) -> str:
        product = session.memory.product
        many = len(product.picked)
        if product.removing != product.picked:
            return REMOVE if many == 1 else f"Remove {many:,} from project"
        if product.kind == GOOD:
            return "Remove it with its samples?" if many == 1 else f"Remove {many:,} with their samples?"
        return "Remove this anomaly?" if many == 1 else f"Remove these {many:,} anomalies?"


def _first_picked(session: Session) -> str:
    """The id of what was chosen first; InputError where nothing is chosen any more."""
    if not session.memory.product.picked:
        raise InputError("nothing is chosen; choose a tile first")
    return session.memory.product.picked[0]


def _about_html(session: Session) -> str:
    photos, at = session.required_api.photos, session.memory.product.picked[0]
    if session.memory.product.kind == GOOD:
        photo = photos.row(at)
        name, said = photo.name, ", ".join((f"{photo.width} × {photo.height}", *photo.notes))
    else:
        real = photos.example(at)
        masks = "1 masked defect" if len(real.mask_paths) == 1 else f"{len(real.mask_paths)} masked defects"
        name, said = real.name, f"{real.width} × {real.height}, {real.label}, {masks}"
        said += {"": "", "learn": ", learned from", "test": ", kept for the test"}[real.part]
    return f"<b>{html.escape(name)}</b> <span class='fs-quiet'>{html.escape(said)}</span>"
