"""Training on pairs and judging on real anomalies, end to end on toy photos; and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.cli import run
from core.errors import Cancelled, InputError
from core.evaluation.detectors.api import TrainContext
from core.evaluation.detectors.unet import UNetDetector
from core.evaluation.localization import SELECTION_METRICS, evaluate_detection, evaluate_localization
from core.evaluation.photo_sets import Shot
from core.evaluation.results import EvalResult
from core.evaluation.test_set import TestSet
from tests.evaluation.plates import dataset, shots

TINY = {"width": 4, "side": 32, "batch": 4, "epochs": 2, "samples": 16, "test_every": 1}
TRAIN = shots({"good": 6, "dot": 4, "line": 4}, 0)
TEST = shots({"good": 4, "dot": 3, "line": 3}, 300)


@pytest.fixture(scope="module")
def learned() -> EvalResult:
    params = {"width": 8, "side": 64, "batch": 8, "epochs": 4, "samples": 160, "lr": 3e-3, "test_every": 2}
    return evaluate_localization(TRAIN, TEST, params=params, seeds=(0,), side=64, source={"train": "here"})


@pytest.mark.thorough
def test_a_detector_learns_what_the_pairs_show(learned: EvalResult) -> None:
    assert learned.metrics["pixel_ap"] > 0.6 and learned.metrics["image_auroc"] > 0.9
    assert set(learned.per_label) == {"dot", "line"}
    loss = learned.curves["loss"].y
    assert loss[-1] < loss[0] / 2
    assert len(learned.curves["pixel_ap"].x) == 2 and {"roc", "pr", "pro"} <= set(learned.curves)


def test_a_result_says_all_it_takes_to_run_it_again(learned: EvalResult) -> None:
    assert learned.config["train"] == "here" and learned.config["detector"] == "unet"
    assert learned.config["params"]["width"] == 8 and learned.config["seeds"] == [0]
    assert learned.config["train_photos"] == {"dot": 4, "good": 6, "line": 4}
    assert learned.config["test_photos"] == {"good": 4, "dot": 3, "line": 3}
    assert learned.selection == "last" and list(learned.metrics)[0].startswith("pixel_")


def test_best_on_test_is_never_behind_the_last_epoch(learned: EvalResult) -> None:
    def total(values: dict) -> float:
        return sum(values[name] for name in SELECTION_METRICS)

    assert total(learned.best_on_test) >= total(learned.metrics) - 1e-9
    assert learned.best_on_test["epoch"] in (2, 4)


def test_pictures_show_worst_best_and_false_alarms(learned: EvalResult) -> None:
    names = [picture.name for picture in learned.pictures]
    assert sum("worst" in n for n in names) == 4 and sum("best" in n for n in names) == 2
    assert sum("false_alarm" in n for n in names) == 2
    panel = cv2.imdecode(np.frombuffer(learned.pictures[0].png, np.uint8), cv2.IMREAD_COLOR)
    assert panel.shape == (240, 3 * 320 + 12, 3)


def test_same_seed_same_numbers_another_seed_others() -> None:
    once, twice = (evaluate_localization(TRAIN, TEST, params=TINY, seeds=(0, 5), side=32) for _ in range(2))
    assert once.json() == twice.json()
    assert once.seeds["0"] != once.seeds["5"]
    assert set(once.spread) == set(once.metrics)


def test_a_finished_seed_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[int] = []
    fit = UNetDetector.fit

    def counted(self, train, params, ctx, watch=None):
        trained.append(ctx.seed)
        if ctx.seed == 1 and trained.count(1) == 1:
            raise Cancelled("stopped")
        return fit(self, train, params, ctx, watch)

    monkeypatch.setattr(UNetDetector, "fit", counted)
    ctx = TrainContext(checkpoint=tmp_path)
    with pytest.raises(Cancelled, match="1 of 2"):
        evaluate_localization(TRAIN, TEST, params=TINY, seeds=(0, 1), side=32, ctx=ctx)
    result = evaluate_localization(TRAIN, TEST, params=TINY, seeds=(0, 1), side=32, ctx=ctx)
    assert trained == [0, 1, 1] and list(result.seeds) == ["0", "1"] and result.pictures
    evaluate_localization(TRAIN[:-1], TEST, params=TINY, seeds=(0,), side=32, ctx=ctx)
    assert trained == [0, 1, 1, 0], "another training set is another training"


def test_cancel_stops_within_a_step() -> None:
    steps: list[int] = []
    ctx = TrainContext(
        progress=lambda done, total, preview=None, message="": steps.append(done), cancelled=lambda: len(steps) >= 3
    )
    with pytest.raises(Cancelled, match="nothing was kept"):
        evaluate_localization(TRAIN, TEST, params=TINY, seeds=(0,), side=32, ctx=ctx)
    assert len(steps) == 3


def test_detection_asks_for_whole_photos_first_and_labels_can_be_left_out() -> None:
    result = evaluate_detection(TRAIN, TEST, params=TINY, seeds=(0,), side=32, without=("line",))
    assert result.kind == "detection" and list(result.metrics)[0].startswith("image_")
    assert set(result.per_label) == {"dot"} and "line" not in result.config["train_photos"]
    assert any("line" in note for note in result.notes)


def test_photos_are_judged_at_the_asked_size() -> None:
    for side, shape in ((48, (48, 48)), (None, (72, 96))):
        photos = TestSet(TEST, side)
        verdict = photos.evaluate(
            lambda images: [np.zeros(i.shape[:2], np.float32) for i in images], lambda m: m.max()
        )
        assert {m.shape for m in verdict.maps} == {shape}
        assert verdict.metrics.overall["pixel_auroc"] == pytest.approx(0.5)


def test_a_map_that_is_the_mask_is_perfect() -> None:
    photos = TestSet(TEST, None)
    truth = iter([shot.mask(shot.read().shape[:2]).astype(np.float32) for shot in TEST])
    verdict = photos.evaluate(lambda images: [next(truth) for _ in images], lambda m: float(m.max()))
    assert all(verdict.metrics.overall[name] == pytest.approx(1.0) for name in SELECTION_METRICS)


@pytest.mark.parametrize(
    ("train", "test", "more", "said"),
    [
        (shots({"good": 3}, 0), TEST, {}, "training set: expected good photos and anomalies"),
        (TRAIN, shots({"dot": 3}, 300), {}, "one class alone"),
        (TRAIN, shots({"good": 3}, 300), {}, "one class alone"),
        (TRAIN, [*TEST, TRAIN[0]], {}, "learned from"),
        (TRAIN, TEST, {"without": ("rust",)}, "no such label"),
        (TRAIN, TEST, {"detector": "nonsense"}, "there are csda, features, rules, unet"),
        (TRAIN, TEST, {"params": {"width": 1}}, "width"),
        (TRAIN, [*TEST, Shot("x", TEST[0].read() // 2, "dot", ())], {}, "no mask"),
    ],
)
def test_bad_sets_are_one_clear_line(train: list[Shot], test: list[Shot], more: dict, said: str) -> None:
    given = {"params": TINY, "seeds": (0,), "side": 32, **more}
    with pytest.raises((InputError, LookupError), match=said) as error:
        evaluate_localization(train, test, **given)
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("plates")
    return (
        dataset(root / "plates", 6, {"dot": 4, "line": 4}, 0),
        dataset(root / "plates_dev", 0, {"good": 4, "dot": 3, "line": 3}, 2000),
    )


def test_command_line_ends_with_the_promised_object(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = folders
    settings = [word for name, value in TINY.items() for word in ("--param", f"{name}={value}")]
    argv = ["evaluate", "localization", "--train", str(train), "--test", str(test), "--seeds", "2", *settings]
    argv += ["--side", "32", "--out", str(tmp_path), "--json"]
    assert run(argv) == 0
    said = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert {"pixel_auroc", "pixel_ap", "pixel_f1_max", "pro", "image_auroc"} <= set(said)
    assert said["selection"] == "last" and said["best_on_test"] and set(said["seeds"]) == {"0", "1"}
    assert (Path(said["saved"]) / "result.json").is_file()
    assert len(list((tmp_path / "trainings").iterdir())) == 2


@pytest.mark.parametrize(
    ("command", "change", "said"),
    [
        ("localization", {"--train": "nowhere"}, "no such folder"),
        ("detection", {"--detector": "nonsense"}, "there are csda, features, rules, unet"),
        ("localization", {"--preset": "gpu"}, "cpu, paper"),
        ("classification", {"--without": "rust"}, "no such label"),
    ],
)
def test_command_line_refuses_in_one_line(
    folders: tuple[Path, Path], command: str, change: dict, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"--train": str(folders[0]), "--test": str(folders[1]), **change}
    assert run(["evaluate", command, *(word for pair in given.items() for word in pair)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and said in lines[0]
