"""Naming anomalies: what is learned, what the result says of the network, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import run
from core.errors import InputError, Unavailable
from core.evaluation.classification import ClassifierParams, evaluate_classification
from core.evaluation.detectors.api import TrainContext
from core.evaluation.results import EvalResult
from core.evaluation.training.classifier import FILES, batches_per_epoch, capped
from core.weights import models_dir
from tests.evaluation.plates import dataset, shots

TRAIN = shots({"good": 2, "dot": 6, "line": 6}, 0)
TEST = shots({"good": 2, "dot": 4, "line": 4}, 300)
SMALL = {"network": "resnet18", "weights": "none", "side": 32, "epochs": 1, "batch": 4}


@pytest.fixture(scope="module")
def named() -> EvalResult:
    return evaluate_classification(TRAIN, TEST, seeds=(0, 1))


def test_frozen_features_tell_dots_from_lines(named: EvalResult) -> None:
    assert named.metrics["accuracy"] > 0.85
    assert set(named.per_label) == {"dot", "line"} and set(named.spread) == {"accuracy", "accuracy_mean"}
    assert named.best_on_test["accuracy"] >= named.metrics["accuracy"]


def test_confusion_counts_every_photo_of_every_seed(named: EvalResult) -> None:
    confusion = named.config["confusion"]
    assert {true: sum(said.values()) for true, said in confusion.items()} == {"dot": 8, "line": 8}
    right = sum(confusion[label][label] for label in confusion)
    assert right / 16 == pytest.approx(named.metrics["accuracy"])
    assert [p.name for p in named.pictures] == ["confusion"]


def test_the_result_says_which_network_it_was(named: EvalResult) -> None:
    assert named.config["weights"] == "imagenet, frozen" and "stand-in" in " ".join(named.notes)
    scratch = evaluate_classification(TRAIN, TEST, params=SMALL, seeds=(0,))
    assert scratch.config["weights"] == "from scratch" and "from scratch" in " ".join(scratch.notes)
    assert "ResNet-18" in scratch.title and "loss" in scratch.curves


def test_same_seed_same_numbers() -> None:
    once, twice = (evaluate_classification(TRAIN, TEST, params=SMALL, seeds=(3,)) for _ in range(2))
    assert once.json() == twice.json()


def test_broken_weights_are_one_clear_line() -> None:
    path = models_dir() / FILES["resnet18"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not weights")
    try:
        with pytest.raises(Unavailable, match="fetch it again"):
            evaluate_classification(TRAIN, TEST, params={**SMALL, "weights": "auto"}, seeds=(0,))
    finally:
        path.unlink()


def test_paper_preset_is_the_published_training() -> None:
    p = ClassifierParams.preset("paper")
    assert (p.network, p.side, p.batch, p.lr, p.epochs, p.passes, p.most) == ("resnet34", 256, 8, 1e-4, 30, 5, 500)


def test_a_finished_seed_is_kept(tmp_path: Path) -> None:
    ctx = TrainContext(checkpoint=tmp_path)
    first = evaluate_classification(TRAIN, TEST, params=SMALL, seeds=(0,), ctx=ctx)
    news: list[str] = []
    ctx = TrainContext(
        checkpoint=tmp_path, progress=lambda done, total, preview=None, message="": news.append(message)
    )
    again = evaluate_classification(TRAIN, TEST, params=SMALL, seeds=(0,), ctx=ctx)
    assert again.json() == first.json() and not any("epoch" in message for message in news)


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        (TRAIN, shots({"rust": 2, "dot": 2}, 300), "rust is to be tested but not learned"),
        (shots({"dot": 3}, 0), shots({"dot": 3}, 300), "at least two labels"),
        (TRAIN, [*TEST, TRAIN[3]], "learned from"),
        (TRAIN, shots({"good": 3}, 300), "at least two labels"),
    ],
)
def test_sets_that_cannot_be_judged(train: list, test: list, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        evaluate_classification(train, test, params=SMALL, seeds=(0,))
    assert "\n" not in str(error.value)


def test_large_labels_are_capped_and_no_batch_has_one_photo() -> None:
    labels = [0] * 10 + [1] * 3
    kept = capped(labels, 4, 0)
    assert len(kept) == 7 and kept == sorted(kept) and kept == capped(labels, 4, 0)
    assert [batches_per_epoch(n, 4, 1) for n in (4, 5, 6)] == [1, 1, 2]


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = dataset(tmp_path / "a", 1, {"dot": 4, "line": 4}, 0)
    test = dataset(tmp_path / "b", 0, {"dot": 2, "line": 2}, 2000)
    argv = ["evaluate", "classification", "--train", str(train), "--test", str(test), "--seeds", "1", "--json"]
    argv += [word for name, value in SMALL.items() for word in ("--param", f"{name}={value}")]
    assert run(argv) == 0
    said = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert 0 <= said["accuracy"] <= 1 and said["kind"] == "classification" and said["config"]["confusion"]
