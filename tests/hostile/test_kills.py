"""Commands killed at any moment; ``FLAWSMITH_KILLS`` says how many in the slow test (60)."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from core.bench.hostile import measure
from core.bench.hostile.attempts import small_project
from core.bench.hostile.kills import COMMANDS, ProjectState, faults_after, kill_commands, state_of
from core.bench.hostile.page_client import PageClient
from core.bench.hostile.server_kills import JudgingPage, kill_server
from core.errors import NotFound


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_project(tmp_path_factory.mktemp("kills"), samples=2)


def test_what_a_kill_could_spoil_is_seen(project: Path, tmp_path: Path) -> None:
    """The check of the kills below can fail."""
    before = state_of(project)
    assert faults_after(project, before, tmp_path / "none") == []
    more = ProjectState(before.photos, before.samples | {"x"}, before.kept | {"y", "z"})
    assert faults_after(project, more, tmp_path / "none") == ["1 samples are gone", "2 kept are gone"]
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    image = next((copy / "files").rglob("*.png"))
    image.write_bytes(image.read_bytes()[:-1])
    (fault,) = faults_after(copy, before, tmp_path / "none")
    assert fault == f"{image.name}: not whole"
    image.unlink()
    assert faults_after(copy, before, tmp_path / "none") == [f"{image.name}: No such file or directory"]
    with closing(sqlite3.connect(copy / "project.db")) as db:
        db.execute("DROP TABLE sample_details")
        db.commit()
    assert "project.db is damaged" in " ".join(faults_after(copy, before, tmp_path / "none"))
    (tmp_path / "set" / "test" / "dent").mkdir(parents=True)
    (tmp_path / "set" / "test" / "dent" / "000.png").write_bytes(b"")
    assert faults_after(project, before, tmp_path / "set") == ["export: 1 images and 0 masks"]
    assert faults_after(tmp_path / "nothing", before, tmp_path / "none") == ["the project is gone"]


@pytest.mark.thorough
def test_an_import_that_is_killed_spoils_nothing(tmp_path: Path) -> None:
    """Takes seconds: the command starts as a person starts it."""
    commands = {name: COMMANDS[name] for name in ("new", "import")}
    tally = kill_commands(np.random.default_rng(5), 2, tmp_path, commands)
    assert (tally.kills.total() + tally.ended_first, tally.lost) == (2, [])


def test_an_answered_verdict_that_is_gone_is_seen() -> None:
    """The check of the server's kills can fail."""
    page = JudgingPage(PageClient(1), ("a", "b"), 0, answered={"a": "kept", "b": "rejected"}, sent=("b", "new"))
    assert page.lost({"a": "kept", "b": "new"}) == []
    assert page.lost({"a": "new", "b": "kept"}) == [
        "sample a: answered kept, has new", "sample b: answered rejected, has kept",
    ]  # fmt: skip


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_a_server_that_is_killed_has_stored_what_it_answered(tmp_path: Path) -> None:
    tally = kill_server(np.random.default_rng(3), 1, tmp_path)
    assert (tally.kills.total(), tally.lost) == (1, [])


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_many_kills_at_random_moments_spoil_nothing(tmp_path: Path) -> None:
    seed = int(time.time())
    tally = kill_commands(np.random.default_rng(seed), int(os.environ.get("FLAWSMITH_KILLS", "60")), tmp_path)
    assert tally.lost == [], f"seed {seed}"
    assert tally.ended_first < tally.kills.total()


def test_the_bench_counts_what_it_tried() -> None:
    told = measure(quick=True, rows=("recipes", "pictures"), count=4, params={"seed": 7})
    assert (told["seed"], told["outside"]) == (7, [])
    for kind in ("recipes", "pictures"):
        assert (told[kind]["tried"], told[kind]["clear"], told[kind]["hung"]) == (4, 4, 0), told[kind]["unclear"]
    assert told["peak_mb"] > 50
    with pytest.raises(NotFound, match="pictures, recipes"):
        measure(rows=("nothing",))
