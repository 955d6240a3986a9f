"""Attacks on the running app: whatever a page sends is answered clearly, and many rows or hours make it no slower."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.bench.hostile.attempts import small_project, tally
from core.bench.hostile.calls import call_attempts
from core.bench.hostile.large import opening_times
from core.bench.hostile.soak import growth, soak
from core.bench.served_app import ServedApp, ServerUse


def test_what_grows_is_seen() -> None:
    flat = [ServerUse(500.0, 20, 6, 0)] * 20
    assert set(growth(flat).values()) == {0.0}
    leaking = [ServerUse(500.0 + 10 * n, 20 + n, 6, n) for n in range(20)]
    told = growth(leaking)
    assert told["memory_mb"] > 5 and told["descriptors"] > 5 and told["temporary_files"] > 5
    assert told["threads"] == 0


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_hostile_calls_are_answered_clearly(tmp_path: Path) -> None:
    place = tmp_path / "inside"
    project = small_project(place)
    with ServedApp(place / "home", project, "--root", str(place)) as app:
        counts = tally(call_attempts(np.random.default_rng(4), 40, app, project))
    assert (counts.unclear, counts.hung) == ([], 0)
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_a_large_project_opens_every_tab_without_an_error(tmp_path: Path) -> None:
    told = opening_times(tmp_path, photos=300, samples=900, repeats=2)
    assert told["errors"] == []
    assert {"page", "product", "studio", "review", "export"} <= set(told["p95_ms"])


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_pages_at_work_meet_no_error(tmp_path: Path) -> None:
    told = soak(0.2, tmp_path, sessions=2, browsers=0)
    assert (told["errors"], told["tracebacks"]) == ([], [])
    assert told["actions"] > 2
