"""The contract's language, and that its numbers come from the scores."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from core.loop.contract import LoopContract, MetricBound
from core.loop.seed_scores import SeedScores


def table(good: list[float], **bad: list[float]) -> SeedScores:
    """Scores of one seed."""
    labels = ["good"] * len(good) + [label for label, scores in bad.items() for _ in scores]
    scores = [*good, *(s for own in bad.values() for s in own)]
    return SeedScores(tuple(f"{label}/{i}" for i, label in enumerate(labels)), tuple(labels), {"0": tuple(scores)})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image_recall>=0.99 @ false_rejects<=0.02", "image_recall>=0.99 @ false_rejects<=0.02"),
        ("image_recall ≥ 99% @ false_rejects ≤ 2 %", "image_recall>=0.99 @ false_rejects<=0.02"),
        ("image_auroc>=0.9", "image_auroc>=0.9"),
        (
            "image_recall[dent]>=1 @ false_rejects<=0,image_ap>=.5",
            None,
        ),
        (
            "image_recall[dent]>=1 @ image_ap>=0.5, false_rejects<=0",
            "image_recall[dent]>=1 @ false_rejects<=0, image_ap>=0.5",
        ),
    ],
)
def test_a_contract_is_read_and_written(text: str, said: str | None) -> None:
    if said is None:
        with pytest.raises(InputError, match="expected METRIC>=VALUE"):
            LoopContract.parse(text)
    else:
        assert str(LoopContract.parse(text)) == said
        assert LoopContract.parse(said) == LoopContract.parse(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected METRIC>=VALUE"),
        ("image_recall>=0.99", "say which, as in"),
        ("recall>=0.9 @ false_rejects<=0.1", "there are image_recall"),
        ("image_recall>=1.2 @ false_rejects<=0.1", "lies beyond 0 to 1"),
        ("image_recall<=0.9 @ false_rejects<=0.1", "more of image_recall is better"),
        ("image_recall>=0.9 @ false_rejects>=0.1", "write false_rejects<=VALUE"),
        ("false_rejects<=0.1", "a metric to reach before"),
        ("image_recall>=0.9 @ false_rejects<=0.1, false_rejects<=0.2", "given 2 times"),
        ("worst_recall[dent]>=0.9 @ false_rejects<=0.1", r"use image_recall\[dent\]"),
    ],
)
def test_a_wrong_contract_is_refused_in_one_line(text: str, why: str) -> None:
    with pytest.raises(InputError, match=why) as told:
        LoopContract.parse(text)
    assert "\n" not in str(told.value)


def test_recalls_are_those_at_the_threshold_of_the_false_rejects() -> None:
    scores = table([0.1, 0.2, 0.3, 0.4, 0.5], dent=[0.45, 0.6], scratch=[0.35, 0.2, 0.9, 0.8])
    contract = LoopContract.parse("image_recall>=0.5 @ false_rejects<=0.2, worst_recall>=0.6, image_recall[dent]>=1")
    goal, worst, dent = contract.check(scores)
    assert goal.value == pytest.approx(4 / 6) and goal.passed, "one of five good ones may lie above: 0.5 does"
    assert worst.value == pytest.approx(0.5) and not worst.passed
    assert dent.value == 1 and dent.passed
    strict = LoopContract.parse("image_recall>=0.5 @ false_rejects<=0.19").check(scores)[0]
    assert strict.value == pytest.approx(3 / 6), "none may lie above"


def test_ranking_metrics_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(3)
    good, bad = rng.normal(0, 1, 40).astype(np.float32).tolist(), rng.normal(1, 1, 30).astype(np.float32).tolist()
    scores, truth = table(good, dent=bad), [0] * 40 + [1] * 30
    auroc, ap = LoopContract.parse("image_auroc>=0 @ image_ap>=0").check(scores)
    assert auroc.value == pytest.approx(roc_auc_score(truth, good + bad))
    assert ap.value == pytest.approx(average_precision_score(truth, good + bad))


def test_the_mean_of_the_seeds_holds_the_contract_and_a_strange_label_is_refused() -> None:
    scores = SeedScores(("g", "d"), ("good", "dent"), {"0": (0.1, 0.9), "1": (0.9, 0.1)})
    (check,) = LoopContract.parse("image_auroc>=0.6").check(scores)
    assert check.by_seed == {"0": 1.0, "1": 0.0} and check.value == 0.5 and not check.passed
    with pytest.raises(InputError, match=r"no photo that guides or judges has this label \(there are: dent\)"):
        LoopContract(MetricBound("image_auroc", 0.5, "scratch")).require_labels(scores)


def test_a_miss_says_what_its_threshold_would_cost() -> None:
    scores = table([0.1, 0.2, 0.3, 0.4], dent=[0.25, 0.9])
    assert scores.missed(0.0).tolist() == [1, 1, 1, 1, 1, 0]
    assert scores.false_rejects_needed().tolist()[-2:] == [0.5, 0.0], "0.3 and 0.4 of four lie above 0.25"
