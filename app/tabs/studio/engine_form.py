"""Engine, label, settings and seed: the form that every sample of the Studio comes from."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.components import engine_picker
from app.components.engine_texts import summary_html, unavailable_html
from app.components.fields import NumberField, required_text
from app.components.labels import SUGGESTED_LABELS, normalized_label
from app.page_context import PRIVATE_EVENT, PageContext, go_to_tab_js, on
from app.session import Session
from app.tabs.studio.engine_settings import EngineSettings
from app.tabs.studio.label_field import LabelField
from core.api.studio.engine_cards import Tool, engine_cards
from core.errors import InputError

TOOL_JS = """(name) => {
  const canvas = document.querySelector("#fs-studio-canvas .fsc");
  if (!canvas || !canvas.__mask) return name;
  const tools = ENGINE_TOOLS[name] || [], parts = tools.includes("parts");
  const regions = canvas.querySelector("[data-do=regions]");
  if ((parts || tools.includes("prompt")) && regions.getAttribute("aria-pressed") !== "true") regions.click();
  const now = canvas.__mask.state.tool, mask = tools.includes("mask");
  if (parts) canvas.__mask.tool("move");
  else if (mask && (now === "move" || canvas.dataset.masks === "no")) canvas.__mask.tool("drop");
  else if (!mask && (now === "move" || now === "drop")) canvas.__mask.tool("click");
  canvas.dataset.masks = mask ? "yes" : "no";
  canvas.__mask.sees(ENGINE_CONTEXTS.includes(name));
  return name;
}"""
"""Engines that name components show the regions. Where parts are dragged the Move tool is in hand, where a mask is
drawn the one that drops it."""

NOTHING_LEARNED = "<p class='fs-warn'>This engine has learned nothing in this project yet.</p>"

TOOLS: tuple[Tool, ...] = ("mask", "parts", "prompt")
"""In the order of their boxes in the column."""


class EngineForm:
    """The right-hand column but for the mask tools; ``settings.build`` and ``build_footer`` add its lower parts."""

    def __init__(self) -> None:
        self.cards = engine_cards()
        usable = [card for card in self.cards.values() if card.reason is None]
        with gr.Column(elem_classes="fs-panel"):
            self.engine, first = engine_picker.engine_radio(usable, "fs-engine", frozenset(c.name for c in usable))
            self.about = gr.HTML(summary_html(self.cards[first]) if first else "", elem_id="fs-engine-about")
            with gr.Column(visible=False, elem_id="fs-engine-lack") as self.missing_notice:
                gr.HTML(NOTHING_LEARNED)
                self.learn = gr.Button("Learn it in Concepts", size="sm", elem_id="fs-engine-learn")
            gr.HTML(unavailable_html(list(self.cards.values())), elem_classes="fs-unusable")
            self.labels = LabelField(self.cards, first)
            self.label = self.labels.control
            self.settings = EngineSettings(self.cards, first)
            self.settings.build_leads()

    def with_tool(self, tool: Tool) -> str | None:
        """The usable engine that is worked with by a tool; None if there is none on this machine."""
        return next((name for name, card in self.cards.items() if tool in card.tools and card.reason is None), None)

    def build_footer(self) -> None:
        """Seed, number of variants and the button, always in sight."""
        with gr.Column(elem_classes="fs-side-foot"):
            with gr.Row(elem_classes="fs-foot-row", equal_height=True):
                self.seed = gr.Textbox("1", label="Seed", max_lines=1, min_width=80, scale=3, elem_id="fs-seed")
                self.dice = gr.Button("⚄", size="sm", scale=0, min_width=34, elem_id="fs-dice",
                                      elem_classes="fs-dice")  # fmt: skip
                self.variants = NumberField(4, label="Variants", precision=0, minimum=1, maximum=16, min_width=64,
                                          scale=2, elem_id="fs-variants")  # fmt: skip
            self.new_seed = gr.Checkbox(True, label="New seed every time", container=False, elem_id="fs-fresh")
            self.generate_button = gr.Button("Generate  (Ctrl+Enter)", variant="primary", elem_id="fs-generate")
        self.form = [self.engine, self.label, self.seed, self.new_seed, self.variants, *self.settings.params]

    def remember(self, session: Session, values: Sequence[Any]) -> None:
        """Remember the form (values of ``form``) so that a reload finds it as it was."""
        session.memory.studio.form = list(values)
        self.labels.remember(session, values[0], normalized_label(values[1]))

    def restore(self, session: Session) -> list[object]:
        """Updates for ``form``: as it was when something was made last, after a reload; and what the project says
        that a model sees of its photos."""
        form, label = session.memory.studio.form, session.memory.studio.label
        updates = [gr.skip()] * len(self.form) if form is None else list(form)
        if form is not None and label is not None:
            updates[1] = label
        kept = session.api.studio.context.kept if session.api else ""
        fields = self.settings.context_fields.values()
        return [
            kept if any(field is control for field in fields) else update
            for control, update in zip(self.form, updates, strict=True)
        ]

    def take_handover(self, session: Session) -> list[object]:
        """Updates for ``form``: the engine, label and settings that another tab wants tried, once."""
        wanted, session.memory.studio.requested = session.memory.studio.requested, None
        if wanted is None or wanted["engine"] not in self.settings.forms:
            return [gr.skip()] * len(self.form)
        engine = wanted["engine"]
        label, kept = wanted["label"] or SUGGESTED_LABELS[self.labels.kind(engine)][0], [gr.skip()] * 3
        self.labels.remember(session, engine, label)
        params = dict(wanted["params"])
        if self.cards[engine].drawing_presets and session.api is not None:
            name = session.api.studio.draws_as(engine, label, params)
            params = {**self.cards[engine].drawing_presets[name].params, "draw_as": name, **params}
        return [engine, label, *kept, *self.settings.params_update(engine, params)]

    def missing_notice_update(self, session: Session, engine: str) -> Any:
        """Leads to Concepts with an engine that has learned nothing here yet."""
        return gr.update(visible=session.api is not None and session.api.studio.engines()[engine].reason is not None)

    def readiness_update(self, session: Session) -> Any:
        """The engines' texts, which say what has yet to be learned in the session's project."""
        usable = [card for card in self.cards.values() if card.reason is None]
        cards = session.api.studio.engines() if session.api else self.cards
        return gr.update(choices=engine_picker.engine_choices(usable, engine_picker.ready_engines(cards)))

    def choose_seed(self, seed: Any, fresh: bool) -> int:
        """The seed to use: the box's, or a new one."""
        if fresh:
            return secrets.randbelow(1_000_000)
        text = required_text("Seed", str(seed or ""), "1")
        if not text.isdecimal() or int(text) >= 2**63:
            raise InputError(f"Seed: give a whole number from 0 up, or press the dice; got {text!r}")
        return int(text)

    def _tool_js(self) -> str:
        tools = json.dumps({name: sorted(card.tools) for name, card in self.cards.items()})
        contexts = json.dumps([name for name, card in self.cards.items() if card.context_setting])
        return TOOL_JS.replace("ENGINE_TOOLS", tools).replace("ENGINE_CONTEXTS", contexts)

    def wire(self, shell: PageContext, boxes: Sequence[Any]) -> None:
        """What choosing an engine and rolling the dice do; ``boxes``: mask tools, part tools, chips if any."""
        settings = self.settings

        def choose(name: str) -> list[object]:
            card = self.cards[name]
            tools = [gr.update(visible=tool in card.tools) for tool in TOOLS[: len(boxes)]]
            return [summary_html(card), *tools, *settings.folds_update(name)]

        self.engine.change(choose, self.engine, [self.about, *boxes, *settings.folds],
                           js=self._tool_js(), show_progress_on=[self.engine], **PRIVATE_EVENT)  # fmt: skip

        def choose_by_hand(session: Session, name: str) -> list[object]:
            return [self.labels.update(session, name), self.missing_notice_update(session, name)]

        on(self.engine.input, choose_by_hand, shell, [self.engine], [self.label, self.missing_notice], role="viewer")
        settings.wire(shell, self.engine, self.label)
        for event in (self.label.input, self.label.blur):
            on(event, self.labels.remember, shell, [self.engine, self.label], role="viewer")
        self.learn.click(None, js=go_to_tab_js("Concepts"), api_visibility="private")
        self.dice.click(
            None, None, [self.seed, self.new_seed],
            js="() => [String(Math.floor(Math.random() * 1e6)), false]", api_visibility="private",
        )  # fmt: skip
