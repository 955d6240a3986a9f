"""Places that look as around a real anomaly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.masks.placement.context_match import choose_fitting_example, match_context
from core.masks.placement.free_area import PlacementMap
from core.masks.placement.planner import AnchorExample, plan_masks
from core.placement_rules import Placement
from core.types import AnomalyExample

seeds = st.integers(0, 2**32 - 1)


def board(traces: list[int], side: int = 120, level: int = 40) -> np.ndarray:
    """Dark horizontal traces, 8 px wide, on bright ground with a little noise."""
    image = np.full((side, side, 3), 200, np.int16)
    for row in traces:
        image[row : row + 8] = level
    noise = np.random.default_rng(sum(traces)).integers(-4, 5, (side, side, 1))
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def broken(row: int) -> AnomalyExample:
    """A trace with a gap in its middle."""
    image, mask = board([row]), np.zeros((120, 120), bool)
    mask[row : row + 8, 50:60] = True
    image[mask] = 200
    return AnomalyExample("gap", "open", image, (mask,))


@settings(deadline=None, max_examples=25)
@given(
    seeds, st.integers(20, 90), st.lists(st.sampled_from([12, 34, 56, 78, 100]), min_size=1, max_size=3, unique=True)
)
def test_a_gap_belongs_on_a_trace_wherever_the_traces_are(seed, row, traces):
    photo = board(traces, level=60)
    alike = match_context(broken(row), photo)
    assert alike is not None
    places = alike.draw(np.random.default_rng(seed), 12)
    assert places.shape == (12, 2)
    middle = np.array(traces) + 4
    assert (np.abs(places[:, :1] - middle).min(axis=1) <= 2).all()


def test_masks_are_put_there_and_only_where_photo_and_example_are_known():
    example, photo = broken(20), board([78])
    terrain = PlacementMap.from_masks(np.ones((120, 120), bool))
    rule = Placement(position="surroundings", perturb=False)
    known = AnchorExample(example.mask, match_context(example, photo))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        mask = plan_masks(rule, "open", terrain, rng, [example.mask], known)[0]
        assert abs(np.nonzero(mask)[0].mean() - 81.5) < 3
        blind = plan_masks(rule, "open", terrain, np.random.default_rng(seed), [example.mask])[0]
        assert np.nonzero(blind)[0].mean() < 60


def test_a_larger_photo_is_searched_at_the_examples_scale():
    example = broken(20)
    photo = np.kron(board([78]), np.ones((9, 9, 1), np.uint8))
    alike = match_context(example, photo)
    assert alike is not None
    assert (np.abs(alike.draw(np.random.default_rng(0), 12)[:, 0] - 82 * 9) < 20).all()


@pytest.mark.parametrize("rows", [slice(0, 8), slice(0, 120)])
def test_nothing_is_known_of_what_lies_beyond_the_frame(rows):
    mask = np.zeros((120, 120), bool)
    mask[rows, 50:60] = True
    example = AnomalyExample("edge", "open", board([40]), (mask,))
    assert match_context(example, board([40])) is None
    for seed in range(3):
        assert choose_fitting_example([example], board([40]), np.random.default_rng(seed)) == (example, None)


def test_of_a_few_examples_the_one_that_belongs_most_is_taken_and_of_two_either():
    lying = broken(20)
    turned = [np.ascontiguousarray(array.swapaxes(0, 1)) for array in (lying.pixels, lying.mask)]
    upright = AnomalyExample("up", "open", turned[0], (turned[1],))
    photo = board([78])

    def taken(examples: list[AnomalyExample]) -> list[str]:
        return [choose_fitting_example(examples, photo, np.random.default_rng(seed))[0].id for seed in range(20)]

    assert match_context(lying, photo).difference < match_context(upright, photo).difference
    assert taken([upright] * 6 + [lying] * 3).count("gap") > 10
    assert set(taken([upright, lying])) == {"up", "gap"}


def test_placement_says_whether_a_mask_lies_as_its_example():
    assert not Placement().follows_example and not Placement(position="anywhere").follows_example
    assert Placement(position="examples").follows_example and Placement(position="surroundings").follows_example


def test_auto_follows_the_examples_unless_something_else_is_asked_for():
    assert Placement().resolved(True).position == "surroundings"
    assert Placement().resolved(False).position == "anywhere"
    assert Placement(position="examples").resolved(True).position == "examples"
    for asked in (
        {"regions": ("bolt",)},
        {"anomaly_type": "edge"},
        {"size_pct": (1, 2)},
        {"source": "shapes"},
        {"align": "axis"},
    ):
        assert Placement(**asked).resolved(True).position == "anywhere"
