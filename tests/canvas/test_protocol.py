"""The JSON that browsers send: what fits is parsed, what does not is refused in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.canvas import protocol
from core.errors import InputError, MaskError
from core.masks import rle

W, H = 40, 30
HEAD = {"v": 1, "sid": "s", "image_id": "i", "seq": 7}


def request(**change: Any) -> dict[str, Any]:
    points = [{"x": 3.5, "y": 4, "label": 1}]
    return {**HEAD, "points": points, "box": None, "rle": None, **change}


def update(**change: Any) -> dict[str, Any]:
    return {**HEAD, "size": [W, H], "rle": [100, 50, W * H - 150], **change}


def test_a_good_request_is_parsed() -> None:
    query = protocol.parse_segment(request(box=[1, 2, 39, 30], rle=[W * H]), W, H)
    assert query.points == (protocol.ClickPoint(3.5, 4.0, True),)
    assert query.box_xyxy == (1, 2, 39, 30) and query.runs == (W * H,)
    assert (query.sid, query.image_id, query.seq) == ("s", "i", 7)
    mask = protocol.parse_mask(update(), W, H)
    assert mask.area == 50
    assert protocol.mask_reply(mask) == {"ok": True, "seq": 7, "area": 50}


@pytest.mark.parametrize("bad", [
    request(v=2), request(sid=3), request(seq=-1), request(seq=True), [], None, "x",
    request(points=[]), request(points={}), request(points=[{"x": 1, "y": 1, "label": 0}]),
    request(points=[{"x": 1, "y": 1, "label": 1}] * 65), request(points=[{"x": -1, "y": 1, "label": 1}]),
    request(points=[{"x": W + 1, "y": 1, "label": 1}]), request(points=[{"x": float("nan"), "y": 1, "label": 1}]),
    request(points=[{"x": "1", "y": 1, "label": 1}]), request(points=[{"x": 1, "y": 1, "label": 2}]),
    request(points=[5]),
    request(box=[1, 2, 3]), request(box=[5, 2, 5, 9]), request(box=[5, 9, 8, 2]), request(box=[0, 0, W, H + 1]),
    request(rle=[1, 2]), request(rle="runs"),
])  # fmt: skip
def test_a_bad_request_is_refused_in_one_line(bad: Any) -> None:
    with pytest.raises(InputError) as error:
        protocol.parse_segment(bad, W, H)
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


@pytest.mark.parametrize("bad", [
    update(size=[H, W]), update(size=None), update(rle=[]), update(rle=None), update(rle=[W * H - 1]),
    update(rle=[W * H + 1]),
    update(rle=[-1, W * H + 1]), update(rle=[1.5, W * H - 1.5]), update(rle=[True, W * H - 1]), update(rle=["1"]),
    update(rle=[0] * (W * H + 2)),
])  # fmt: skip
def test_a_mask_that_does_not_fit_is_refused(bad: Any) -> None:
    with pytest.raises(MaskError):
        protocol.parse_mask(bad, W, H)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_every_encoded_mask_passes_and_keeps_its_area(width: int, height: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    runs = protocol.check_runs(rle.encode(mask), width, height)
    parsed = protocol.parse_mask(update(size=[width, height], rle=list(runs)), width, height)
    assert parsed.area == mask.sum()
    assert (rle.decode(parsed.runs, (height, width)) == mask).all()


def test_the_value_is_checked_and_never_repeats() -> None:
    value = protocol.canvas_value("i", "/u", W, H, "s", mask_rle=[W * H])
    assert value["mask_rle"] == [W * H] and value["regions"] == []
    with pytest.raises(MaskError):
        protocol.canvas_value("i", "/u", W, H, "s", mask_rle=[3])
    with pytest.raises(InputError):
        protocol.canvas_value("i", "/u", 0, H, "s")


def test_errors_of_handlers_become_answers_and_bugs_stay_bugs() -> None:
    def refuse(data: dict[str, Any]) -> dict[str, Any]:
        raise InputError("no")

    def broken(data: dict[str, Any]) -> dict[str, Any]:
        raise KeyError("bug")

    assert protocol.errors_as_replies("put_mask", refuse)({"seq": 3}) == {"ok": False, "seq": 3, "error": "no"}
    assert protocol.errors_as_replies("put_mask", lambda d: {"area": 1})({}) == {"ok": True, "area": 1}
    assert protocol.errors_as_replies("put_mask", refuse).__name__ == "put_mask"
    with pytest.raises(KeyError):
        protocol.errors_as_replies("put_mask", broken)({})
