"""All regions at once: the segmenter proposes, a person names one after the other, or takes them all."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np

from app.components.photo_panel import SERIAL_EVENTS, PhotoPanel
from app.components.progress_bar import ProgressBar
from app.page_context import PageContext, on, on_html_event
from app.sent_values import sent_place
from app.session import Session
from app.tab_memory import RegionDraft
from core.api.regions import RegionsApi
from core.types import Mask

PROPOSAL_COLOUR = "#9aa0aa"
BACKGROUND_SHARE = 0.35
"""Share of the photo from which a proposal is hardly a part."""
SAME_REGION_IOU = 0.6
"""Intersection over union from which a proposal is a region that has its name already."""
PROPOSALS_JS = """
element.addEventListener("click", (event) => {
  const chip = event.target.closest("[data-number]");
  if (chip) trigger("chosen", { number: Number(chip.dataset.number) });
});
"""


class ProposalPanel:
    """The button, its progress and the proposals. ``parts`` is what ``show`` updates."""

    def __init__(self, shell: PageContext) -> None:
        with gr.Column(elem_classes="fs-panel"):
            self.go = gr.Button("Find all regions on this photo", size="sm", elem_id="fs-find-all")
            with gr.Row(elem_classes="fs-tight fs-joined", equal_height=True):
                self.words = gr.Textbox(label="Find by words", max_lines=1, scale=5, min_width=120,
                                        elem_id="fs-words")  # fmt: skip
                self.find = gr.Button("Find", size="sm", scale=2, min_width=64, elem_id="fs-words-find")
            self.bar = ProgressBar(shell, "find_id")
            with gr.Column(visible=False, elem_classes="fs-proposals", elem_id="fs-proposals") as self.box:
                self.chips = gr.HTML(js_on_load=PROPOSALS_JS, elem_id="fs-proposal-chips")
                with gr.Row(elem_classes="fs-tight"):
                    self.skip = gr.Button("Skip", size="sm", min_width=56, elem_id="fs-proposal-skip")
                    self.take = gr.Button("Take all", size="sm", min_width=56, elem_id="fs-proposal-all")
                    self.drop = gr.Button("Drop all", size="sm", min_width=56, elem_id="fs-proposal-none")
        self.parts = [self.box, self.chips, self.words, self.find]

    def show(self, session: Session) -> list[Any]:
        """The proposals left on this photo, and whether words can be looked for."""
        missing = RegionsApi.words_missing()
        said = "for example washer, nut, bolt" if missing is None else "needs Grounding DINO or OWLv2, see Models"
        field = gr.update(interactive=missing is None, placeholder=said)
        return [*self._show_drafts(session), field, gr.update(interactive=missing is None)]

    def _show_drafts(self, session: Session) -> list[Any]:
        drafts, at = self.remaining(session), session.memory.regions.draft
        if not drafts:
            return [gr.update(visible=False), ""]
        chips = "".join(
            f"<button type='button' data-number='{d.number}' aria-pressed='{str(d.number == at).lower()}' "
            f"title='{d.score:.0%} sure'>{html.escape(d.word) or d.number}</button>"
            for d in drafts
        )
        said = "<p class='fs-hint'>Name the highlighted one and press <kbd>Enter</kbd>, or skip it.</p>"
        return [gr.update(visible=True), f"{said}<div class='fs-known'>{chips}</div>"]

    def remaining(self, session: Session, photo: str = "") -> list[RegionDraft]:
        """The proposals not yet named or dropped, of the session's photo or of ``photo``."""
        memory = session.memory.regions
        return list(memory.drafts) if memory.drafts and memory.drafts_on == (photo or session.photo_id()) else []

    def word(self, session: Session) -> str:
        """What the chosen proposal was found by, or ""."""
        at = session.memory.regions.draft
        return next((d.word for d in self.remaining(session) if d.number == at), "")

    def choose(self, session: Session, table: PhotoPanel, number: int | None = None) -> None:
        """Put a proposal, else the first one left, on the canvas as the selection."""
        photo = session.photo_id()
        drafts = self.remaining(session)
        draft = next((d for d in drafts if d.number == number), drafts[0] if drafts else None)
        session.memory.regions.draft = draft.number if draft else 0
        table.set_mask(session, photo, _mask(session, photo, draft) if draft else None)

    def choose_next(self, session: Session, photo: str, table: PhotoPanel) -> None:
        """The chosen proposal is done with: on to the one after it."""
        drafts = self.remaining(session, photo)
        if not drafts:
            return
        done = session.memory.regions.draft
        session.memory.regions.drafts = [d for d in drafts if d.number != done]
        after = [d.number for d in drafts if d.number > done]
        self.choose(session, table, after[0] if after else None)


