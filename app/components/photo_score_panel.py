"""One photo, seen by the detector of the run in front: the photo, its nearest good one, and the score map."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr

from app.page_context import PageContext, on
from app.session import Session, file_url
from core.api.evaluation.photo_scores import PhotoPrediction

CAPTIONS = {"photo": "The photo", "neighbour": "Nearest good photo", "scores": "Where the detector sees an anomaly"}


class PhotoScorePanel:
    """The card above a result; ``parts`` is what ``show`` updates."""

    def __init__(self) -> None:
        with gr.Column(visible=False, elem_classes="fs-ev-card", elem_id="fs-ev-one") as self.card:
            gr.HTML("<h3>Try this run's detector on a photo</h3>")
            with gr.Row(equal_height=True, elem_classes="fs-inline"):
                self.pick = gr.Dropdown([], show_label=False, container=False, scale=3, elem_id="fs-ev-one-pick")
                self.other = gr.UploadButton("Another photo", file_types=["image"], size="sm", scale=1, min_width=140,
                                             elem_id="fs-ev-one-file")  # fmt: skip
            self.said = gr.HTML(elem_id="fs-ev-one-said")
        self.parts = [self.card, self.pick, self.other, self.said]

    def wire(self, shell: PageContext) -> None:
        """A photo that is chosen, or brought along, is looked at."""
        on(self.pick.input, _score_chosen, shell, [self.pick], [self.said])
        on(self.other.upload, _score_uploaded, shell, [self.other], [self.said])

    def show(self, session: Session) -> list[object]:
        """Updates of ``parts`` for the run in front; hidden where it kept no detector, or where several are shown."""
        run = _chosen_run(session)
        if not run:
            return [gr.update(visible=False), gr.skip(), gr.skip(), ""]
        photos = [("Choose a photo of the project", ""), *session.required_api.evaluations.photo_scores.photos()]
        return [gr.update(visible=True), gr.update(choices=photos, value=""), gr.update(value=None), ""]


def _chosen_run(session: Session) -> str:
    ids = session.memory.evaluate.shown if session.api is not None else []
    return ids[0] if len(ids) == 1 and session.required_api.evaluations.photo_scores.trained(ids[0]) else ""


def _score_chosen(session: Session, photo: str) -> str:
    if not photo:
        return ""
    looks = session.required_api.evaluations.photo_scores
    return _figures_html(looks.look(_chosen_run(session), looks.path(photo)))


def _score_uploaded(session: Session, file: str | None) -> Any:
    return (
        _figures_html(session.required_api.evaluations.photo_scores.look(_chosen_run(session), Path(file)))
        if file
        else gr.skip()
    )


def _figures_html(look: PhotoPrediction) -> str:
    cells = ""
    for name, path in look.pictures.items():
        caption = CAPTIONS[name] + (f": {look.neighbour}" if name == "neighbour" else "")
        address, text = html.escape(file_url(path)), html.escape(caption)
        cells += f"<figure><img src='{address}' alt='{text}'><figcaption>{text}</figcaption></figure>"
    said = f"Score <b>{look.score:.3f}</b>, higher than {look.above_good:.0%} of the good test photos."
    return f"<p>{said}</p><div class='ev-pictures'>{cells}</div>"
