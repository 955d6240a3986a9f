"""The named regions on every photo: carried over in the background, then the doubtful ones looked at."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from app.components.photo_panel import SERIAL_EVENTS, PhotoPanel
from app.components.progress_bar import ProgressBar
from app.page_context import PageContext, on, on_html_event
from app.session import Session, file_url
from core.api.regions import DOUBTFUL_BELOW

MAX_SHOWN = 24
CHECKED_CONFIDENCE = 0.999
"""Confidence from which a person has said that it is right."""
CHECK_JS = """
element.addEventListener("click", (event) => {
  const item = event.target.closest("[data-id]");
  if (item) trigger("went", { id: item.dataset.id });
});
"""


class PropagationPanel:
    """``parts`` is what ``show`` updates."""

    def __init__(self, shell: PageContext) -> None:
        with gr.Column(elem_classes="fs-panel"):
            self.go = gr.Button("Carry over to all photos", size="sm", variant="primary", elem_id="fs-carry")
            self.bar = ProgressBar(shell, "carry_id")
            self.check = gr.HTML(js_on_load=CHECK_JS, elem_id="fs-check")
            self.right = gr.Button("These regions are right, next", size="sm", visible=False, elem_id="fs-approve")
        self.parts = [self.check, self.right]

    def show(self, session: Session) -> list[object]:
        """Photos with carried regions, the least sure first."""
        if not session.photo_id():
            return ["", gr.update(visible=False)]
        session.memory.regions.unsure = session.required_api.regions.doubtful(CHECKED_CONFIDENCE)
        return self.turned(session)

    def turned(self, session: Session) -> list[object]:
        """The same for another photo of the list shown last: no turn of the photo asks the project for all of them."""
        if not session.photo_id():
            return ["", gr.update(visible=False)]
        unsure = session.memory.regions.unsure
        here = any(row.id == session.normal_id for row, _ in unsure)
        return [_doubtful_photos_html(session, unsure), gr.update(visible=here)]


def wire(
    carrier: PropagationPanel, shell: PageContext, table: PhotoPanel, look: Callable[..., list[Any]], shown: list[Any]
) -> None:
    """Start, watch, go to a photo, say that it is right; ``look`` gives updates for ``shown``."""

    def start(session: Session) -> list[object]:
        session.carry_id = session.required_api.regions.start_propagate()
        return carrier.bar.refresh(session)

    on(carrier.go.click, start, shell, outputs=carrier.bar.parts)

    def ended(session: Session) -> list[object]:
        return [*look(session), *carrier.show(session)]

    outputs = [*shown, *carrier.parts]
    carrier.bar.on_end(shell, ended, outputs=outputs)

    def go(session: Session, normal_id: str) -> list[object]:
        session.normal_id = session.required_api.photos.row(normal_id).id
        return ended(session)

    on_html_event(carrier.check.went, lambda s, sent: go(s, str(sent.get("id", ""))), shell, outputs, **SERIAL_EVENTS)

    def right(session: Session) -> list[object]:
        desk = session.required_api.regions
        desk.approve(session.photo_id())
        left = desk.doubtful(CHECKED_CONFIDENCE)
        return go(session, left[0][0].id if left else session.photo_id())

    on(carrier.right.click, right, shell, outputs=outputs, **SERIAL_EVENTS)


def _doubtful_photos_html(session: Session, unsure: list[tuple[Any, float]]) -> str:
    if not unsure:
        return ""
    photos = session.required_api.photos
    bad = sum(confidence < DOUBTFUL_BELOW for _, confidence in unsure)
    said = (
        f"<b>{bad:,}</b> of {len(unsure):,} photos are doubtful: click one, fix it or say it is right."
        if bad
        else f"All {len(unsure):,} photos look right; the least sure come first."
    )
    cells = "".join(
        f"<button type='button' data-id='{row.id}' data-level='{'bad' if confidence < DOUBTFUL_BELOW else 'fine'}' "
        f"aria-current='{str(row.id == session.normal_id).lower()}' title='{html.escape(row.name, quote=True)}'>"
        f"<img src='{file_url(photos.thumbnail(row.id))}' alt='{html.escape(Path(row.name).name, quote=True)}'>"
        f"<span>{confidence:.0%}</span></button>"
        for row, confidence in unsure[:MAX_SHOWN]
    )
    return f"<p class='fs-hint'>{said}</p><div class='fs-check'>{cells}</div>"
