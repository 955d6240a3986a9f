"""What was learned: a card for each concept, newest first, versions of one label side by side."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import gradio as gr

from app.modules import on_load
from app.session import Session, file_url
from core.api.concepts.library import Concept, ConceptConfig, LearnerCard, duration
from core.api.evaluation.evaluations import report_parts
from core.errors import InputError, Unavailable

ALL = "*"
EVENTS = ("concept_tried", "concept_deleted", "concept_renamed", "concept_shown")
SCROLL_TO_NEW_JS = """(ended) => {
  setTimeout(() => {
    const card = document.querySelector("#fs-cx-learned [data-new]");
    if (card && card.offsetParent) card.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }, 250);
  return ended;
}"""


class ConceptList:
    """The lowest card; ``parts`` is what ``show`` updates."""

    def __init__(self, learners: Mapping[str, LearnerCard]) -> None:
        self.learners = learners
        self.html = gr.HTML(js_on_load=on_load("app/tabs/concepts/concept_list.js", *EVENTS), elem_id="fs-cx-learned")
        self.parts = [self.html]

    def show(self, session: Session) -> list[object]:
        """Updates for ``parts``."""
        concepts = session.api.concepts.learned() if session.api else []
        unread = session.api.concepts.unread() if session.api else []
        notes = "".join(f"<p class='fs-quiet'>{html.escape(line)}</p>" for line in unread)
        if not concepts:
            return [notes]
        counts = Counter(_subject(c) for c in concepts)
        chosen = session.memory.concepts.subject or ALL
        chosen = chosen if chosen in counts else ALL
        shown = [c for c in concepts if chosen in (ALL, _subject(c))]
        cards = "".join(self._card(session, concept) for concept in shown)
        head = f"<h3>Learned <span class='fs-quiet'>{len(concepts):,}</span></h3>{_filter(counts, chosen)}"
        return [
            f"<section class='fs-cx-card'><div class='fs-cx-head'>{head}</div>"
            f"<div class='fs-cx-shelf'>{cards}</div>{notes}</section>"
        ]

    def rename(self, session: Session, sent: dict[str, object]) -> list[object]:
        """A person gave a concept another title."""
        session.required_api.concepts.rename(str(sent.get("id", "")), str(sent.get("name", "")))
        return self.show(session)

    def delete(self, session: Session, sent: dict[str, object]) -> list[object]:
        """A person said twice that a concept may go."""
        session.required_api.concepts.delete(str(sent.get("id", "")))
        return self.show(session)

    def filter(self, session: Session, sent: dict[str, object]) -> list[object]:
        """Only the versions of one label, or all."""
        session.memory.concepts.subject = str(sent.get("label", ALL))
        return self.show(session)

    def try_in_studio(self, session: Session, sent: dict[str, object]) -> Any:
        """Studio comes to the front with the concept's engine and label; InputError if it cannot run here."""
        concept = session.required_api.concepts.concept(str(sent.get("id", "")))
        card = self.learners.get(concept.engine)
        if card is None:
            raise InputError(f"{concept.title}: its engine {concept.engine!r} is not in this version of Flawsmith")
        if card.reason:
            raise Unavailable(f"{card.title}: {card.reason}")
        label = concept.labels[0] if concept.labels else ""
        session.memory.studio.requested = {"engine": concept.engine, "label": label, "params": {"concept": concept.id}}
        return gr.Tabs(selected="studio")

    def _card(self, session: Session, concept: Concept) -> str:
        learner = self.learners.get(concept.engine)
        title, config = html.escape(concept.title), concept.config
        facts = {
            "Engine": learner.title if learner else concept.engine,
            "Model": concept.backbone,
            "Learned from": _learned_from(config),
            "Steps": _steps(config),
            "Reads": _component_prompt(config),
            "On regions": _attention_agreement(config),
            "Took": duration(config.seconds) if config.seconds else "",
            "When": _created_in_words(concept.created),
        }
        rows = "".join(f"<dt>{name}</dt><dd>{html.escape(said)}</dd>" for name, said in facts.items() if said)
        chips = "".join(f"<span class='fs-chip'>{html.escape(name)}</span>" for name in concept.labels)
        labels = "" if concept.title == _subject(concept) else f"<p>{chips}</p>"
        new = " data-new" if session.memory.concepts.learned == concept.id else ""
        new += " data-wide" if config.names else ""
        return (
            f"<article data-id='{html.escape(concept.id, quote=True)}'{new}>"
            f"{_picture(session, concept, bool(learner and learner.from_examples))}"
            f"<header><h4 title='Double-click to rename'>{title}</h4></header>{labels}<dl>{rows}</dl>"
            f"{_details(session, concept, learner)}<footer>"
            "<button type='button' class='fs-ev-button' data-try>Try in Studio</button>"
            "<button type='button' class='fs-cx-quiet' data-rename>Rename</button>"
            f"<button type='button' class='fs-cx-quiet' data-delete aria-label='Delete {title}'>Delete</button>"
            "</footer></article>"
        )


