"""Recipes lie in every PNG: old ones are read, unknown keys stay, newer ones are refused in one line."""

from __future__ import annotations

import json

import pytest

from core.errors import InputError, NewerFormat
from core.placement_rules import Placement
from core.types import Recipe
from tests.store.mutations import assert_reads_or_refuses

RULES = Placement(position="examples", regions=("nut",))
RECIPE = Recipe(
    "layout", "swapped", "logical", "n1", 7, {"op": "swap"}, RULES, {"named": "nut"}, "1,2", (("nut", "3"),), "n2",
    ("e1",), 2, "0.1.0",
)  # fmt: skip


def test_a_recipe_comes_back_as_it_was() -> None:
    assert Recipe.from_json(RECIPE.to_json()).to_json() == RECIPE.to_json()
    assert json.loads(RECIPE.to_json())["format"] == 2


def test_a_recipe_of_version_0_1_0_gets_its_notes_apart() -> None:
    old = json.loads(RECIPE.to_json())
    del old["format"], old["notes"]
    for newer in ("delta", "close_px", "bend", "within"):
        del old["placement"][newer]
    old["placement"] |= {"named": "nut", "agreement": {"part": 0.5}}
    read = Recipe.from_json(json.dumps(old))
    assert read.placement is not None and read.placement.follows_example and read.placement.regions == ("nut",)
    assert read.notes == {"named": "nut", "agreement": {"part": 0.5}}


def test_an_old_mask_drawn_by_hand_has_no_rules() -> None:
    old = '{"engine": "perlin", "label": "a", "kind": "structural", "normal_id": "n", "seed": 1, "placement": {}}'
    assert Recipe.from_json(old).placement is None


def test_unknown_keys_are_passed_on() -> None:
    raw = json.loads(RECIPE.to_json())
    raw |= {"lens": {"mm": 50}, "extra": "a key of that name"}
    raw["placement"]["slope"] = 3
    read = Recipe.from_json(json.dumps(raw))
    assert read.engine == "layout" and json.loads(read.to_json()) == raw


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": None}, "'seed'"),
        ({"regions": [["nut"]]}, "'regions.0"),
        ({"placement": {"count": 0}}, "'placement.count'"),
        ({"format": "two"}, "expected a format from 1 to 2, got 'two'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(change: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as caught:
        Recipe.from_json(json.dumps(json.loads(RECIPE.to_json()) | change))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_key_is_named() -> None:
    raw = json.loads(RECIPE.to_json())
    del raw["normal_id"]
    with pytest.raises(InputError, match="^recipe: 'normal_id' is missing$"):
        Recipe.from_json(json.dumps(raw))


def test_a_newer_recipe_asks_for_an_update() -> None:
    with pytest.raises(NewerFormat, match="^recipe: .* newer Flawsmith .format 9.*; update Flawsmith"):
        Recipe.from_json(json.dumps(json.loads(RECIPE.to_json()) | {"format": 9}))


def test_any_damage_is_refused_or_read() -> None:
    assert_reads_or_refuses(RECIPE.to_json(), lambda text: Recipe.from_json(text).to_json())
