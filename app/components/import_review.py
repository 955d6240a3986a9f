"""What *Import* found, shown before it is imported; readings, labels and odd photos are put right here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from app.components.import_review_html import review_html
from app.components.photo_panel import SERIAL_EVENTS
from app.components.progress_bar import ProgressBar
from app.modules import on_load
from app.page_context import PageContext, on, on_html_event
from app.session import Session, sessions
from core.api.import_drafts import READINGS, ImportDraft
from core.errors import InputError

EVENTS = ("reading_set", "label_set", "scale_set", "said_undone")


class ImportDraftPanel:
    """A column over the gallery while there is a draft; ``parts`` is what ``show`` updates."""

    def __init__(self) -> None:
        with gr.Column(visible=False, elem_id="fs-imp") as self.box:
            self.table = gr.HTML(
                js_on_load=on_load("app/components/import_review.js", *EVENTS), elem_id="fs-imp-found"
            )
            with gr.Row(elem_classes="fs-tight fs-imp-foot", equal_height=True):
                self.go = gr.Button(
                    "Import", variant="primary", size="sm", scale=0, min_width=220, elem_id="fs-imp-go"
                )
                self.cancel = gr.Button("Do not import", size="sm", scale=0, min_width=130, elem_id="fs-imp-cancel")
        self.parts = [self.box, self.table, self.go]

    def show(self, session: Session) -> list[Any]:
        """Updates for ``parts``."""
        draft = current_draft(session)
        if draft is None:
            return [gr.update(visible=False), "", gr.skip()]
        report = draft.report
        taken = len(report.normals) + len(report.examples)
        words = f"Import {taken:,} photo{'' if taken == 1 else 's'}"
        return [
            gr.update(visible=True),
            review_html(session, session.memory.product.draft_id, draft),
            gr.update(value=words, interactive=taken > 0),
        ]

    def wire(self, shell: PageContext, bar: ProgressBar, show: Callable[[Session], Any], outputs: list[Any]) -> None:
        """Changes, import and giving up; ``show(session)`` gives updates for ``outputs`` where no job runs."""

        def change(handler: Callable[..., None]) -> Callable[..., Any]:
            def changed(session: Session, sent: dict[str, Any]) -> Any:
                handler(session, sent)
                return bar.refresh(session)

            return changed

        for event, handler in (
            (self.table.reading_set, _set_reading), (self.table.label_set, _set_label),
            (self.table.scale_set, _set_scale), (self.table.said_undone, _undo),
        ):  # fmt: skip
            on_html_event(event, change(handler), shell, bar.parts, **SERIAL_EVENTS)

        def start(session: Session) -> Any:
            _start_import(session)
            return [*show(session), *bar.refresh(session)]

        on(self.go.click, start, shell, outputs=[*outputs, *bar.parts])

        def give_up(session: Session) -> Any:
            session.required_api.photos.drafts.discard(session.memory.product.draft_id)
            session.memory.product.draft_id = ""
            release_uploads(session)
            return show(session)

        on(self.cancel.click, give_up, shell, outputs=outputs)


def current_draft(session: Session) -> ImportDraft | None:
    """The import that is being looked at in this tab."""
    if session.api is None or not session.memory.product.draft_id:
        return None
    return session.api.photos.drafts.get(session.memory.product.draft_id)


def release_uploads(session: Session) -> None:
    """What was uploaded lies in the project now, or is not wanted; what it came in is not needed any more."""
    if sessions.uploads is not None:
        sessions.uploads.done_with(session.memory.product.uploaded)
    session.memory.product.uploaded = []


def _required_draft(session: Session) -> ImportDraft:
    draft = current_draft(session)
    if draft is None:
        raise InputError("this import is not open any more: give its source again")
    return draft


def _set_reading(session: Session, sent: dict[str, Any]) -> None:
    reading = next((one for one in READINGS if one == sent.get("reading")), None)
    if reading is None:
        raise InputError(f"reading {sent.get('reading')!r}: expected one of {', '.join(READINGS)}")
    said = _required_draft(session).said.read_as(str(sent.get("where", "")), reading, str(sent.get("label", "")))
    session.import_id = session.required_api.photos.drafts.start_change(session.memory.product.draft_id, said)


def _set_label(session: Session, sent: dict[str, Any]) -> None:
    said = _required_draft(session).said.renaming(str(sent.get("label", "")), str(sent.get("name", "")))
    session.import_id = session.required_api.photos.drafts.start_change(session.memory.product.draft_id, said)


def _set_scale(session: Session, sent: dict[str, Any]) -> None:
    said = _required_draft(session).said.scaled(str(sent.get("type", "")), str(sent.get("ends", "")))
    session.import_id = session.required_api.photos.drafts.start_change(session.memory.product.draft_id, said)


def _undo(session: Session, sent: dict[str, Any]) -> None:
    said = type(_required_draft(session).said)()
    session.import_id = session.required_api.photos.drafts.start_change(session.memory.product.draft_id, said)


def _start_import(session: Session) -> None:
    _required_draft(session)
    session.import_id = session.required_api.photos.drafts.start_import(session.memory.product.draft_id)
    session.memory.product.draft_id = ""
