"""Rules are kept as JSON with a format, and what a person said of them outlives a new learning."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from core.errors import FlawsmithError, InputError
from core.rules import MeasuredPart, RuleSet, Zone
from core.rules.part_rules import CountRule, OrientationRule, PlaceRule
from core.rules.relation_rules import PairingCase, PairingRule
from core.rules.rule_set import FindingLimits, PartLimits

RULES = RuleSet(
    (
        CountRule(family="washer", low=2, high=2, support=24),
        PlaceRule(family="washer", zones=(Zone(0.8, 0.3, 0.05, 0.02), Zone(0.8, 0.7, 0.05, 0.02)), support=24),
        OrientationRule(family="bolt", angle=90.0, tolerance=20.0, period=180.0, support=24),
        PairingRule(
            first="cap", first_attribute="colour", second="pin", second_attribute="count",
            cases=(PairingCase((40.0, 50.0, 20.0), (1.0,)), PairingCase((40.0, 0.0, -40.0), (2.0,))),
        ),
    ),
    FindingLimits({"washer": PartLimits(0.7, 0.6, 0.5)}, {"place:washer": 1.4}),
)  # fmt: skip


def test_rules_read_back_as_they_were_written() -> None:
    assert RuleSet.from_json(RULES.to_json()) == RULES
    assert json.loads(RULES.to_json())["format"] == 1


def test_keys_and_kinds_of_a_newer_version_are_written_back() -> None:
    raw = RULES.plain()
    raw["rules"][0]["mood"] = "calm"
    raw["rules"].append({"kind": "smell", "family": "oil"})
    raw["author"] = "line 4"
    again = RuleSet.of_plain(raw).plain()
    assert (
        again["rules"][0]["mood"] == "calm" and again["rules"][-1]["kind"] == "smell" and again["author"] == "line 4"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "expected the JSON of a rules file"),
        ('{"format": 99, "rules": []}', "newer Flawsmith"),
        ('{"rules": {}}', "expected a list of rules"),
        ('{"rules": [{"kind": "count", "family": "nut", "low": 1}]}', "'high' is missing"),
        ('{"rules": [{"kind": "count", "family": "nut", "low": 3, "high": 1}]}', "0 <= low <= high"),
        ('{"rules": [{"kind": "size", "family": "nut", "low": 0.1, "high": NaN}]}', "finite"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(FlawsmithError, match=said) as error:
        RuleSet.from_json(text, "rules.json")
    assert str(error.value).startswith(("rules.json", "rule ")) and "\n" not in str(error.value)


def test_confirmed_and_written_rules_outlive_a_new_learning() -> None:
    count = replace(RULES.rules[0], low=1, high=1)
    mine = RULES.confirmed("count:washer").with_rule(replace(RULES.rules[2], source="person"))
    renewed = mine.renewed([count])
    assert [rule.id for rule in renewed.rules] == ["count:washer", "orientation:bolt"]
    assert renewed.rule("count:washer").words() == "washers: exactly 2"


def test_a_rule_is_there_once() -> None:
    with pytest.raises(InputError, match="there twice"):
        RuleSet((RULES.rules[0], RULES.rules[0]))


def test_found_parts_get_the_slack_that_finding_needs() -> None:
    off = [
        MeasuredPart("washer", x, y, 0.1, None, False, (60.0, 0.0, 0.0), (x, y, x, y))
        for x, y in ((0.86, 0.3), (0.8, 0.7))
    ]
    named, found = (next(o for o in RULES.check(off, found=f) if o.rule.id == "place:washer") for f in (False, True))
    assert named.breaks and not found.breaks and found.deviation == pytest.approx(1.2 / 1.4)
