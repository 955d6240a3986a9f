"""Which real anomalies are learned from and which are kept for the test: a choice, and a button for a single one."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from app.session import Session

SHARES = [
    ("all of them", "none"),
    ("the first third of each label", "1/3"),
    ("the first half of each label", "1/2"),
    ("the first two thirds of each label", "2/3"),
    ("a third of each label, at random", "1/3 seed 0"),
    ("half of each label, at random", "1/2 seed 0"),
]
"""Choices with what ``--split`` and ``--split-seed`` take."""
TO_TEST, TO_LEARN = "Keep for the test", "Learn from it"


class SplitPanel:
    """The row above the real anomalies; ``parts`` is what ``show`` updates, ``move`` stands beside a picked one."""

    def __init__(self, move: gr.Button) -> None:
        self.move = move
        with gr.Row(visible=False, elem_classes="fs-split", equal_height=True) as self.row:
            self.share = gr.Dropdown(SHARES, value="none", label="Learn from", scale=0, min_width=280,
                                     interactive=True, elem_id="fs-split")  # fmt: skip
            self.says = gr.HTML(elem_classes="fs-quiet", elem_id="fs-split-says")
        self.parts = [self.row, self.share, self.says]

    def show(self, session: Session, real: bool) -> list[Any]:
        """Updates of ``parts``; ``real`` says whether the real anomalies are shown."""
        if session.api is None or not real:
            return [gr.update(visible=False), gr.skip(), ""]
        split = session.api.photos.split()
        if split is None:
            says = "Learned engines are then judged on what they learned from, unless you test on a folder of others."
            return [gr.update(visible=True), gr.update(choices=SHARES, value="none"), says]
        value = str(split.rule.share) + ("" if split.rule.seed is None else f" seed {split.rule.seed}")
        known = SHARES if value in [shown for _, shown in SHARES] else [*SHARES, (str(split.rule), value)]
        parts = session.api.photos.part_counts().values()
        learned, tested = (sum(n.get(part, 0) for n in parts) for part in ("learn", "test"))
        says = (
            f"<b>{learned:,}</b> to learn from, <b>{tested:,}</b> kept for the test: nothing is learned from these, "
            "and no mask is drawn like theirs."
        )
        return [gr.update(visible=True), gr.update(choices=known, value=value), says]

    @staticmethod
    def choose(session: Session, chosen: str) -> None:
        """A person chose a share."""
        share, _, seed = chosen.partition(" seed ")
        session.required_api.photos.set_split(share, int(seed) if seed else None)

    @staticmethod
    def move_update(session: Session, id: str) -> Any:
        """The update of ``move`` for the picked real anomaly ``id``, "" for a good part."""
        part = session.required_api.photos.example(id).part if id else ""
        return gr.update(visible=bool(part), value=TO_LEARN if part == "test" else TO_TEST)

    @staticmethod
    def move_picked(session: Session, id: str) -> None:
        """A person moved the real anomaly ``id`` to the other part."""
        photos = session.required_api.photos
        photos.move_example(id, "learn" if photos.example(id).part == "test" else "test")


def chip_html(label: str, learned: int, tested: int) -> str:
    """A label with how many anomalies it has in each part, HTML; all are ``learned`` in a project without a split."""
    kept = f" + {tested:,} to test" if tested else ""
    return f"<span class='fs-chip'>{html.escape(label)} <b>{learned:,}{kept}</b></span>"
