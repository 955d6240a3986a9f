"""What a page sends is of the kind that its fields hold, or refused in one line."""

from __future__ import annotations

import gradio as gr
import pytest

from app.canvas.protocol import errors_as_replies
from app.components.fields import NumberField
from app.review_grid.server import judge
from app.sent_values import checked_event_data, checked_index, checked_values
from app.session import Session
from core.errors import InputError

TEXT = gr.Textbox(label="Name")
COUNT = gr.Number(label="Count")
SHARE = gr.Slider(0, 1, label="Share")
YES = gr.Checkbox(label="Also")
ONE = gr.Radio([("new", "new"), ("two", 2)], value="new", label="Show")
SOME = gr.Dropdown(["a", "b"], multiselect=True, label="Only on")
OWN = gr.Dropdown(["dent"], allow_custom_value=True, label="Label")


def test_what_fields_hold_passes() -> None:
    fields = [TEXT, COUNT, SHARE, YES, ONE, ONE, SOME, OWN, OWN]
    values = ["x", 3, 0.5, True, "new", 2, ["a"], "scratch", None]
    assert checked_values(fields, values) == values
    assert checked_values([TEXT, COUNT, YES, SOME], [None, None, None, None]) == ["", None, False, None]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (TEXT, 3), (TEXT, ["x"]), (COUNT, "3"), (COUNT, True), (COUNT, 10**400), (COUNT, float("nan")),
        (SHARE, float("inf")), (SHARE, {}), (YES, "yes"), (YES, [1]), (ONE, ["new"]), (ONE, 2.5), (ONE, {}),
        (ONE, None), (SOME, "a"), (SOME, [["a"]]), (SOME, [1]), (OWN, 7), (OWN, {"a": 1}),
    ],
)  # fmt: skip
def test_anything_else_is_refused_by_the_fields_name(field: gr.components.Component, value: object) -> None:
    with pytest.raises(InputError, match=str(field.label)) as told:
        checked_values([field], [value])
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("value", ["3", {"a": 1}, [1], True, 10**400, float("nan")])
def test_a_number_field_refuses_what_is_no_number(value: object) -> None:
    with pytest.raises(gr.Error, match="Share"):
        NumberField(label="Share", minimum=0, maximum=1).preprocess(value)  # type: ignore[arg-type]
    assert NumberField(label="Share", minimum=0, maximum=1).preprocess(None) is None


def test_events_bring_names_and_values() -> None:
    assert checked_event_data(None) == {}
    assert checked_event_data({"id": 1}) == {"id": 1}
    assert checked_index(0) == 0
    for wrong in ("text", 3, [["a", "b"]], True):
        with pytest.raises(InputError, match="reload the page"):
            checked_event_data(wrong)
    for wrong in (-1, "0", None, [0], True):
        with pytest.raises(InputError, match="reload the page"):
            checked_index(wrong)


def test_the_canvas_refuses_what_is_no_message() -> None:
    answer = errors_as_replies("segment", lambda data: {"id": data["id"]})
    assert answer({"id": 1}) == {"ok": True, "id": 1}
    for wrong in ("text", None, 3, [1]):
        told = answer(wrong)  # type: ignore[arg-type]
        assert not told["ok"] and "reload the page" in told["error"]


@pytest.mark.parametrize("verdict", [None, "", "None", "9", 3, [], {}, "KEPT"])
def test_the_board_takes_only_verdicts_that_there_are(verdict: object) -> None:
    with pytest.raises(InputError, match="verdict"):
        judge(Session("x"), {"ids": ["a"], "verdict": verdict})
