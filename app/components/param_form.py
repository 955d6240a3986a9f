"""An engine's ``Params`` as controls, and their values back by name.

A field's title, description, default and bounds come from the pydantic model, so the form, the command line
and the docs can never disagree.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

import gradio as gr
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.components.fields import NumberField


@dataclass(frozen=True)
class ParamForm:
    """Controls of a model, in the order of its fields; a field may own two (a pair of numbers)."""

    model: type[BaseModel]
    fields: tuple[tuple[str, int], ...]
    components: tuple[gr.components.Component, ...]

    def control(self, name: str) -> gr.components.Component:
        """The control of the field ``name``; the first of a pair."""
        position = 0
        for field, width in self.fields:
            if field == name:
                return self.components[position]
            position += width
        raise KeyError(name)

    def params_of(self, values: Sequence[Any]) -> dict[str, Any]:
        """Field values by name from the components' values; None for an emptied optional field."""
        given: dict[str, Any] = {}
        position = 0
        for name, width in self.fields:
            mine = values[position : position + width]
            position += width
            given[name] = _field_value(self.model.model_fields[name], list(mine))
        return given

    def values_of(self, params: dict[str, Any]) -> list[object]:
        """Component values for stored ``params``; what is missing gets its default."""
        values: list[Any] = []
        for name, width in self.fields:
            value = params.get(name, self.model.model_fields[name].get_default(call_default_factory=True))
            values += list(value) if width == 2 else [_control_value(self.model.model_fields[name], value)]
        return values


def build_field(model: type[BaseModel], name: str) -> list[gr.components.Component]:
    """Make the controls of one field inside the current Gradio layout, for ``made`` of ``build_param_form``."""
    return _controls(name, model.model_fields[name])


def build_param_form(
    model: type[BaseModel],
    skip: Sequence[str] = (),
    made: Mapping[str, list[gr.components.Component]] | None = None,
) -> ParamForm:
    """Make the controls inside the current Gradio layout, but for fields ``made`` elsewhere on the page."""
    fields: list[tuple[str, int]] = []
    components: list[gr.components.Component] = []
    elsewhere = made or {}
    for name, info in model.model_fields.items():
        if name not in skip:
            made_here = elsewhere.get(name) or _controls(name, info)
            fields.append((name, len(made_here)))
            components += made_here
    return ParamForm(model, tuple(fields), tuple(components))


def _controls(name: str, info: FieldInfo) -> list[gr.components.Component]:
    kind, optional = _without_optional(info.annotation)
    title, help_text = info.title or name.replace("_", " ").capitalize(), info.description
    default = info.get_default(call_default_factory=True)
    low, high = _bounds(info)
    common: dict[str, Any] = {"label": title, "info": help_text, "interactive": True}
    if kind is bool:
        return [gr.Checkbox(default, **common)]
    if get_origin(kind) is Literal:
        return [gr.Dropdown(list(get_args(kind)), value=default, **common)]
    if get_origin(kind) is tuple and get_args(kind)[:1] in ((float,), (int,)) and Ellipsis not in get_args(kind):
        step = 1 if get_args(kind)[0] is int else None
        with gr.Row(equal_height=True):
            return [
                NumberField(
                    default[0], label=f"{title}: from", info=help_text, step=step, interactive=True, min_width=80
                ),
                NumberField(default[1], label="to", info="\u00a0", step=step, interactive=True, min_width=80),
            ]
    if kind in (int, float) and not optional and low is not None and high is not None and high - low <= 4096:
        return [gr.Slider(low, high, value=default, step=1 if kind is int else _slider_step(high - low), **common)]
    if kind in (int, float) and optional:
        # The browser has no empty number: it would send 0.
        shown = "" if default is None else f"{default:g}"
        return [gr.Textbox(shown, placeholder="no limit", max_lines=1, **common)]
    if kind in (int, float):
        return [NumberField(default, minimum=low, maximum=high, precision=0 if kind is int else None, **common)]
    if get_origin(kind) is tuple:
        return [gr.Textbox(", ".join(default or ()), placeholder="comma separated; empty means any", **common)]
    return [gr.Textbox("" if default is None else str(default), **common)]


def _field_value(info: FieldInfo, values: list[Any]) -> Any:
    kind, optional = _without_optional(info.annotation)
    if len(values) == 2:
        return tuple(values)
    value = values[0]
    if get_origin(kind) is tuple:
        return tuple(part.strip() for part in str(value or "").split(",") if part.strip())
    if optional and (value is None or not str(value).strip()):
        return None
    if kind in (int, float) and isinstance(value, str):
        return _number(value)
    if kind is int and value is not None:
        return int(value)
    return value


def _number(text: str) -> float | str:
    """``text`` as a number, whole where it is; what is none is left for the model to refuse by name."""
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _control_value(info: FieldInfo, value: Any) -> Any:
    kind, optional = _without_optional(info.annotation)
    if get_origin(kind) is tuple:
        return ", ".join(value or ())
    return f"{value:g}" if optional and isinstance(value, int | float) and not isinstance(value, bool) else value


def _without_optional(annotation: Any) -> tuple[Any, bool]:
    """The annotation without ``| None``, and whether it had it."""
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [a for a in get_args(annotation) if a is not type(None)]
        return inner[0], True
    if get_origin(annotation) is typing.Annotated:
        return _without_optional(get_args(annotation)[0])
    return annotation, False


def _bounds(info: FieldInfo) -> tuple[Any, Any]:
    low = high = None
    for rule in info.metadata:
        low = getattr(rule, "ge", None) if getattr(rule, "ge", None) is not None else getattr(rule, "gt", low)
        high = getattr(rule, "le", None) if getattr(rule, "le", None) is not None else getattr(rule, "lt", high)
    return low, high


def _slider_step(span: float) -> float:
    return next((s for s in (0.001, 0.005, 0.01, 0.05, 0.1, 0.5) if span / s <= 200), 1.0)
