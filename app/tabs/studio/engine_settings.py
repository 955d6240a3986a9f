"""Every engine's own settings, of which one form is in sight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from app.components import param_form
from app.components.labels import normalized_label
from app.page_context import PRIVATE_EVENT, PageContext, on
from app.session import Session
from core.api.studio.engine_cards import EngineCard, idle_settings
from core.errors import FlawsmithError, InputError

LEAD = "prompt"
"""The setting that stands under the label rather than in the fold."""

MODEL = "backbone"
"""The setting that names a diffusion model."""


class EngineSettings:
    """The forms of the engines that can be used; ``first_engine`` is the one in sight before a person chose."""

    def __init__(self, cards: Mapping[str, EngineCard], first_engine: str | None) -> None:
        self.cards, self.first_engine = cards, first_engine
        self.usable = [card for card in cards.values() if card.reason is None]

    def build_leads(self) -> None:
        """What an engine is told first, in sight: the prompt of one that draws what it says."""
        self.leads: dict[str, dict[str, list[Any]]] = {}
        self.lead_boxes: dict[str, gr.Column] = {}
        for card in self.usable:
            if LEAD in card.params.model_fields and "prompt" not in card.tools:
                with gr.Column(visible=card.name == self.first_engine, elem_classes="fs-form",
                               elem_id=f"fs-lead-{card.name}") as self.lead_boxes[card.name]:  # fmt: skip
                    self.leads[card.name] = {LEAD: param_form.build_field(card.params, LEAD)}

    def build(self) -> None:
        """The engines' own settings, one form visible at a time."""
        self.groups: dict[str, gr.Column] = {}
        self.forms: dict[str, param_form.ParamForm] = {}
        with gr.Accordion("Settings of the engine", open=False, elem_classes="fs-fold", elem_id="fs-settings"):
            for card in self.usable:
                name = card.name
                with gr.Column(visible=name == self.first_engine, elem_classes="fs-form") as self.groups[name]:
                    self.forms[name] = param_form.build_param_form(card.params, made=self.leads.get(name))

    @property
    def context_fields(self) -> dict[str, gr.components.Component]:
        """The fields that say what of the photo a model sees, by engine; of those that have one."""
        named = ((name, self.cards[name].context_setting) for name in self.forms)
        return {name: self.forms[name].control(setting) for name, setting in named if setting}

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

    def preset_update(self, name: str, preset: str) -> list[object]:
        """Values for an engine's form: all that ``preset`` stands for, with the name of the concept left alone."""
        form, known = self.forms[name], self.cards[name].drawing_presets.get(preset)
        values = form.values_of({**(known.params if known else {}), "draw_as": preset})
        kept = form.control("concept")
        return [gr.skip() if one is kept else value for one, value in zip(form.components, values, strict=True)]

    @property
    def folds(self) -> list[gr.Column]:
        """The boxes of which only those of the chosen engine are in sight: forms, then what it is told first."""
        return [*self.groups.values(), *self.lead_boxes.values()]

    def folds_update(self, name: str) -> list[object]:
        """Updates for ``folds`` when an engine is chosen."""
        return [gr.update(visible=engine == name) for engine in [*self.groups, *self.lead_boxes]]

    def wire(self, shell: PageContext, engine: gr.Radio, label: gr.Dropdown) -> None:
        """What choosing a preset or a model changes in the forms."""
        for name, form in self.forms.items():
            if self.cards[name].drawing_presets:
                self._wire_presets(shell, name, engine, label)
            if MODEL in form.model.model_fields and "drawing" in form.model.model_fields:
                _wire_model(name, form)

    def _wire_presets(self, shell: PageContext, name: str, engine: gr.Radio, label: gr.Dropdown) -> None:
        """*Draw as* shows its values in the form; the engine and label chosen start with those they learned for."""
        form = self.forms[name]
        control = form.control("draw_as")

        def show(preset: str) -> list[object]:
            return self.preset_update(name, preset)

        def start(session: Session, chosen: str, text: str) -> list[object]:
            if chosen != name or session.api is None:
                return [gr.skip()] * len(form.components)
            return self.preset_update(name, session.api.studio.draws_as(name, normalized_label(text)))

        control.input(show, control, list(form.components), show_progress_on=[control], **PRIVATE_EVENT)
        for event in (engine.input, label.input):
            on(event, start, shell, [engine, label], list(form.components), role="viewer")


def _wire_model(name: str, form: param_form.ParamForm) -> None:
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
        watch.change(show, list(watched.values()), controls, show_progress_on=[watch],
                     trigger_mode="always_last", **PRIVATE_EVENT)  # fmt: skip


def _idle(engine: str, params: dict[str, object]) -> Mapping[str, str]:
    """The engine's settings that are not taken; none where ``params`` are half typed, which drawing refuses."""
    try:
        return idle_settings(engine, params)
    except FlawsmithError:
        return {}
