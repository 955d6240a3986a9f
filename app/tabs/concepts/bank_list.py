"""The defect bank that all projects share: what can be stamped on photos; each entry goes to the Studio."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr

from app.page_context import PageContext, on, on_html_event
from app.session import Session, file_url
from app.tabs.concepts.example_list import EXAMPLES_JS, MAX_SHOWN
from core.api.bank import BankCard
from core.errors import InputError

EMPTY = (
    "<p class='fs-hint'>Keep defects here once and stamp them on any photo, in this project and in others. Add the "
    "real anomalies of this project, or the samples that you kept in <b>Review</b>.</p>"
)


class BankList:
    """The card with the bank's entries; ``parts`` is what ``show`` updates."""

    def __init__(self) -> None:
        with gr.Column(elem_classes="fs-cx-card", elem_id="fs-cx-bank"):
            with gr.Row(elem_classes="fs-cx-head", equal_height=True):
                self.head = gr.HTML()
                self.add_real = gr.Button("Add real anomalies", size="sm", scale=0, min_width=150,
                                          elem_id="fs-bank-real")  # fmt: skip
                self.add_kept = gr.Button("Add kept samples", size="sm", scale=0, min_width=140,
                                          elem_id="fs-bank-kept")  # fmt: skip
                self.take = gr.UploadButton("Import", file_types=[".zip"], size="sm", scale=0, min_width=84,
                                            elem_id="fs-bank-import")  # fmt: skip
                self.pack = gr.Button("Export", size="sm", scale=0, min_width=84, elem_id="fs-bank-export")
            self.said = gr.HTML(elem_id="fs-bank-said")
            self.tiles = gr.HTML(js_on_load=EXAMPLES_JS, elem_id="fs-bank-tiles")
        self.parts = [self.head, self.tiles, self.add_real, self.add_kept, self.take, self.pack, self.said]

    def show(self, session: Session, said: str = "") -> list[object]:
        """Updates for ``parts``; ``said`` is a sentence on what was done."""
        if session.api is None:
            off = gr.update(interactive=False)
            return ["<h3>Defect bank</h3>", "", off, off, off, off, ""]
        cards = session.api.bank.cards()
        total = f" <span class='fs-quiet'>{len(cards):,}</span>" if cards else ""
        on_, some = gr.update(interactive=True), gr.update(interactive=bool(cards))
        return [
            f"<h3>Defect bank{total}</h3>",
            _groups(session, cards) if cards else EMPTY,
            on_,
            on_,
            on_,
            some,
            f"<p class='fs-hint' role='status'>{html.escape(said)}</p>" if said else "",
        ]

    def wire(self, shell: PageContext) -> None:
        """What the buttons and tiles do."""
        on(self.add_real.click, self._add_real, shell, outputs=self.parts, trigger_mode="once")
        on(self.add_kept.click, self._add_kept, shell, outputs=self.parts, trigger_mode="once")
        on(self.take.upload, self._import, shell, [self.take], self.parts)
        on(self.pack.click, self._export, shell, outputs=[self.said], trigger_mode="once")
        on_html_event(self.tiles.example_removed, self._remove, shell, self.parts, trigger_mode="multiple")
        on_html_event(self.tiles.example_opened, _stamp_in_studio, shell, [shell.tabs])

    def _add_real(self, session: Session) -> list[object]:
        return self.show(session, session.required_api.bank.add_real().in_words())

    def _add_kept(self, session: Session) -> list[object]:
        return self.show(session, session.required_api.bank.add_samples().in_words())

    def _import(self, session: Session, file: str | None) -> list[object]:
        if not file:
            raise InputError("no file came; choose a bank's zip, as Export makes it")
        found = session.required_api.bank.import_file(Path(file))
        lost = f"; {len(found.problems):,} not: {found.problems[0]}" if found.problems else ""
        return self.show(session, f"{len(found.added):,} came in, {found.known:,} were there already{lost}")

    def _export(self, session: Session) -> str:
        packed = session.required_api.bank.packed()
        size = f"{packed.stat().st_size / 1e6:,.1f} MB"
        return f"<p class='fs-hint'><a href='{file_url(packed)}' download='bank.zip'>bank.zip</a>, {size}</p>"

    def _remove(self, session: Session, sent: dict[str, object]) -> list[object]:
        session.required_api.bank.remove([str(sent.get("id", ""))])
        return self.show(session)


def _stamp_in_studio(session: Session, sent: dict[str, object]) -> Any:
    """Studio comes to the front with the engine that stamps, this entry and its label."""
    bank = session.required_api.bank
    card = bank.card(str(sent.get("id", "")))
    session.memory.studio.requested = {
        "engine": bank.stamping_engine, "label": card.facts.label, "params": {"entry": card.id},
    }  # fmt: skip
    return gr.Tabs(selected="studio")


def _groups(session: Session, cards: list[BankCard]) -> str:
    labels = sorted({card.facts.label for card in cards})
    inside = "".join(_group(session, label, [c for c in cards if c.facts.label == label]) for label in labels)
    return f"<div class='fs-cx-labels'>{inside}</div>"


def _group(session: Session, label: str, cards: list[BankCard]) -> str:
    tiles = "".join(_tile(session, card) for card in cards[:MAX_SHOWN])
    more = f"<p class='fs-hint'>and {len(cards) - MAX_SHOWN:,} more</p>" if len(cards) > MAX_SHOWN else ""
    return (
        f"<section><h4>{html.escape(label)} <span>{len(cards):,}</span></h4>"
        f"<div class='fs-cx-tiles'>{tiles}</div>{more}</section>"
    )


def _tile(session: Session, card: BankCard) -> str:
    facts = card.facts
    name, label = html.escape(facts.name, quote=True), html.escape(facts.label, quote=True)
    ars = f", believability {facts.scores['ars']:.2f}" if "ars" in facts.scores else ""
    licence = f", {html.escape(facts.licence, quote=True)}" if facts.licence else ""
    says = f"{name} ({facts.source}{ars}{licence}). Enter stamps it in Studio, Delete removes it."
    return (
        f"<div class='fs-cx-tile' data-id='{card.id}'>"
        f"<button type='button' data-open title='{says}' aria-label='{label}, {says}'>"
        f"<img src='{file_url(session.required_api.bank.thumbnail(card))}' alt='' loading='lazy'>"
        "<span>Remove?</span></button>"
        f"<button type='button' class='fs-cx-x' data-remove tabindex='-1' title='Remove' "
        f"aria-label='Remove {name}'>✕</button></div>"
    )
