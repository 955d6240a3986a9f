"""The loop with a real detector, trained for seconds: all stages fit together."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.api.loops import LoopSpec
from core.evaluation.saved_detector import load_detector
from core.features.extract import available
from core.jobs.sample_scoring import SampleScorer
from core.loop.retraining import BEST_DETECTOR
from tests.loop.toy_loop import CONTRACT, toy_dent, toy_project

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(available() is not None, reason="the pretrained features are not installed"),
]


def test_the_features_detector_goes_through_a_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.jobs.best_of.sample_scorer", lambda *_: SampleScorer())
    params = {"side": 96, "epochs": 2, "samples": 48, "width": 8}
    spec = LoopSpec(CONTRACT, params=params, rounds=1, pairs=8, seeds=2, auto=True, engines=("perlin",))
    with toy_project(tmp_path / "toy") as bench:
        card = bench.loops.run(spec, tmp_path / "loop")
    state = card.state
    assert state.ended and state.best is not None and set(state.best.test.scores) == {"0", "1"}
    assert all(0 <= value <= 1 for value in card.as_dict()["reached"]["baseline"].values())
    kept = load_detector(tmp_path / "loop" / BEST_DETECTOR)
    assert kept.predict(toy_dent(3, 110)[0]).score > 0
