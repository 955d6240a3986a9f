"""Engines as a person chooses them: by what one wants, each with the paper it implements and what it still needs."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Protocol

import gradio as gr

from core.api.studio.engine_cards import GOALS, EngineCard, Goal

NOT_READY = "learn first"
RECOMMENDED = "recommended"


class PickableEngine(Protocol):
    """What the picker reads of an engine's card."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def paper(self) -> str: ...

    @property
    def goal(self) -> Goal: ...

    @property
    def first_choice(self) -> bool: ...


def engine_radio(cards: Sequence[PickableEngine], elem_id: str, ready: frozenset[str]) -> tuple[gr.Radio, str | None]:
    """The engines of ``cards`` as one group of choices under headings, and the name of the one chosen at first.

    ``ready`` are the names of engines that can draw at once.
    """
    ordered = by_goal(cards)
    first = next((card.name for card in ordered if card.first_choice), cards[0].name if cards else None)
    gr.HTML(headings_style(elem_id, cards), padding=False, elem_classes="fs-style")
    radio = gr.Radio(
        engine_choices(cards, ready),
        value=first,
        label="Engine",
        elem_classes="fs-engines",
        elem_id=elem_id,
        visible=bool(ordered),
    )
    return radio, first


def by_goal(cards: Sequence[PickableEngine]) -> list[PickableEngine]:
    """The cards in the order of GOALS; within a goal the first choice, then what needs no
    model, by title."""
    order = list(GOALS)
    return sorted(cards, key=lambda c: (order.index(c.goal), not c.first_choice, bool(c.paper), c.title))


def engine_choices(cards: Sequence[PickableEngine], ready: frozenset[str]) -> list[tuple[str, str]]:
    """(text, name) of each engine. The text's second line names the paper and says what is to be done first."""
    return [(_text(card, card.name in ready), card.name) for card in by_goal(cards)]


def _text(card: PickableEngine, ready: bool) -> str:
    hints = [card.paper, "" if ready else NOT_READY, RECOMMENDED if card.first_choice and ready else ""]
    return "\n".join([card.title, " · ".join(hint for hint in hints if hint)]).strip()


def headings_style(elem_id: str, cards: Sequence[PickableEngine]) -> str:
    """A style sheet that puts each goal's heading above its first engine; HTML. Gradio's radio group knows none."""
    rules: list[str] = []
    for goal, heading in GOALS.items():
        of_goal = [card for card in by_goal(cards) if card.goal == goal]
        if of_goal:
            label = f'#{elem_id} label:has(input[value="{of_goal[0].name}"])'
            rules.append(f"{label} {{ --fs-heading: '{heading}'; }}")
            rules.append(f"{label}, {_next_in_row(elem_id, of_goal)} {{ margin-top: 22px !important; }}")
            rules.append(f"{label} {{ grid-column-start: 1; position: relative; }}")
            rules.append(f"{label}::before {{ content: var(--fs-heading); }}")
    return f"<style>{html.escape(' '.join(rules), quote=False)}</style>"


def _next_in_row(elem_id: str, cards: Sequence[PickableEngine]) -> str:
    """The engine right of the first one, which keeps level with it; the first one where it is alone."""
    beside = cards[1] if len(cards) > 1 else cards[0]
    return f'#{elem_id} label:has(input[value="{beside.name}"])'


def ready_engines(cards: Mapping[str, EngineCard]) -> frozenset[str]:
    """The names of the engines that can draw at once in this project."""
    return frozenset(name for name, card in cards.items() if card.reason is None)
