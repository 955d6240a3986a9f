"""The label of what is made: each kind of engine remembers its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from app.components.labels import SUGGESTED_LABELS
from app.session import Session
from core.api.studio.engine_cards import EngineCard


class LabelField:
    """The field with its suggestions; ``first_engine`` is the one chosen before a person chose."""

    def __init__(self, cards: Mapping[str, EngineCard], first_engine: str | None) -> None:
        self.cards, self.first_engine = cards, first_engine or ""
        self.control = gr.Dropdown(
            list(SUGGESTED_LABELS["structural"]),
            value="scratch",
            label="Label (the folder's name in the dataset)",
            allow_custom_value=True,
            elem_id="fs-label",
        )

    def kind(self, engine: str) -> str:
        """Whether the engine breaks the surface or the arrangement."""
        return self.cards[engine].kind if engine in self.cards else "structural"

    def update(self, session: Session, engine: str | None = None) -> Any:
        """The label's suggestions, those in use first; with ``engine`` also the label last used for its kind, or one
        that it has learned."""
        studio = session.api.studio if session.api else None
        used = studio.labels() if studio else []
        form = session.memory.studio.form
        kind = self.kind(engine or (form[0] if form else self.first_engine))
        learned = studio.learned_labels(engine) if studio and engine else []
        choices = list(
            dict.fromkeys(
                [
                    *learned,
                    *used,
                    *SUGGESTED_LABELS[kind],
                    *SUGGESTED_LABELS["structural"],
                    *SUGGESTED_LABELS["logical"],
                ]
            )
        )
        given = session.memory.studio.label
        if engine is None:
            label = self.first_label(kind, used) if given is None else given
            session.memory.studio.shown_label = label
            return gr.update(choices=choices, value=label)
        last = session.memory.studio.labels.get(kind)
        fits = [last] if last and (last in learned or not learned) else learned
        label = fits[0] if fits else self.first_label(kind, used)
        session.memory.studio.label = label if given is not None else None
        session.memory.studio.shown_label = label
        return gr.update(choices=choices, value=label)

    @staticmethod
    def first_label(kind: str, used: Sequence[str]) -> str:
        """The label before a person chose one: of those in use one that is usual for the kind, else the usual one."""
        return next((label for label in used if label in SUGGESTED_LABELS[kind]), SUGGESTED_LABELS[kind][0])

    def remember(self, session: Session, engine: str, label: str | None) -> None:
        """What a person typed or chose stays, on this tab and under this kind of engine."""
        session.memory.studio.label = session.memory.studio.shown_label = label or ""
        if label:
            session.memory.studio.labels[self.kind(engine)] = label
