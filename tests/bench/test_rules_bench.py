"""What the rules are measured against is what the generators do."""

from __future__ import annotations

import numpy as np
import pytest

from core.bench.rules import CONSTRAINTS, SIDE, _edited_truth, _good_scene, _Photo, _slot, _true_parts
from core.device import numpy_rng
from core.rules import RuleSet, learn_rules
from core.rules.violations import plan_violation
from core.types import Sample


@pytest.fixture(scope="module")
def photos() -> list[_Photo]:
    scenes = [_good_scene("gear_unit", seed) for seed in range(4)]
    return [_Photo(str(i), scene, _true_parts(scene)) for i, scene in enumerate(scenes)]


def test_the_constraints_are_about_parts_that_the_product_has(photos: list[_Photo]) -> None:
    words = {part.family for part in photos[0].parts}
    assert {c.split(":")[1].split("-")[0] for c in CONSTRAINTS["gear_unit"]} == words
    assert _slot(photos[0].scene, "screw", 2) == "screw_2"


@pytest.mark.parametrize(
    ("id", "name"), [("count:screw", "fewer"), ("orientation:lever", "turned"), ("size:gear", "too_small")]
)
def test_an_edit_in_the_renderer_breaks_what_was_planned(photos: list[_Photo], id: str, name: str) -> None:
    rules = RuleSet(learn_rules([photo.parts for photo in photos]))
    plan = plan_violation(rules, rules.rule(id), name, photos[0].parts, numpy_rng(3))
    assert plan is not None
    unused: Sample = None  # type: ignore[assignment]  # only a copy's place and a new colour are read from the sample
    parts, mask = _edited_truth(photos[0], plan, unused)
    broken = {one.rule.id for one in rules.check(parts) if one.breaks}
    assert id in broken and mask.shape == (SIDE, SIDE) and np.count_nonzero(mask) > 100
