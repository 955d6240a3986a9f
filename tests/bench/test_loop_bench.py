"""``bench loop`` on a toy: as many blind pairs as the loop's, on the same split."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.bench import run_bench
from core.errors import InputError
from core.jobs.sample_scoring import SampleScorer
from core.loop import loop_training
from tests.loop.toy_loop import Darkness, write_toy


@pytest.mark.thorough
def test_rounds_stand_beside_as_many_blind_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_training, "detector", lambda name: Darkness())
    monkeypatch.setattr("core.jobs.best_of.sample_scorer", lambda *_: SampleScorer())
    lines: list[str] = []
    found = run_bench(
        "loop", True, data=write_toy(tmp_path / "toy", dents=30, faint=18), out=tmp_path / "out", count=12,
        detector="darkness", progress=lines.append,
    )  # fmt: skip
    first, *rounds = found["rows"]
    assert first["round"] == 0 and first["pairs"] == 0 and len(rounds) == 1
    row = rounds[0]
    assert row["pairs"] > 0 and f"blind, round 1: {row['pairs']} pairs" in lines
    assert {"mean", "spread"} == set(row["loop"]) == set(row["blind"]) and row["reason"]
    assert row["loop"] == (row["tried"] if row["kept"] else first["loop"])
    assert json.loads((tmp_path / "out" / "results.json").read_text())["rows"] == found["rows"]


def test_folders_are_asked_for() -> None:
    with pytest.raises(InputError, match="give --data"):
        run_bench("loop", True)
