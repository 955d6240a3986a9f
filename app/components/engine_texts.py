"""What is said of engines: what one does, and what is missing where one cannot run here."""

from __future__ import annotations

import html
from collections.abc import Sequence

from core.api.concepts.learning import LearnerCard
from core.api.studio.engine_cards import EngineCard


def summary_html(card: EngineCard) -> str:
    """What an engine does, HTML."""
    return f"<p class='fs-hint'>{html.escape(card.summary)}</p>"


def unavailable_html(cards: Sequence[EngineCard | LearnerCard]) -> str:
    """The engines that cannot run here, greyed: what is missing, and how to get it on demand. HTML, "" if all can."""
    rows = "".join(_unavailable_item(card.title, card.reason) for card in cards if card.reason is not None)
    return f"<ul>{rows}</ul>" if rows else ""


def _unavailable_item(title: str, reason: str) -> str:
    what, _, how = reason.partition(". ")
    head = f"<b>{html.escape(title)}</b><span>{html.escape(what)}</span>"
    body = f"<details><summary>{head}</summary><p>{html.escape(how)}</p></details>" if how else head
    return f"<li aria-disabled='true'>{body}</li>"
