"""One photo, seen by the detector of the run in front: the photo, its nearest good one, and the score map."""

from __future__ import annotations

import html
from pathlib import Path

import gradio as gr

from app.components.loop_panel import make_more_like
from app.page_context import PageContext, go_to_tab_js, on
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
            self.like = gr.Button("Make more like it in Studio", size="sm", visible=False, elem_id="fs-ev-one-like")
        self.parts = [self.card, self.pick, self.other, self.said, self.like]

    def wire(self, shell: PageContext) -> None:
        """A photo that is chosen, or brought along, is looked at."""
        on(self.pick.input, _score_chosen, shell, [self.pick], [self.said, self.like])
        on(self.other.upload, _score_uploaded, shell, [self.other], [self.said, self.like])
        on(self.like.click, _open_in_studio, shell, [self.pick]).then(None, js=go_to_tab_js("Studio"))

    def show(self, session: Session) -> list[object]:
        """Updates of ``parts`` for the run in front; hidden where it kept no detector, or where several are shown."""
        run = _chosen_run(session)
        if not run:
            return [gr.update(visible=False), gr.skip(), gr.skip(), "", gr.update(visible=False)]
        photos = [("Choose a photo of the project", ""), *session.required_api.evaluations.photo_scores.photos()]
        return [gr.update(visible=True), gr.update(choices=photos, value=""), gr.update(value=None), "",
                gr.update(visible=False)]  # fmt: skip


def _chosen_run(session: Session) -> str:
    ids = session.memory.evaluate.shown if session.api is not None else []
    return ids[0] if len(ids) == 1 and session.required_api.evaluations.photo_scores.trained(ids[0]) else ""


def _score_chosen(session: Session, photo: str) -> list[object]:
    if not photo:
        return ["", gr.update(visible=False)]
    looks = session.required_api.evaluations.photo_scores
    shown = _figures_html(looks.look(_chosen_run(session), looks.path(photo)))
    return [shown, gr.update(visible=_real_anomaly(photo) != "")]


def _score_uploaded(session: Session, file: str | None) -> list[object]:
    if not file:
        return [gr.skip(), gr.skip()]
    shown = _figures_html(session.required_api.evaluations.photo_scores.look(_chosen_run(session), Path(file)))
    return [shown, gr.update(visible=False)]


def _open_in_studio(session: Session, photo: str | None) -> None:
    if id := _real_anomaly(photo or ""):
        make_more_like(session, id)


def _real_anomaly(photo: str) -> str:
    """The id of the real anomaly that was chosen, "" for a good photo."""
    kind, _, id = photo.partition("/")
    return id if kind == "bad" else ""


def _figures_html(look: PhotoPrediction) -> str:
    cells = ""
    for name, path in look.pictures.items():
        caption = CAPTIONS[name] + (f": {look.neighbour}" if name == "neighbour" else "")
        address, text = html.escape(file_url(path)), html.escape(caption)
        cells += f"<figure><img src='{address}' alt='{text}'><figcaption>{text}</figcaption></figure>"
    said = f"Score <b>{look.score:.3f}</b>, higher than {look.above_good:.0%} of the good test photos."
    return f"<p>{said}</p><div class='ev-pictures'>{cells}</div>"
