"""Product: make or open a project, import photos of good parts and real anomalies, look through them."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.components.import_review import ImportDraftPanel, current_draft, release_uploads
from app.page_context import PageContext
from app.session import Session
from app.tabs.product.album import ProjectGallery
from app.tabs.product.import_panel import ImportPanel, import_report_html, project_choices


def build(shell: PageContext) -> None:
    """The tab."""
    with gr.Tab("Product", id="product") as tab, gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=300):
            intake = ImportPanel(shell)
        with gr.Column(scale=8, min_width=420):
            review = ImportDraftPanel()
            album = ProjectGallery()
    shown = [intake.pick, *album.parts, *review.parts, *intake.care.parts, *intake.scale.parts]

    def show(session: Session) -> list[Any]:
        choices = project_choices(session)
        left = [*intake.care.show(session), *intake.scale.show(session)]
        return [choices, *album.show(session), *review.show(session), *left]

    def select(session: Session) -> list[Any]:
        return [*show(session), *album.fill(session), *intake.bar.refresh(session), import_report_html(session)]

    def ended(session: Session) -> list[Any]:
        if current_draft(session) is None:
            release_uploads(session)
        return [*show(session), import_report_html(session)]

    shell.fill_on_select(tab, select, [*shown, *album.controls, *intake.bar.parts, intake.report])
    intake.wire(shell)
    intake.bar.on_end(shell, ended, outputs=[*shown, intake.report])
    review.wire(shell, intake.bar, show, shown)
    intake.care.wire(shell, show, shown)
    intake.scale.wire(shell, intake.bar)
    album.wire(shell)