def _picture(session: Session, concept: Concept, compared: bool) -> str:
    path = session.required_api.concepts.picture(concept.id)
    if path is None:
        return "<figure class='fs-cx-none'><span>no picture</span></figure>"
    says = "<figcaption><span>real</span><span>drawn</span></figcaption>" if compared else ""
    alt = f"What {concept.title} draws"
    if concept.config.names:
        says, alt = "<figcaption>Where each word looks</figcaption>", f"Where the words of {concept.title} look"
    return f"<figure><img src='{file_url(path)}' alt='{html.escape(alt, quote=True)}' loading='lazy'>{says}</figure>"


def _details(session: Session, concept: Concept, learner: LearnerCard | None) -> str:
    curves = session.required_api.concepts.curves(concept)
    chart = report_parts.curve_charts([("", curves)]) if curves else ""
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in concept.notes)
    rows = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in _settings(concept, learner)
    )
    looks = "".join(
        f"<figure><img src='{file_url(path)}' alt='{html.escape(name, quote=True)}' loading='lazy'></figure>"
        for name, path in session.required_api.concepts.other_pictures(concept.id)
    )
    inside = looks + chart + (f"<ul>{notes}</ul>" if notes else "") + (f"<dl>{rows}</dl>" if rows else "")
    count = f" · {len(concept.notes):,} note{'s'[: len(concept.notes) != 1]}" if concept.notes else ""
    return f"<details class='fs-fold'><summary>How it was learned{count}</summary>{inside}</details>" if inside else ""


def _settings(concept: Concept, learner: LearnerCard | None) -> list[tuple[str, str]]:
    """Titles and values of the settings; the steps are told above, as they were in the end."""
    fields = learner.params.model_fields if learner else {}
    found = []
    for name, value in concept.config.settings.items():
        if name != "steps" and value not in ("", None):
            title = fields[name].title if name in fields else None
            found.append((title or name, {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)))
    return found


def _subject(concept: Concept) -> str:
    """What was learned, in words: labels, or the components of the product."""
    return ", ".join(concept.labels or concept.config.names) or concept.title


def _component_prompt(config: ConceptConfig) -> str:
    """The product and its learned components, as often as a good part has them."""
    pairs = zip(config.names, config.counts, strict=False)
    listed = ", ".join(name if count == 1 else f"{count} × {name}" for name, count in pairs)
    return f"{config.title} with {listed}" if config.title and listed else listed


def _attention_agreement(config: ConceptConfig) -> str:
    """How well each word's attention fits its regions, where there were any."""
    fits = ", ".join(f"{name} {value:.2f}" for name, value in config.map_iou.items())
    return f"IoU {fits}" if fits else ""


def _learned_from(config: ConceptConfig) -> str:
    if photos := len(config.photos):
        return f"{photos:,} photo{'' if photos == 1 else 's'} of good parts"
    counts = {name: len(set(ids)) for name, ids in config.examples.items()}
    total = sum(counts.values())
    return f"{total:,} example{'' if total == 1 else 's'}" if total else ""


def _steps(config: ConceptConfig) -> str:
    if not config.steps:
        return ""
    early = ", best on held-out" if config.stopped_early else ""
    return f"{config.steps:,}{early}"


def _created_in_words(created: str) -> str:
    try:
        at = datetime.fromisoformat(created).astimezone()
    except ValueError:
        return created
    return f"{at.day} {at:%b %H:%M}"


def _filter(counts: Counter[str], chosen: str) -> str:
    if len(counts) < 2:
        return ""
    chips = [
        (ALL, "all"),
        *((name, f"{name} ({n:,})") for name, n in sorted(counts.items())),
    ]
    inside = "".join(
        f"<button type='button' data-label='{html.escape(key, quote=True)}' "
        f"aria-pressed='{str(key == chosen).lower()}'>{html.escape(text)}</button>"
        for key, text in chips
    )
    return f"<div class='fs-known' role='group' aria-label='Label'>{inside}</div>"