def wire(
    finder: ProposalPanel,
    shell: PageContext,
    table: PhotoPanel,
    look: Callable[..., list[Any]],
    shown: list[Any],
    onward: str,
) -> None:
    """From the button to the last proposal; ``look`` gives updates for ``shown``."""
    table.proposed_regions = lambda session, photo: _canvas_regions(finder, session, photo)

    def start(session: Session, seen: str) -> list[Any]:
        session.find_id = session.required_api.regions.start_propose(seen)
        session.memory.regions.found_by = ""
        return finder.bar.refresh(session)

    def start_words(session: Session, seen: str, words: str | None) -> list[Any]:
        session.find_id = session.required_api.regions.start_find_words(seen, words or "")
        session.memory.regions.found_by = ""
        return finder.bar.refresh(session)

    for press in (finder.find.click, finder.words.submit):
        table.on_visible_photo(press, start_words, [finder.words], finder.bar.parts, trigger_mode="once")
    table.on_visible_photo(finder.go.click, start, [], finder.bar.parts, trigger_mode="once")

    def ended(session: Session) -> list[Any]:
        result = session.required_api.jobs.result(session.find_id)
        if not result or session.memory.regions.found_by == session.find_id:
            return [gr.skip()] * len(shown)
        session.memory.regions.found_by = session.find_id
        photo = result["normal_id"]
        session.memory.regions.drafts_on = photo
        session.memory.regions.drafts = _new_proposals(session, photo, result["found"])
        if not session.memory.regions.drafts:
            gr.Info("No further part was found. Click the parts one by one.")
        elif photo == session.photo_id():
            finder.choose(session, table)
        return look(session)

    finder.bar.on_end(shell, ended, outputs=shown).then(None, js=_if_proposals(onward))

    def choose(session: Session, sent: dict[str, Any]) -> list[Any]:
        finder.choose(session, table, sent_place(sent, "number"))
        return look(session)

    def skip(session: Session) -> list[Any]:
        finder.choose_next(session, session.photo_id(), table)
        return look(session)

    def take(session: Session) -> list[Any]:
        photo, desk = session.photo_id(), session.required_api.regions
        for draft in finder.remaining(session):
            name = desk.free_name(photo, draft.word or f"region_{draft.number}")
            desk.save(photo, name, _mask(session, photo, draft), "auto", min(1.0, max(0.0, draft.score)))
        return drop(session)

    def drop(session: Session) -> list[Any]:
        session.memory.regions.drafts = []
        finder.choose(session, table)
        return look(session)

    on_html_event(finder.chips.chosen, choose, shell, shown, **SERIAL_EVENTS).then(None, js=_if_proposals(onward))
    on(finder.skip.click, skip, shell, outputs=shown, **SERIAL_EVENTS).then(None, js=_if_proposals(onward))
    on(finder.take.click, take, shell, outputs=shown)
    on(finder.drop.click, drop, shell, outputs=shown)


def _if_proposals(js: str) -> str:
    return f"() => {{ const box = document.querySelector('#fs-proposals'); if (box && box.offsetParent) ({js})(); }}"


def _mask(session: Session, photo: str, draft: RegionDraft) -> Mask:
    row = session.required_api.photos.row(photo)
    return session.required_api.masks.unpack(draft.packed, (row.height, row.width))


def _new_proposals(session: Session, photo: str, found: list[tuple[str, float, str]]) -> list[RegionDraft]:
    """Proposals that are not regions of the photo already; what is so large that it must be the background last."""
    named = [region.mask for region in session.required_api.regions.with_masks(photo)]
    fresh: list[tuple[bool, str, float, str]] = []
    for packed, score, word in found:
        mask = _mask(session, photo, RegionDraft(0, packed, score))
        if all(np.count_nonzero(mask & m) < SAME_REGION_IOU * np.count_nonzero(mask | m) for m in named):
            fresh.append((float(mask.mean()) > BACKGROUND_SHARE, packed, score, word))
    fresh.sort(key=lambda one: one[0])
    return [RegionDraft(number, packed, score, word) for number, (_, packed, score, word) in enumerate(fresh, 1)]


def _canvas_regions(finder: ProposalPanel, session: Session, photo: str) -> list[dict[str, Any]]:
    masks = session.required_api.masks
    return [
        {"name": d.word or str(d.number), "color": PROPOSAL_COLOUR, "rle": masks.encode(_mask(session, photo, d))}
        for d in finder.remaining(session, photo)
        if d.number != session.memory.regions.draft
    ]
