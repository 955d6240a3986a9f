"""What is said of misses, and what is made of it."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.photo_sets import Shot
from core.features.extract import available
from core.loop.contract import LoopContract
from core.loop.defect_facts import AT_THE_EDGE, PLAIN, ROUGH, defect_facts, place_words
from core.loop.diagnosis import diagnose
from core.loop.loop_state import DefectFacts, Diagnosis, EngineTrial, LoopMiss, LoopTraining
from core.loop.planning import FEWEST, aim_distance, nearest_to_aims, plan_pairs, ranked_engines, share_out
from core.loop.seed_scores import SeedScores
from tests.loop.toy_loop import SIDE, toy_dent

CONTRACT = LoopContract.parse("image_recall>=0.99 @ false_rejects<=0")


def facts(name: str, label: str = "dent", size: float = 0.01, contrast: float = 0.2, place: str = "x") -> DefectFacts:
    return DefectFacts(name, label, size, contrast, place, PLAIN)


def training(good: list[float], bad: dict[str, float], peaks: bool = False) -> LoopTraining:
    names = tuple([f"good/{i}" for i in range(len(good))] + list(bad))
    labels = tuple(["good"] * len(good) + [name.split("/")[0] for name in bad])
    where = {"0": ((0.1, 0.9),) * len(names)} if peaks else {}
    table = SeedScores(names, labels, {"0": (*good, *bad.values())}, where)
    return LoopTraining((), {}, table, table)


def test_facts_say_how_large_how_faint_where_and_on_what() -> None:
    image, mask = toy_dent(3, 100)
    found = defect_facts("a", "dent", image, mask)
    assert found.size == pytest.approx(mask.mean()) and found.contrast == pytest.approx(100 / 255, abs=0.03)
    assert found.surroundings == PLAIN
    coarse = np.random.default_rng(0).integers(60, 200, (SIDE, SIDE, 1)).astype(np.uint8).repeat(3, axis=2)
    assert defect_facts("b", "dent", coarse, mask).surroundings == ROUGH
    part = np.full((SIDE, SIDE, 3), 245, np.uint8)
    part[20:76, 20:76] = 90
    edge = np.zeros((SIDE, SIDE), np.bool_)
    edge[44:52, 21:28] = True
    assert defect_facts("c", "dent", part, edge).surroundings == AT_THE_EDGE


@pytest.mark.parametrize(
    ("at", "said"), [((0.1, 0.1), "upper left"), ((0.5, 0.5), "middle centre"), ((1, 1), "lower right")]
)
def test_places_are_cells_of_three_by_three(at: tuple[float, float], said: str) -> None:
    assert place_words(*at) == said


@pytest.mark.skipif(available() is not None, reason="the pretrained features are not installed")
def test_misses_are_binned_ranked_and_said() -> None:
    shots = [Shot(f"dent/{i}", (pair := toy_dent(i, 100))[0], "dent", (pair[1],)) for i in range(4)]
    known = [facts(f"dent/{i}", size=0.01 * (i + 1)) for i in range(4)]
    scores = {"dent/0": 0.05, "dent/1": 0.35, "dent/2": 0.9, "dent/3": 0.8}
    found = diagnose(training([0.1, 0.2, 0.3, 0.4], scores, peaks=True), known, CONTRACT, shots)
    assert [one.facts.name for one in found.misses] == ["dent/0", "dent/1"], "what needs most first"
    assert [one.needs for one in found.misses] == [1.0, 0.25]
    small = next(one for one in found.bins if (one.by, one.name) == ("size", "small"))
    assert (small.photos, small.missed) == (2, 2.0)
    assert sorted(name for own in found.clusters for name in own) == ["dent/0", "dent/1"]
    said = " ".join(found.sentences)
    assert "No threshold reaches the contract" in said and "finds 50.0%" in said
    assert "1 of them no threshold reaches" in said and "dent/0" in said
    assert found.weights == {"dent": pytest.approx(2 + 1 + 0.25)} and not found.alarms


def test_good_parts_that_are_rejected_are_named_with_their_place() -> None:
    contract = LoopContract.parse("image_recall>=0.99 @ false_rejects<=0.25")
    shots = [Shot("dent/0", (pair := toy_dent(0, 100))[0], "dent", (pair[1],))]
    found = diagnose(training([0.1, 0.2, 0.3, 0.4], {"dent/0": 0.9}, True), [facts("dent/0")], contract, shots)
    assert [(one.name, one.rejected, one.place) for one in found.alarms] == [("good/3", 1.0, "lower left")]
    assert not found.misses and not any(found.weights.values())


def test_pairs_are_shared_out_by_what_labels_lack() -> None:
    assert share_out(30, {"a": 2.0, "b": 1.0, "c": 0.0}) == {"a": 20, "b": 10}
    assert share_out(10, {"a": 10.0, "b": 0.1}) == {"a": 10}, f"fewer than {FEWEST} are not worth making"
    assert share_out(2, {"a": 1.0, "b": 1.0}) in ({"a": 2}, {"b": 2})
    assert sum(share_out(17, {"a": 1.0, "b": 1.0, "c": 1.0}).values()) == 17
    assert share_out(9, {}) == {}


def test_each_label_gets_the_engine_that_gained_most_and_another_after_one_in_vain() -> None:
    trials = [EngineTrial("one", {"a": 0.1, "b": 0.0}), EngineTrial("two", {"a": 0.05, "b": 0.2}),
              EngineTrial("three", {}, "needs regions")]  # fmt: skip
    assert ranked_engines("a", trials) == [("one", 0.1), ("two", 0.05)]
    missed = tuple(LoopMiss(facts(f"{label}/0", label), 1.0, 0.5) for label in "ab")
    diagnosis = Diagnosis(missed, (), (), (), (), {"a": 1.5, "b": 1.5})
    plan = {one.label: one.engine for one in plan_pairs(diagnosis, trials, (), 20)}
    assert plan == {"a": "one", "b": "two"}
    assert {p.label: p.engine for p in plan_pairs(diagnosis, trials, (), 20, {("a", "one")})} == {
        "a": "two",
        "b": "two",
    }
    used_up = {("a", "one"), ("a", "two")}
    assert {p.label: p.count for p in plan_pairs(diagnosis, trials, (), 20, used_up)} == {"b": 20}


def test_misses_of_another_size_than_what_teaches_are_placed_by_their_own() -> None:
    missed = tuple(LoopMiss(facts(f"a/{i}", "a", size=0.001), 1.0, 0.5) for i in range(3))
    diagnosis = Diagnosis(missed, (), (), (), (), {"a": 1.5})
    trials = [EngineTrial("one", {"a": 0.1})]
    (small,) = plan_pairs(diagnosis, trials, [facts("a/9", "a", size=0.02)], 10)
    low, high = small.placement["size_pct"]
    assert small.placement["position"] == "anywhere" and low < 0.1 < high
    (usual,) = plan_pairs(diagnosis, trials, [facts("a/9", "a", size=0.001)], 10)
    assert usual.placement == {}


def test_pairs_nearest_to_the_misses_are_taken_each_aim_in_turn() -> None:
    made = {str(i): facts(str(i), size=0.01 * 2**i, contrast=0.2) for i in range(4)}
    aims = [facts("x", size=0.08), facts("y", size=0.01)]
    assert nearest_to_aims(made, aims, 3) == ["3", "0", "2"]
    assert nearest_to_aims(made, [], 2) == ["0", "1"] and len(nearest_to_aims(made, aims, 9)) == 4
    assert aim_distance(facts("a", size=0.02), facts("b", size=0.01)) == pytest.approx(1)
    assert aim_distance(facts("a", place="x"), facts("b", place="y")) == 1
