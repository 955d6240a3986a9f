"""``launch.py review --people`` and ``--agreement``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import run
from core.api import SampleFilter, Workbench
from tests.store.test_verdicts import make


def test_people_and_agreement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project, ids = make(tmp_path / "p", 4)
    project.close()
    with Workbench.open(tmp_path / "p") as bench:
        for person, rejected in (("ada", ids[:1]), ("ben", ids[:2])):
            bench.review.set_status(ids, "kept", by=person)
            bench.review.set_status(rejected, "rejected", "hard seam", by=person)
    assert run(["review", str(tmp_path / "p"), "--people", "2", "--agreement", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    figure = {"label": "crack", "people": ["ada", "ben"], "samples": 4, "same": 3, "kappa": 0.5}
    assert (told["agreement"], told["changed"]) == ([figure], 4)  # of three both are named now, one is new
    assert run(["review", str(tmp_path / "p"), "--agreement"]) == 0
    assert "crack: ada and ben agree on 3 of 4 samples, κ 0.50" in capsys.readouterr().out
    with Workbench.open(tmp_path / "p") as bench:
        assert [row.verdict.value for row in bench.review.page(SampleFilter())] == ["rejected", "new", "kept", "kept"]


def test_nobody_judged_what_another_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "p", 1)[0].close()
    assert run(["review", str(tmp_path / "p"), "--agreement"]) == 0
    assert "no two people have judged the same sample yet" in capsys.readouterr().out
