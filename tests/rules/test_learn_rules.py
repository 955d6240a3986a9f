"""Rules are read from what good photos have in common, and from nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.errors import InputError
from core.rules import MeasuredPart, RuleSet, learn_rules
from core.rules.part_rules import colour_words, place_words
from core.rules.relation_rules import OrderRule, PairingRule

RED, BLUE = (45.0, 55.0, 35.0), (40.0, 10.0, -45.0)


def part(family: str, x: float, y: float, angle: float | None = None, **more: object) -> MeasuredPart:
    values = {"size": 0.1, "directed": angle is not None, "lab": (60.0, 0.0, 0.0), "box": (x, y, x, y), **more}
    return MeasuredPart(family, x, y, angle=angle, **values)  # type: ignore[arg-type]


def tray(seed: int) -> list[MeasuredPart]:
    """A bolt upright at the upper left, either way up; two washers at the right; a nut anywhere."""
    rng = np.random.default_rng(seed)
    near = lambda x: x + float(rng.uniform(-0.02, 0.02))  # noqa: E731
    turn = float(rng.choice([90, 270]) + rng.uniform(-10, 10))
    return [
        part("bolt", near(0.2), near(0.2), turn),
        part("washer", near(0.8), near(0.3)),
        part("washer", near(0.8), near(0.6)),
        part("nut", float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.1, 0.9)), lab=(70.0, 5.0, 35.0)),
    ]


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return RuleSet(learn_rules([tray(seed) for seed in range(24)]))


def broken(rules: RuleSet, parts: list[MeasuredPart]) -> set[str]:
    return {one.rule.id for one in rules.check(parts) if one.breaks}


def test_what_all_photos_share_becomes_rules_in_plain_words(rules: RuleSet) -> None:
    words = {rule.id: rule.words() for rule in rules.rules}
    assert words["count:washer"] == "washers: exactly 2"
    assert words["place:bolt"] == "bolt: upper left"
    assert words["orientation:bolt"].startswith("bolt: turned to 9") and "either way" in words["orientation:bolt"]
    assert words["colour:nut"] == "nut: yellow"


def test_what_differs_from_photo_to_photo_is_no_rule(rules: RuleSet) -> None:
    ids = {rule.id for rule in rules.rules}
    assert not {"place:nut", "orientation:nut", "orientation:washer"} & ids
    assert not [id for id in ids if id.startswith(("distance", "symmetry", "pairing"))]


def test_good_photos_of_other_days_break_nothing(rules: RuleSet) -> None:
    assert [broken(rules, tray(seed)) for seed in range(100, 140)] == [set()] * 40


def test_each_fault_breaks_its_own_rule_and_no_other(rules: RuleSet) -> None:
    good = tray(50)
    bolt, washer, other, nut = good
    assert broken(rules, [bolt, washer, nut]) == {"count:washer"}
    assert broken(rules, [*good, part("nut", 0.5, 0.5, lab=(70.0, 5.0, 35.0))]) == {"count:nut"}
    assert broken(rules, [replace(bolt, x=0.5), washer, other, nut]) == {"place:bolt"}
    assert broken(rules, [replace(bolt, angle=10.0), washer, other, nut]) == {"orientation:bolt"}
    assert broken(rules, [replace(bolt, size=0.13), washer, other, nut]) == {"size:bolt"}
    assert broken(rules, [bolt, washer, other, replace(nut, lab=BLUE)]) == {"colour:nut"}


def test_a_break_says_where_the_missing_part_belongs(rules: RuleSet) -> None:
    bolt, washer, _, nut = tray(51)
    found = next(one for one in rules.check([bolt, washer, nut]) if one.breaks)
    left, top, right, bottom = found.breaks[0].missing[0]
    assert abs((left + right) / 2 - 0.8) < 0.03 and abs((top + bottom) / 2 - 0.6) < 0.03


def test_a_rule_without_its_parts_says_nothing(rules: RuleSet) -> None:
    silent = {one.rule.id for one in rules.check([]) if one.holds is None}
    assert "place:bolt" in silent and "count:bolt" not in silent


def test_what_goes_with_what_is_learned_and_checked() -> None:
    def capped(seed: int, wrong: bool = False) -> list[MeasuredPart]:
        red = (seed % 2 == 0) != wrong
        return [
            part("cap", 0.3, 0.3, lab=RED if seed % 2 == 0 else BLUE),
            part("lever", 0.7, 0.7, size=0.2 if red else 0.1),
        ]

    rules = RuleSet(learn_rules([capped(seed) for seed in range(12)]))
    pairing = next(rule for rule in rules.rules if isinstance(rule, PairingRule))
    assert "if" in pairing.words() and pairing.families == ("cap", "lever") or pairing.families == ("lever", "cap")
    assert broken(rules, capped(20)) == set()
    assert broken(rules, capped(20, wrong=True)) == {pairing.id}


def test_order_and_distance_are_rules_where_places_leave_them_open() -> None:
    def rail(seed: int) -> list[MeasuredPart]:
        x = float(np.random.default_rng(seed).uniform(0.2, 0.7))
        return [part("hook", x, 0.5), part("eye", x + 0.1, 0.5)]

    rules = RuleSet(learn_rules([rail(seed) for seed in range(16)]))
    assert any(isinstance(rule, OrderRule) and (rule.first, rule.second) == ("hook", "eye") for rule in rules.rules)
    crossed = broken(rules, [part("hook", 0.5, 0.5), part("eye", 0.42, 0.5)])
    assert {"order:hook<eye:x"} <= crossed
    assert "distance:hook.1-eye.1" in broken(rules, [part("hook", 0.3, 0.5), part("eye", 0.55, 0.5)])


def test_firm_places_that_mirror_each_other_are_a_symmetry() -> None:
    def plate(seed: int) -> list[MeasuredPart]:
        dx = float(np.random.default_rng(seed).normal(0, 0.002))
        return [part("screw", x + dx, y) for x in (0.1, 0.9) for y in (0.1, 0.9)]

    rules = RuleSet(learn_rules([plate(seed) for seed in range(8)]))
    ids = {rule.id for rule in rules.rules}
    assert {"symmetry:screw:x", "symmetry:screw:y"} <= ids
    moved = [part("screw", 0.1, 0.16), *plate(0)[1:]]
    assert "symmetry:screw:x" in broken(rules, moved)


def test_one_forgotten_region_does_not_make_a_part_optional() -> None:
    photos = [tray(seed) for seed in range(24)]
    photos[3] = photos[3][1:]
    count = next(rule for rule in learn_rules(photos) if rule.id == "count:bolt")
    assert (count.words(), count.support) == ("bolt: exactly 1", 23)


def test_too_few_photos_are_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="expected named regions on 4 photos"):
        learn_rules([tray(0), tray(1), []])


@pytest.mark.parametrize(
    ("lab", "word"), [((50, 60, 40), "red"), ((15, 1, 0), "black"), ((55, 0, 0), "grey"), ((60, -40, 30), "green")]
)
def test_colours_have_words(lab: tuple[float, float, float], word: str) -> None:
    assert colour_words(lab) == word


def test_places_have_words() -> None:
    assert [place_words(0.1, 0.1), place_words(0.5, 0.5), place_words(0.9, 0.5)] == [
        "upper left",
        "in the middle",
        "right",
    ]
