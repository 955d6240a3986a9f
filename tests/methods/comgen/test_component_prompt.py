"""Component prompts as chips, and what edits make of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.methods.comgen.component_prompt import (
    MAX_COUNT,
    ComponentPrompt,
    PromptComponent,
    plural,
    prompt_from_names,
    read_prompt,
    singular,
)
from core.methods.comgen.prompt_edits import EDIT_OPS, EditedPrompt, apply_edits, draw_missing_names, read_edits

patient = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

TRAY = "a fastener tray with a bolt, a nut, two washers, a spring, a clip and a cap"
WORDS = ("bolt", "nut", "washer", "switch", "gear", "box", "<part_1>")

chips = st.builds(
    PromptComponent,
    noun=st.sampled_from(WORDS),
    count=st.integers(1, MAX_COUNT),
    adjective=st.sampled_from(("", "black", "orange", "very old")),
)
prompts = st.builds(
    ComponentPrompt,
    title=st.sampled_from(("", "a fastener tray", "photo of a gear unit")),
    components=st.lists(chips, min_size=1, max_size=6, unique_by=lambda c: c.noun).map(tuple),
)


def edited(text: str, prompt: str = TRAY) -> EditedPrompt:
    return apply_edits(read_prompt(prompt), read_edits(text))


@patient
@given(prompts)
def test_a_sentence_reads_back(prompt: ComponentPrompt) -> None:
    if any(c.noun.startswith("<") and c.count > 1 for c in prompt.components):
        return
    assert read_prompt(prompt.text) == prompt
    assert "".join(text for text, _ in prompt.pieces()) == prompt.text
    words = [(text, i) for text, i in prompt.pieces() if i is not None]
    assert words[-len(prompt.components) :] == [(chip.word, i) for i, chip in enumerate(prompt.components)]


def test_the_renderers_caption_reads_back() -> None:
    prompt = read_prompt(TRAY)
    assert prompt.text == TRAY
    assert [(c.noun, c.count) for c in prompt.components][:3] == [("bolt", 1), ("nut", 1), ("washer", 2)]
    assert read_prompt("a bolt, two nuts, and an old washer").components == (
        PromptComponent("bolt"), PromptComponent("nut", 2), PromptComponent("washer", 1, "old"),
    )  # fmt: skip


@pytest.mark.parametrize("noun", ["washer", "switch", "box", "glass", "gear", "bus"])
def test_plurals_go_both_ways(noun: str) -> None:
    assert singular(plural(noun)) == noun


def test_regions_become_chips() -> None:
    prompt = prompt_from_names(["bolt", "washer 1", "washer_2", "left disc", "right disc"], "a plate")
    assert prompt.text == "a plate with a bolt, two washers, a left disc and a right disc"


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        ("remove:bolt", "a fastener tray with a nut, two washers, a spring, a clip and a cap"),
        ("remove:washer", "a fastener tray with a bolt, a nut, a spring, a clip and a cap"),
        ("remove:washer=1", "a fastener tray with a bolt, a nut, a washer, a spring, a clip and a cap"),
        ("repeat:nut", "a fastener tray with a bolt, two nuts, two washers, a spring, a clip and a cap"),
        ("repeat:washers=2", "a fastener tray with a bolt, a nut, four washers, a spring, a clip and a cap"),
        ("count:washer=3", "a fastener tray with a bolt, a nut, three washers, a spring, a clip and a cap"),
        ("count:cap=0", "a fastener tray with a bolt, a nut, two washers, a spring and a clip"),
        ("swap:nut,cap", TRAY),
        ("replace:nut,gear", "a fastener tray with a bolt, a gear, two washers, a spring, a clip and a cap"),
        ("replace:nut,orange gear", TRAY.replace("a nut", "an orange gear")),
        ("weight:bolt=0.5", TRAY),
        ("adjective:bolt=rusty", TRAY.replace("a bolt", "a rusty bolt")),
        ("remove:bolt; count:washer=1", "a fastener tray with a nut, a washer, a spring, a clip and a cap"),
    ],
)
def test_an_edit_does_what_it_says(edit: str, text: str) -> None:
    done = edited(edit)
    assert done.after.text == text and done.before.text == TRAY
    assert len(done.slots) == len(done.after.components) and done.changed_components()
    assert read_edits("; ".join(map(str, done.edits))) == done.edits


def test_places_follow_the_chips() -> None:
    assert edited("remove:bolt").slots == (1, 2, 3, 4, 5)
    assert edited("swap:nut,cap").slots == (0, 5, 2, 3, 4, 1)
    assert edited("swap:nut,cap; remove:bolt").slots == (5, 2, 3, 4, 1)
    assert edited("replace:nut,gear").slots == (0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("edit", "touched"),
    [("remove:bolt", {0}), ("swap:nut,cap", {1, 5}), ("count:washer=1", {2}), ("weight:cap=2", {5}),
     ("adjective:clip=bent; remove:nut", {1, 4})],
)  # fmt: skip
def test_what_is_touched_is_known(edit: str, touched: set[int]) -> None:
    assert set(edited(edit).changed_components()) == touched


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ("", "expected at least one"),
        ("remove:pinion", "there is no 'pinion'.*bolt, nut"),
        ("explode:bolt", "expected remove, repeat"),
        ("swap:nut", "swap:nut,bolt"),
        ("swap:nut,nut", "with itself"),
        ("swap:nut,cap=3", "expected swap"),
        ("replace:nut", "replace:nut,gear"),
        ("count:washer", "count:washer=3"),
        ("count:washer=many", "whole number from 0"),
        ("count:washer=2.5", "whole number"),
        ("count:washer=99", "0 to 12"),
        ("count:washer=nan", "whole number"),
        ("repeat:washer=11", "makes 13"),
        ("remove:washer=3", "only 2"),
        ("remove:washer=", "expected remove"),
        ("remove=2", "expected remove"),
        ("weight:bolt=-1", "0 to 4"),
        ("weight:bolt=1", "leaves the components as they are"),
        ("count:washer=2", "leaves the components as they are"),
        ("swap:nut,cap; swap:cap,nut", "leaves the components as they are"),
        ("adjective:bolt=<odd>", "one to three words"),
        ("remove:bolt;remove:nut;remove:washer;remove:spring;remove:clip;remove:cap", "removes every component"),
    ],
)
def test_bad_edits_are_refused_in_one_line(edit: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        edited(edit)
    assert "\n" not in str(caught.value)


def test_several_of_a_noun_need_their_adjective() -> None:
    discs = "a plate with a left disc and a right disc"
    with pytest.raises(InputError, match="several 'disc'.*left disc, right disc"):
        edited("remove:disc", discs)
    assert edited("remove:left disc", discs).after.text == "a plate with a right disc"


@pytest.mark.parametrize("text", ["", "a tray with ", " with ", "a b<lt", "99 bolts"])
def test_bad_prompts_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        read_prompt(text)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no named regions"):
        prompt_from_names([])


@patient
@given(prompts, st.sampled_from(("remove", "repeat", "swap")), st.integers(0, 99))
def test_chance_picks_what_is_there(prompt: ComponentPrompt, op: str, seed: int) -> None:
    edits = read_edits(op)
    if op == "swap" and len(prompt.components) < 2:
        with pytest.raises(InputError, match="takes two"):
            draw_missing_names(edits, prompt, np.random.default_rng(seed))
        return
    drawn = draw_missing_names(edits, prompt, np.random.default_rng(seed))
    assert drawn == draw_missing_names(edits, prompt, np.random.default_rng(seed))
    chip = prompt.components[prompt.index_of(drawn[0].names[0], "")]
    if (op == "remove" and len(prompt.components) == 1 and chip.count == 1) or (
        op == "repeat" and chip.count == MAX_COUNT
    ):
        with pytest.raises(InputError):
            apply_edits(prompt, drawn)
        return
    after = apply_edits(prompt, drawn).after
    change = sum(c.count for c in after.components) - sum(c.count for c in prompt.components)
    assert change == {"remove": -1, "repeat": 1, "swap": 0}[op]


def test_every_edit_has_an_example_that_works() -> None:
    from core.methods.comgen.prompt_edits import EXAMPLES

    assert set(EXAMPLES) == set(EDIT_OPS)
    for example in EXAMPLES.values():
        for one in example.replace(" (all of them)", "").split(" or "):
            assert edited(one).edits


def test_a_noun_in_the_title_is_its_components_word_too() -> None:
    prompt = read_prompt("a gear unit for gears with a gear, a pinion and two screws")
    pieces = prompt.pieces()
    assert "".join(text for text, _ in pieces) == prompt.text
    assert [text for text, i in pieces if i == 0] == ["gear", "gears", "gear"]
    assert [text for text, i in pieces if i == 2] == ["screws"]
    learned = prompt.with_learned_words({"gear": "<g>"})
    assert [text for text, i in learned.pieces() if i == 0] == ["<g>"]
    twice = read_prompt("a nut tray with a lock nut and a wing nut").pieces()
    assert [text for text, i in twice if i is not None] == ["nut", "nut"]
