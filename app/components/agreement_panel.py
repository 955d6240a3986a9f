"""Review by two: whether the project asks for it, and how far people agree."""

from __future__ import annotations

import html

import gradio as gr

from app.session import Session

KAPPA_MEANS = (
    "κ (Cohen): 1 where two people always agree, 0 where they agree no more than by chance. With few samples it jumps "
    "with every verdict."
)


class AgreementPanel:
    """A switch for the project, and the figures by label."""

    def __init__(self) -> None:
        with gr.Accordion("Second opinion", open=False, elem_id="fs-review-two-box"):
            self.two = gr.Checkbox(
                False, label="Two people have to agree", elem_id="fs-review-two",
                info="Kept or rejected counts once two people say so, and more than say the other thing.",
            )  # fmt: skip
            self.figures = gr.HTML(elem_id="fs-review-agreement", padding=False)
        self.parts = [self.two, self.figures]

    @staticmethod
    def show(session: Session) -> list[object]:
        """Updates for ``parts``."""
        if session.api is None:
            return [gr.update(value=False, interactive=False), ""]
        asked = session.api.review.opinions.asked()
        return [gr.update(value=asked, interactive=True), agreement_html(session)]


def agreement_html(session: Session) -> str:
    """The figures of the session's project as a table, HTML."""
    found = session.required_api.review.opinions.agreement()
    if not found:
        return "<p class='fs-hint'>No two people have judged the same sample yet.</p>"
    rows = "".join(
        f"<tr><th>{html.escape(f.label or 'all labels')}</th><td>{html.escape(' and '.join(f.people))}</td>"
        f"<td>{f.same:,} of {f.samples:,}</td><td>{'–' if f.kappa is None else f'{f.kappa:.2f}'}</td></tr>"
        for f in found
    )
    head = "<thead><tr><th>label</th><th>people</th><th>agree</th><th>κ</th></tr></thead>"
    return f"<table class='fs-table fs-narrow'>{head}<tbody>{rows}</tbody></table><p class='fs-hint'>{KAPPA_MEANS}</p>"
