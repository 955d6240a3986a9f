"""A name that is taken is never used silently: this row asks what shall happen."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from app.page_context import PRIVATE_EVENT


class NameQuestion:
    """Hidden until ``ask``: what is taken, and a button each to use it, to keep both and to cancel.

    ``parts`` is what ``ask`` and ``hide`` update; the page wires ``use`` and ``both``.
    """

    def __init__(self, elem_id: str, use: str, both: str = "Keep both") -> None:
        with gr.Column(visible=False, elem_classes="fs-ask", elem_id=elem_id) as self.box:
            self.said = gr.HTML(padding=False)
            with gr.Row(elem_classes="fs-tight", equal_height=True):
                self.use = gr.Button(use, size="sm", variant="primary", min_width=70, elem_classes="fs-ask-use")
                self.both = gr.Button(both, size="sm", min_width=70, elem_classes="fs-ask-both")
                self.cancel = gr.Button("Cancel", size="sm", min_width=60, elem_classes="fs-ask-cancel")
        self.parts = [self.box, self.said, self.both]
        self.cancel.click(self.hide, None, self.parts, show_progress_on=[self.cancel], **PRIVATE_EVENT)
        self.focus_js = f"() => document.querySelector('#{elem_id} button')?.focus({{ preventScroll: true }})"

    def ask(self, taken: str, other: str) -> list[Any]:
        """Updates for ``parts``: the sentence about the name, and the name that keeping both would give."""
        said = f"<p>{html.escape(taken)}</p>"
        return [gr.update(visible=True), said, gr.update(value=f"Keep both, as {other}")]

    def hide(self) -> list[Any]:
        """Updates for ``parts``."""
        return [gr.update(visible=False), "", gr.skip()]
