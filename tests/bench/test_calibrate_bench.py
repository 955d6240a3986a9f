"""What a threshold set by pairs keeps: a row for each engine and target, by a detector that learns from pairs."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.bench.calibrate import TARGETS, measure
from core.errors import InputError
from tests.evaluation.plates import dataset


@pytest.mark.thorough  # a detector learns for each engine
def test_each_engine_teaches_the_detector_and_sets_its_threshold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAWSMITH_BANK", str(tmp_path / "bank"))  # the benchmark takes one of its own
    dataset(tmp_path / "plates", 9, {"dot": 4}, 0)
    dataset(tmp_path / "plates_dev", 0, {"good": 4, "dot": 4}, 2000)
    found = measure(True, data=tmp_path / "plates", out=tmp_path / "out", rows=["perlin", "stamp"], count=3)
    table = found["tables"]["plates"]
    assert [(row["engine"], row["target"]) for row in table["rows"]] == [
        (engine, target) for engine in ("perlin", "stamp") for target in TARGETS
    ]
    for row in table["rows"]:
        assert row["pairs"] == 3 and 0 <= row["image_kept"] <= 1 and 0 <= row["pixel_kept"] <= 1
    assert table["config"]["good"] == 3 and table["config"]["tested_on"] == "plates_dev"


def test_without_folders_it_says_what_to_give() -> None:
    with pytest.raises(InputError, match="--data .* and --out"):
        measure()
