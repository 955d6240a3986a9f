"""The form for one rule: its component and the two numbers that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.session import Session
from core.api.rules import Rule
from core.errors import InputError


@dataclass(frozen=True)
class _TwoNumbers:
    """How a kind of rule is written: what its two numbers are called, the fields they are, and the form's unit."""

    title: str
    labels: tuple[str, str]
    fields: tuple[str, str]
    scale: float = 1.0


WRITTEN: dict[str, _TwoNumbers] = {
    "count": _TwoNumbers("How many", ("At least", "At most"), ("low", "high")),
    "size": _TwoNumbers("Size", ("From (% of the side)", "To (% of the side)"), ("low", "high"), 100.0),
    "orientation": _TwoNumbers("Direction", ("Angle (degrees)", "Give or take (degrees)"), ("angle", "tolerance")),
}
"""The kinds of rules that a person writes in the form; others are confirmed or removed."""


class RuleForm:
    """``parts`` is what ``open`` and ``close`` update; ``inputs`` is what ``rule`` reads."""

    def __init__(self) -> None:
        self.add = gr.Button("Add a rule", size="sm", visible=False, elem_id="fs-rule-add")
        with gr.Column(visible=False, elem_classes="fs-rule-form", elem_id="fs-rule-form") as self.box:
            with gr.Row(elem_classes="fs-tight", equal_height=True):
                self.kind = gr.Dropdown([(w.title, kind) for kind, w in WRITTEN.items()], value="count",
                                        label="Rule", min_width=100, elem_id="fs-rule-kind")  # fmt: skip
                self.family = gr.Dropdown([], label="Component", min_width=100, elem_id="fs-rule-component")
            with gr.Row(elem_classes="fs-tight", equal_height=True):
                self.low = gr.Number(1, label=WRITTEN["count"].labels[0], min_width=90, elem_id="fs-rule-low")
                self.high = gr.Number(1, label=WRITTEN["count"].labels[1], min_width=90, elem_id="fs-rule-high")
            with gr.Row(elem_classes="fs-tight", equal_height=True):
                self.save = gr.Button("Save the rule", size="sm", variant="primary", min_width=90,
                                      elem_id="fs-rule-save")  # fmt: skip
                self.cancel = gr.Button("Cancel", size="sm", min_width=70, elem_id="fs-rule-cancel")
        self.numbers = [self.low, self.high]
        self.parts = [self.add, self.box, self.kind, self.family, *self.numbers]
        self.inputs = [self.kind, self.family, *self.numbers]

    @staticmethod
    def can_edit(rule: Rule) -> bool:
        """Whether the form has what this rule needs."""
        return rule.kind in WRITTEN

    def close(self) -> list[object]:
        """The form put away."""
        return [gr.update(visible=True), gr.update(visible=False), *[gr.skip()] * 4]

    def open(self, rule: Rule) -> list[object]:
        """The form filled with a rule."""
        raw, written = rule.plain(), WRITTEN[rule.kind]
        family = rule.families[0]
        numbers = [
            gr.update(value=round(float(raw[name]) * written.scale, 1), label=label)
            for name, label in zip(written.fields, written.labels, strict=True)
        ]
        kind, component = gr.update(value=rule.kind), gr.update(choices=[family], value=family)
        return [gr.update(visible=False), gr.update(visible=True), kind, component, *numbers]

    def open_new(self, session: Session) -> list[object]:
        """The form for a rule that is not there yet."""
        families = list(session.required_api.rules.components())
        if not families:
            raise InputError("Add a rule: no part has a name yet; name one on the photo first")
        choice = gr.update(choices=families, value=families[0])
        numbers = [gr.update(value=1, label=label) for label in WRITTEN["count"].labels]
        return [gr.update(visible=False), gr.update(visible=True), gr.update(value="count"), choice, *numbers]

    def relabelled(self, kind: str) -> list[object]:
        """The numbers under the names that they have for a kind of rule."""
        return [gr.update(label=label) for label in WRITTEN.get(kind, WRITTEN["count"]).labels]

    def rule(self, session: Session, kind: str, family: str | None, low: float | None, high: float | None) -> Any:
        """What was written, as a JSON object of a rule; InputError."""
        if kind not in WRITTEN or not family:
            raise InputError("Rule: choose what it is about and the component")
        if low is None or high is None:
            raise InputError(f"Rule: give both numbers, {' and '.join(WRITTEN[kind].labels)}")
        written = WRITTEN[kind]
        values: dict[str, Any] = dict(zip(written.fields, (low / written.scale, high / written.scale), strict=True))
        if kind == "count":
            values = {name: int(value) for name, value in values.items()}
        known = next((r.plain() for r in session.required_api.rules.current().rules if r.id == f"{kind}:{family}"), {})
        return {**known, "kind": kind, "family": family, **values}
