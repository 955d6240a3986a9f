"""A planned violation breaks its own rule clearly, and none about anything that it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

from core.rules import RuleSet, learn_rules, measure_regions
from core.rules.violations import STRONG, plan_violation, violation_label, violation_names
from core.types import Region, check_new_label
from tests.rules.drawn_parts import drawn_photo

PHOTOS = [drawn_photo(seed) for seed in range(8)]
PARTS = [measure_regions(image, [Region(n, m) for n, m in masks.items()]) for image, masks in PHOTOS]
RULES = RuleSet(learn_rules(PARTS))
WAYS = [(rule.id, name) for rule in RULES.rules for name in violation_names(rule)]


def test_all_kinds_of_violations_are_tried() -> None:
    names = {name for _, name in WAYS}
    assert names == {"fewer", "more", "elsewhere", "swapped", "turned", "too_large", "too_small", "other_colour"}


@pytest.mark.parametrize(("id", "name"), WAYS)
def test_a_violation_breaks_its_rule_and_what_goes_with_it(id: str, name: str) -> None:
    rule = RULES.rule(id)
    plans = [plan_violation(RULES, rule, name, parts, np.random.default_rng(i)) for i, parts in enumerate(PARTS)]
    made = [plan for plan in plans if plan is not None]
    assert len(made) >= 6
    for plan in made:
        broken = {one.rule.id: one for one in RULES.check(plan.parts) if one.breaks}
        assert set(broken) == set(plan.breaks) and plan.breaks[0] == id
        assert (broken[id].deviation or 0) >= STRONG
        touched = {rule.aspect for rule in map(RULES.rule, plan.breaks)}
        assert len(touched) == 1, "a part that lies elsewhere keeps its colour, size and direction"


def test_labels_name_the_rule_and_are_names_of_folders() -> None:
    labels = [violation_label(RULES.rule(id), name) for id, name in WAYS]
    assert "count_disc_fewer" in labels and len(set(labels)) == len(labels)
    assert [check_new_label(label) for label in labels] == labels


def test_a_photo_that_breaks_rules_already_is_left_alone() -> None:
    rule = RULES.rule("colour:disc")
    assert plan_violation(RULES, rule, "other_colour", PARTS[0][1:], np.random.default_rng(0)) is None


def test_the_same_seed_plans_the_same_edit() -> None:
    rule = RULES.rule("place:bar")
    first, again = (plan_violation(RULES, rule, "elsewhere", PARTS[1], np.random.default_rng(7)) for _ in range(2))
    assert first == again and first is not None and first.params["op"] == "move"
