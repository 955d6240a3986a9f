"""Fields whose mistakes bear their name: an empty or impossible one is refused at the button, never filled in."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.sent_values import checked_number
from core.errors import InputError


class NumberField(gr.Number):
    """A number within bounds; the notice about one beyond them says which field it is."""

    is_template = True

    def preprocess(self, payload: float | None) -> float | int | None:
        """The number, or None where the field is empty; gr.Error where it is none, or out of bounds."""
        low, high = self.minimum, self.maximum
        try:
            payload = checked_number(self, payload)
        except InputError as error:
            raise gr.Error(str(error), title="Not done", print_exception=False) from error
        if payload is None:
            return None
        if (low is not None and payload < low) or (high is not None and payload > high):
            raise gr.Error(f"{self.label}: {bounds_in_words(low, high)}, got {payload:g}", title="Not done",
                           print_exception=False)  # fmt: skip
        number: float | int = self.round_to_precision(payload, self.precision)
        return number


def bounds_in_words(low: float | None, high: float | None) -> str:
    """ "give a number from 1 to 16" and the like."""
    start = "" if low is None else f" from {low:,g}"
    end = "" if high is None else f" up to {high:,g}" if low is None else f" to {high:,g}"
    return f"give a number{start}{end or ' up'}"


def whole_number(name: str, value: Any, low: int, high: int) -> int:
    """The value of the number field ``name``; InputError where it is empty or out of bounds."""
    if value is None or value == "":
        raise InputError(f"{name} is empty: {bounds_in_words(low, high)}")
    if not low <= value <= high:
        raise InputError(f"{name}: {bounds_in_words(low, high)}, got {value:g}")
    return int(value)


def required_text(name: str, value: str | None, example: str) -> str:
    """The text of the field ``name`` without space around it; InputError where there is none."""
    text = (value or "").strip()
    if not text:
        raise InputError(f"{name} is empty: type it, for example {example!r}")
    return text
