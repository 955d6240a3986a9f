"""Engine, label, settings and seed: the form that every sample of the Studio comes from."""

from __future__ import annotations

import html
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from app.components import engine_picker, param_form
from app.components.fields import NumberField, required_text
from app.page_context import PageContext, go_to_tab_js, on
from app.session import Session
from core.api.concepts.learning import LearnerCard
from core.api.studio.engine_cards import EngineCard, Tool, engine_cards, idle_settings
from core.errors import FlawsmithError, InputError

SUGGESTED_LABELS = {
    "structural": ("scratch", "crack", "stain", "dent", "chip", "hole", "burn", "contamination"),
    "logical": (
        "missing",
        "extra",
        "misplaced",
        "turned",
        "flipped",
        "swapped",
        "wrong_part",
        "wrong_colour",
        "wrong_look",
    ),
    "combined": ("broken", "damaged"),
}
"""Names to choose from beside those in use; the first is the one before a person chose."""

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
  return name;
}"""
"""Engines that name components show the regions. Where parts are dragged the Move tool is in hand, where a mask is
drawn the one that drops it."""


NOTHING_LEARNED = "<p class='fs-warn'>This engine has learned nothing in this project yet.</p>"


LEAD = "prompt"
"""The setting that stands under the label rather than in the fold."""

MODEL = "backbone"
"""The setting that names a diffusion model."""

TOOLS: tuple[Tool, ...] = ("mask", "parts", "prompt")
"""In the order of their boxes in the column."""


class EngineForm:
    """The right-hand column but for the mask tools; ``build_settings`` and ``build_footer`` add its lower parts."""

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
            self.label = gr.Dropdown(
                list(SUGGESTED_LABELS["structural"]),
                value="scratch",
                label="Label (the folder's name in the dataset)",
                allow_custom_value=True,
                elem_id="fs-label",
            )
            self._build_leads(usable)

    def _build_leads(self, usable: Sequence[EngineCard]) -> None:
        """What an engine is told first, in sight: the prompt of one that draws what it says."""
        self.leads: dict[str, dict[str, list[Any]]] = {}
        self.lead_boxes: dict[str, gr.Column] = {}
        for card in usable:
            if LEAD in card.params.model_fields and "prompt" not in card.tools:
                with gr.Column(visible=card.name == self.engine.value, elem_classes="fs-form",
                               elem_id=f"fs-lead-{card.name}") as self.lead_boxes[card.name]:  # fmt: skip
                    self.leads[card.name] = {LEAD: param_form.build_field(card.params, LEAD)}

    def with_tool(self, tool: Tool) -> str | None:
        """The usable engine that is worked with by a tool; None if there is none on this machine."""
        return next((name for name, card in self.cards.items() if tool in card.tools and card.reason is None), None)

    def build_settings(self) -> None:
        """The engines' own settings, one form visible at a time."""
        self.groups: dict[str, gr.Column] = {}
        self.forms: dict[str, param_form.ParamForm] = {}
        with gr.Accordion("Settings of the engine", open=False, elem_classes="fs-fold", elem_id="fs-settings"):
            for name, card in self.cards.items():
                if card.reason is None:
                    with gr.Column(visible=name == self.engine.value, elem_classes="fs-form") as self.groups[name]:
                        self.forms[name] = param_form.build_param_form(card.params, made=self.leads.get(name))

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
        self.form = [self.engine, self.label, self.seed, self.new_seed, self.variants, *self.params]

    @property
    def params(self) -> list[object]:
        """Every engine's controls, one after the other."""
        return [c for form in self.forms.values() for c in form.components]

    def engine_params(self, name: str, values: Sequence[Any]) -> dict[str, Any]:
        """The chosen engine's values out of those of ``params``."""
        start = 0
        for engine, form in self.forms.items():
            if engine == name:
                return form.params_of(values[start : start + len(form.components)])
            start += len(form.components)
        raise InputError(f"engine {name!r} cannot be used on this machine; choose another")

    def params_update(self, name: str, params: dict[str, Any]) -> list[object]:
        """Updates for ``params`` that put one engine's values into its form."""
        updates: list[Any] = []
        for engine, form in self.forms.items():
            updates += form.values_of(params) if engine == name else [gr.skip()] * len(form.components)
        return updates

    def with_engine_params(self, name: str, params: dict[str, Any], values: Sequence[Any]) -> list[object]:
        """The values of ``params`` with one engine's own in their place."""
        out: list[Any] = []
        for engine, form in self.forms.items():
            out += form.values_of(params) if engine == name else values[len(out) : len(out) + len(form.components)]
        return out

    def remember(self, session: Session, values: Sequence[Any]) -> None:
        """Remember the form (values of ``form``) so that a reload finds it as it was."""
        session.memory.studio.form = list(values)
        self.remember_label(session, values[0], normalized_label(values[1]))

    def restore(self, session: Session) -> list[object]:
        """Updates for ``form``: as it was when something was made last, after a reload."""
        form, label = session.memory.studio.form, session.memory.studio.label
        if form is None:
            return [gr.skip()] * len(self.form)
        return [form[0], form[1] if label is None else label, *form[2:]]

    def take_handover(self, session: Session) -> list[object]:
        """Updates for ``form``: the engine, label and settings that another tab wants tried, once."""
        wanted, session.memory.studio.requested = session.memory.studio.requested, None
        if wanted is None or wanted["engine"] not in self.forms:
            return [gr.skip()] * len(self.form)
        engine = wanted["engine"]
        label, kept = wanted["label"] or SUGGESTED_LABELS[self.kind(engine)][0], [gr.skip()] * 3
        self.remember_label(session, engine, label)
        params = dict(wanted["params"])
        if self.cards[engine].drawing_presets and session.api is not None:
            name = session.api.studio.draws_as(engine, label, params)
            params = {**self.cards[engine].drawing_presets[name].params, "draw_as": name, **params}
        return [engine, label, *kept, *self.params_update(engine, params)]

    def kind(self, engine: str) -> str:
        """Whether the engine breaks the surface or the arrangement."""
        return self.cards[engine].kind if engine in self.cards else "structural"

    def label_update(self, session: Session, engine: str | None = None) -> Any:
        """The label's suggestions, those in use first; with ``engine`` also the label last used for its kind, or one
        that it has learned."""
        studio = session.api.studio if session.api else None
        used = studio.labels() if studio else []
        form = session.memory.studio.form
        kind = self.kind(engine or (form[0] if form else self.engine.value))
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

    def remember_label(self, session: Session, engine: str, label: str | None) -> None:
        """What a person typed or chose stays, on this tab and under this kind of engine."""
        session.memory.studio.label = session.memory.studio.shown_label = label or ""
        if label:
            session.memory.studio.labels[self.kind(engine)] = label

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
        return TOOL_JS.replace(
            "ENGINE_TOOLS", json.dumps({name: sorted(card.tools) for name, card in self.cards.items()})
        )

    def wire(self, shell: PageContext, boxes: Sequence[Any]) -> None:
        """What choosing an engine and rolling the dice do; ``boxes``: mask tools, part tools, chips if any."""
        names = list(self.groups)

        def choose(name: str) -> list[object]:
            card = self.cards[name]
            tools = [gr.update(visible=tool in card.tools) for tool in TOOLS[: len(boxes)]]
            folds = [gr.update(visible=n == name) for n in [*names, *self.lead_boxes]]
            return [summary_html(card), *tools, *folds]

        shown = [self.about, *boxes, *(self.groups[n] for n in names), *self.lead_boxes.values()]
        self.engine.change(choose, self.engine, shown,
                           js=self._tool_js(), show_progress="hidden", api_visibility="private")  # fmt: skip
        on(self.engine.input, lambda s, name: [self.label_update(s, name), self.missing_notice_update(s, name)], shell,
           [self.engine], [self.label, self.missing_notice])  # fmt: skip
        for name, form in self.forms.items():
            if self.cards[name].drawing_presets:
                self._wire_presets(shell, name, form)
            if MODEL in form.model.model_fields and "drawing" in form.model.model_fields:
                self._wire_model(name, form)
        for event in (self.label.input, self.label.blur):
            on(event, self.remember_label, shell, [self.engine, self.label])
        self.learn.click(None, js=go_to_tab_js("Concepts"), api_visibility="private")
        self.dice.click(
            None, None, [self.seed, self.new_seed],
            js="() => [String(Math.floor(Math.random() * 1e6)), false]", api_visibility="private",
        )  # fmt: skip

    def _wire_model(self, name: str, form: param_form.ParamForm) -> None:
        """Settings that the chosen model does not take are not shown, and are as they were at first."""
        watched = {MODEL: form.control(MODEL), "drawing": form.control("drawing")}
        plain = form.model.model_fields
        fields = [field for field, _ in form.fields if field not in (MODEL, LEAD)]
        controls = [form.control(field) for field in fields]

        def show(*values: object) -> list[object]:
            idle = _idle(name, dict(zip(watched, values, strict=True)))
            return [
                gr.update(visible=False, value=plain[field].default) if field in idle else gr.update(visible=True)
                for field in fields
            ]

        idle = _idle(name, {field: plain[field].default for field in watched})
        for field, control in zip(fields, controls, strict=True):
            control.visible = field not in idle
        for watch in watched.values():
            watch.change(show, list(watched.values()), controls, show_progress="hidden",
                         trigger_mode="always_last", api_visibility="private")  # fmt: skip

    def _wire_presets(self, shell: PageContext, name: str, form: param_form.ParamForm) -> None:
        """*Draw as* shows its values in the form; the engine and label chosen start with those they learned for."""
        control = form.control("draw_as")

        def show(preset: str) -> list[object]:
            return self.preset_update(name, preset)

        def start(session: Session, engine: str, label: str) -> list[object]:
            if engine != name or session.api is None:
                return [gr.skip()] * len(form.components)
            return self.preset_update(name, session.api.studio.draws_as(name, normalized_label(label)))

        control.input(show, control, list(form.components), show_progress="hidden", api_visibility="private")
        for event in (self.engine.input, self.label.input):
            on(event, start, shell, [self.engine, self.label], list(form.components))

    def preset_update(self, name: str, preset: str) -> list[object]:
        """Values for an engine's form: all that ``preset`` stands for, with the name of the concept left alone."""
        form, known = self.forms[name], self.cards[name].drawing_presets.get(preset)
        values = form.values_of({**(known.params if known else {}), "draw_as": preset})
        kept = form.control("concept")
        return [gr.skip() if one is kept else value for one, value in zip(form.components, values, strict=True)]


def _idle(engine: str, params: dict[str, object]) -> Mapping[str, str]:
    """The engine's settings that are not taken; none where ``params`` are half typed, which drawing refuses."""
    try:
        return idle_settings(engine, params)
    except FlawsmithError:
        return {}


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


def required_label(label: str | None) -> str:
    """The label of the field, normalized; InputError where it is empty."""
    return normalized_label(required_text("Label", label, "scratch"))


def normalized_label(label: str | None) -> str:
    """A label as typed, in the letters of datasets where that is plain: "Oil film" is oil_film."""
    return "_".join((label or "").lower().replace("-", " ").split())
