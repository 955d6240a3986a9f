"""What an event brought, checked before any handler sees it: a page can send everything, whatever its fields hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gradio as gr
from gradio.components import Component

from core.errors import InputError

LARGEST = 2.0**63
"""No number of the page is as large."""


def checked_values(components: Sequence[Component], values: Sequence[object]) -> list[object]:
    """The values of these components, each of the type that its component gives; InputError. No text is ""."""
    return [_checked(component, value) for component, value in zip(components, values, strict=True)]


def checked_number(component: Component, value: object) -> float | None:
    """The value of a field for numbers, None where it is empty; InputError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refusal(component, "a number", value)
    if not -LARGEST < value < LARGEST:
        raise InputError(f"{_name(component)}: the number is too large; give a smaller one")
    return value


def checked_event_data(sent: object) -> dict[str, object]:
    """What a ``gr.HTML`` sent with an event, by name; InputError where it is anything but that."""
    if sent is not None and not isinstance(sent, dict):
        raise InputError(f"the page sent {_kind(sent)} with an event where names and values belong; reload the page")
    return dict(sent or {})


def checked_index(index: object) -> int:
    """The place of what was picked in a gallery, from 0 on; InputError."""
    if type(index) is not int or index < 0:
        raise InputError("the page sent no place of a picture; reload the page")
    return index


def sent_number(sent: Mapping[str, object], name: str, default: float = 0) -> float:
    """A finite number that an event brought; InputError."""
    value = sent.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST < value < LARGEST:
        raise InputError(f"the page sent no number as {name}; reload the page")
    return value


def sent_place(sent: Mapping[str, object], name: str) -> int:
    """A place in a list that an event brought, -1 for none; InputError."""
    value = sent_number(sent, name, -1)
    if not isinstance(value, int) or value < -1:
        raise InputError(f"the page sent no place in a list as {name}; reload the page")
    return value


def _checked(component: Component, value: object) -> object:
    if isinstance(component, gr.Textbox):
        return _text(component, value)
    if isinstance(component, gr.Number | gr.Slider):
        return checked_number(component, value)
    if isinstance(component, gr.Checkbox):
        return _one_of(component, value or False, bool)
    if isinstance(component, gr.Dropdown | gr.Radio):
        return _choice(component, value)
    return value


def _text(component: Component, value: object) -> str:
    return str(_one_of(component, "" if value is None else value, str))


def _choice(component: gr.Dropdown | gr.Radio, value: object) -> object:
    """One value or, where several may be chosen, a list; of the types that the choices have, or text."""
    kinds = (str, *(type(choice[1]) for choice in component.choices or ()))
    for one in value if isinstance(value, list) else () if value is None else (value,):
        if type(one) not in kinds:
            raise _refusal(component, "one of its choices", one)
    if value is None and isinstance(component, gr.Radio) and component.value is not None:
        raise _refusal(component, "one of its choices", value)  # nobody can take the choice back
    several = isinstance(component, gr.Dropdown) and bool(component.multiselect)
    if value is not None and isinstance(value, list) != several:
        raise _refusal(component, "one of its choices", value)
    return value


def _one_of(component: Component, value: object, kind: type) -> object:
    if not isinstance(value, kind):
        raise _refusal(component, "text" if kind is str else "yes or no", value)
    return value


def _refusal(component: Component, wanted: str, value: object) -> InputError:
    return InputError(f"{_name(component)}: expected {wanted}, got {_kind(value)}; reload the page")


def _name(component: Component) -> str:
    return str(component.label or component.elem_id or "a field of the page")


def _kind(value: object) -> str:
    named = {"NoneType": "nothing", "str": "text", "dict": "names and values", "bool": "yes or no"}
    return named.get(type(value).__name__, f"a {type(value).__name__}")
