"""Pressing on chips and typing the edit are one language."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.methods.comgen.component_prompt import MAX_COUNT, read_prompt
from core.methods.comgen.prompt_editor import (
    diff_words,
    edits_text,
    heavier,
    lighter,
    named_edits,
    read_edits_or_none,
    with_edits_added,
    without_edit,
)
from core.methods.comgen.prompt_edits import outcome_of_edits

TRAY = read_prompt("a fastener tray with a bolt, a nut, two washers and a spring")
NAMES = ("bolt", "nut", "washer", "spring")
patient = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])

presses = st.one_of(
    st.builds("{}:{}".format, st.sampled_from(("remove", "repeat")), st.sampled_from(NAMES)),
    st.builds("remove:{}=1".format, st.sampled_from(NAMES)),
    st.builds("{}:{},{}".format, st.just("swap"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
    st.builds("replace:{},{}".format, st.sampled_from(NAMES), st.sampled_from(("gear", "nut"))),
    st.builds("weight:{}={:g}".format, st.sampled_from(NAMES), st.sampled_from((0.5, 1.0, 2.0))),
    st.builds("adjective:{}={}".format, st.sampled_from(NAMES), st.sampled_from(("rusty", "bent"))),
    st.sampled_from(("remove", "swap")),
)


@patient
@given(st.lists(presses, max_size=7))
def test_the_text_of_presses_means_what_was_pressed(pressed: list[str]) -> None:
    text, done = "", []
    for press in pressed:
        try:
            text, done = with_edits_added(TRAY, text, press), [*done, *read_edits_or_none(press)]
        except InputError as error:
            assert "\n" not in str(error)
            continue
        typed, every = (
            outcome_of_edits(TRAY, named_edits(edits)) for edits in (read_edits_or_none(text), tuple(done))
        )
        assert (typed.after, typed.slots) == (every.after, every.slots)
        assert edits_text(read_edits_or_none(text)) == text and len(read_edits_or_none(text)) <= len(done)
        assert [e for e in read_edits_or_none(text) if not e.names] == [e for e in done if not e.names]


@pytest.mark.parametrize(
    ("pressed", "text"),
    [
        ("remove:washer=1 | repeat:washer", ""),
        ("repeat:nut | repeat:nut", "repeat:nut=2"),
        ("remove:washer=1 | remove:washer=1", "remove:washer"),
        ("repeat:nut | remove:nut", "remove:nut"),
        ("swap:nut,bolt | swap:bolt,nut", ""),
        ("weight:nut=0.5 | weight:nut=2", "weight:nut=2"),
        ("weight:nut=0.5 | weight:nut=1", ""),
        ("adjective:bolt=rusty | adjective:rusty bolt=bent", "adjective:bolt=bent"),
        ("replace:nut,gear | repeat:gear | remove:gear=1", "replace:nut,gear"),
        ("repeat:nut | remove:bolt | repeat:nut", "repeat:nut=2; remove:bolt"),
        ("swap | remove:bolt", "swap; remove:bolt"),
    ],
)
def test_what_cancels_goes_and_two_of_a_kind_are_one(pressed: str, text: str) -> None:
    said = ""
    for press in pressed.split(" | "):
        said = with_edits_added(TRAY, said, press)
    assert said == text


def test_one_edit_of_several_is_taken_back() -> None:
    text = "remove:bolt; adjective:nut=rusty; repeat:rusty nut"
    assert without_edit(TRAY, text, 0) == "adjective:nut=rusty; repeat:rusty nut"
    assert without_edit(TRAY, "swap", 0) == ""
    with pytest.raises(InputError, match="no 'rusty nut'"):
        without_edit(TRAY, text, 1)
    with pytest.raises(InputError, match="part 4 is not"):
        without_edit(TRAY, text, 3)


@pytest.mark.parametrize(
    ("press", "said"),
    [
        ("remove:gear", "no 'gear'.*bolt, nut, washer, spring"),
        (f"repeat:nut={MAX_COUNT}", "at most 12"),
        ("remove:washer=3", "only 2"),
        ("swap:nut,nut", "with itself"),
        ("adjective:nut=50 %", "one to three words"),
    ],
)
def test_a_press_that_cannot_be_is_refused_in_one_line(press: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        with_edits_added(TRAY, "repeat:nut", press)
    assert "\n" not in str(caught.value)


def test_the_last_component_stays() -> None:
    one = read_prompt("a bolt")
    with pytest.raises(InputError, match="every component"):
        with_edits_added(one, "", "remove:bolt")


def test_the_edited_sentence_marks_what_is_struck_and_what_is_new() -> None:
    after = outcome_of_edits(TRAY, read_edits_or_none("remove:bolt; count:washer=3; adjective:nut=rusty")).after.text
    runs = diff_words(TRAY.text, after)
    assert " ".join(text for text, mark in runs if mark != "new") == TRAY.text
    assert " ".join(text for text, mark in runs if mark != "gone") == after
    assert ("rusty", "new") in runs and ("two", "gone") in runs and ("three", "new") in runs
    assert [mark for _, mark in diff_words(TRAY.text, TRAY.text)] == ["same"]


def test_a_weight_has_stops_and_ends() -> None:
    assert (lighter(1.0), heavier(1.0)) == (0.75, 1.5)
    assert (lighter(0.6), heavier(0.6)) == (0.5, 0.75)
    assert lighter(0.0) is None and heavier(4.0) is None
