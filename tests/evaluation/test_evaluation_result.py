"""A result on disk: what goes in comes out, newest first, and nothing half-written is listed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import core.evaluation.results as module
from core.errors import InputError, NotFound, StoreError
from core.evaluation import Curve, EvalResult, Picture, list_results, load_result, save_result

RESULT = EvalResult(
    kind="localization",
    title="U-Net on poisson",
    config={"train": "a", "seeds": [0, 1], "preset": "cpu"},
    metrics={"pixel_ap": 0.25, "pro": 0.5},
    spread={"pixel_ap": 0.01},
    per_label={"crack": {"pixel_ap": 0.125}},
    best_on_test={"pixel_ap": 0.375},
    seeds={"0": {"pixel_ap": 0.24}, "1": {"pixel_ap": 0.26}},
    curves={"roc": Curve((0.0, 1.0), (0.0, 1.0), "false positive rate", "true positive rate")},
    notes=("uneven was left out.",),
    pictures=(Picture("worst-1", "crack/003", b"\x89PNG one"), Picture("best-1", "crack/001", b"\x89PNG two")),
)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = save_result(tmp_path / "new" / "results", RESULT)
    assert load_result(path) == RESULT
    assert (path / "pictures" / "worst-1.png").read_bytes() == b"\x89PNG one"
    assert json.loads((path / "result.json").read_text())["metrics"]["pro"] == 0.5


def test_the_printed_object_is_flat() -> None:
    printed = json.loads(json.dumps(RESULT.json()))
    assert printed["pixel_ap"] == 0.25 and printed["selection"] == "last"
    assert printed["best_on_test"] == {"pixel_ap": 0.375} and printed["config"]["preset"] == "cpu"
    assert not {"curves", "pictures", "metrics"} & set(printed)


def test_newest_first_and_damaged_ones_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1_700_000_000.0, 1_800_000_000.0, 1_600_000_000.0, 1_500_000_000.0])
    monkeypatch.setattr(module.time, "time", lambda: next(times))
    for title in ("middle", "newest", "oldest"):
        save_result(tmp_path, replace(RESULT, title=title))
    broken = save_result(tmp_path, RESULT)
    (broken / "result.json").write_text("{")
    (tmp_path / "empty").mkdir()
    assert [saved.result.title for saved in list_results(tmp_path)] == ["newest", "middle", "oldest"]
    assert list_results(tmp_path / "nowhere") == []
    with pytest.raises(InputError, match="damaged"):
        load_result(broken)
    with pytest.raises(NotFound, match="no result"):
        load_result(tmp_path / "empty")


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        save_result(tmp_path, RESULT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"metrics": {"pro": float("nan")}}, "finite"),
        ({"per_label": {"crack": {"pro": float("inf")}}}, "finite"),
        ({"metrics": {"config": 1.0}}, "taken"),
        ({"kind": "poetry"}, "expected one of"),
        ({"pictures": (Picture("../x", "", b""),)}, "plain names"),
        ({"pictures": (Picture("x", "", b""), Picture("x", "", b""))}, "plain names"),
    ],
)
def test_a_result_that_would_mislead_is_refused(change: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        replace(RESULT, **change)


def test_a_curve_has_as_many_x_as_y_and_few_points() -> None:
    with pytest.raises(ValueError, match="as many"):
        Curve((0.0,), (), "x", "y")
    many = tuple(float(i) for i in range(401))
    with pytest.raises(ValueError, match="at most 400"):
        Curve(many, many, "x", "y")
