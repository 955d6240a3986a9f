"""The scale of photos of more than 8 bits, shown and changed; hidden where all photos have 8 bits."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from app.components.fields import required_text
from app.components.progress_bar import ProgressBar
from app.page_context import PageContext, on
from app.session import Session


class ScalePanel:
    """A fold-out under the project; ``parts`` is what ``show`` updates."""

    def __init__(self) -> None:
        with gr.Accordion("Scale of more than 8 bits", open=False, visible=False, elem_id="fs-scale") as self.box:
            self.says = gr.HTML(elem_id="fs-scale-says", padding=False)
            with gr.Row(elem_classes="fs-inline", equal_height=True):
                self.ends = gr.Textbox(label="Values that become black and white", max_lines=1, scale=3,
                                       min_width=140, elem_id="fs-scale-ends")  # fmt: skip
                self.change = gr.Button("Change", size="sm", scale=1, min_width=70, elem_id="fs-scale-change")
        self.parts = [self.box, self.says, self.ends]

    def show(self, session: Session) -> list[Any]:
        """Updates for ``parts``."""
        scales = {} if session.api is None else session.api.depth.scales()
        if not scales:
            return [gr.update(visible=False), "", ""]
        told = "<br>".join(
            f"{html.escape(name)}: <b>{one.low:.6g} to {one.high:.6g}</b> ({html.escape(one.why)})"
            for name, one in scales.items()
        )
        hint = "Photos are made again from their source values; masks, regions and samples stay."
        name, first = next(iter(scales.items()))
        return [
            gr.update(visible=True),
            f"<p class='fs-hint'>{told}<br>{hint}</p>",
            f"{name}={first.low:.6g}..{first.high:.6g}",
        ]

    def wire(self, shell: PageContext, bar: ProgressBar) -> None:
        """The change is a job that ``bar`` shows."""

        def start(session: Session, ends: str) -> list[Any]:
            said = required_text("Values that become black and white", ends, "uint16=0..4095")
            session.import_id = session.required_api.depth.start_change(said)
            return list(bar.refresh(session))

        for press in (self.change.click, self.ends.submit):
            on(press, start, shell, [self.ends], bar.parts)
