"""What people hand to each other, with something wrong in it: projects in one file, banks, rules, loops, shards, maps.

``FLAWSMITH_FUZZ`` says how many of each are tried (6); ``launch.py bench hostile`` tries hundreds.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from core.api import SampleFilter, Workbench
from core.api.loops import parse_budget
from core.api.recent import project_damage
from core.bench.hostile import HANDED_OVER
from core.bench.hostile.archive_attacks import HOSTILE_SQL
from core.bench.hostile.attempts import small_project, tally
from core.bench.hostile.json_attacks import nested
from core.errors import InputError, StoreError
from core.loop.loop_state import STATE_FILE, load_state
from core.rules import RuleSet

TRIED = int(os.environ.get("FLAWSMITH_FUZZ", "6"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project in the folder ``inside``."""
    return small_project(tmp_path / "inside", samples=1)


@pytest.mark.parametrize("kind", HANDED_OVER)
def test_what_is_handed_over_is_taken_or_refused_in_one_line(tmp_path: Path, project: Path, kind: str) -> None:
    counts = tally(HANDED_OVER[kind](np.random.default_rng(TRIED), TRIED, project, tmp_path / "inside"))
    assert (counts.tried, counts.unclear, counts.hung) == (TRIED, [], 0)
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]


@pytest.mark.parametrize("said", ["a view for a table", "an endless view", "a trigger"])
def test_a_database_with_statements_of_its_own_is_not_opened(project: Path, said: str) -> None:
    change(project, HOSTILE_SQL[said])
    with pytest.raises(StoreError, match=r"holds a (view|trigger), which Flawsmith never writes"):
        Workbench.open(project)
    assert "which Flawsmith never writes" in str(project_damage(project))


@pytest.mark.parametrize("file", ["../../outside.png", "/etc/hostname", "files/../../outside.png", "files/a\0b"])
def test_a_row_that_names_a_file_outside_is_damage(project: Path, file: str) -> None:
    change(project, "UPDATE normals SET file = ?; UPDATE samples SET mask = ?", file)
    with Workbench.open(project) as bench:
        with pytest.raises(StoreError, match="names a file outside the project"):
            bench.photos.page()
        with pytest.raises(StoreError, match="names a file outside the project"):
            bench.review.page(SampleFilter())


def test_what_is_nested_too_deeply_is_refused_and_a_little_is_kept() -> None:
    kept = RuleSet.from_json(json.dumps({"rules": [], "from tomorrow": nested(50)}))
    assert json.loads(kept.to_json())["from tomorrow"] == nested(50)
    with pytest.raises(InputError, match="over 100 levels deep"):
        RuleSet.from_json(json.dumps({"rules": [], "from tomorrow": nested(400)}))


def test_a_loop_that_lacks_what_its_stage_needs_is_said(tmp_path: Path) -> None:
    spec = {"contract": "image_auroc>=0.9"}
    for stage, missing in (("plan", "a split"), ("end", "a split"), ("gate", "a split")):
        (tmp_path / STATE_FILE).write_text(json.dumps({"spec": spec, "stage": stage}))
        with pytest.raises(InputError, match=f"at the stage '{stage}' a loop has {missing}, and this one has none"):
            load_state(tmp_path)
    (tmp_path / STATE_FILE).write_text(json.dumps({"spec": spec}))
    assert load_state(tmp_path).stage == "split"


@pytest.mark.parametrize(
    "text", ["pairs=²", "pairs=" + "9" * 400, "minutes=1e999", "pairs=-1", "pairs=", "x=1", "nan"]
)
def test_a_budget_that_is_no_number_is_said(text: str) -> None:
    with pytest.raises(InputError, match="expected pairs=NUMBER or minutes=NUMBER"):
        parse_budget([text])
    assert parse_budget(["pairs=20,minutes=1.5"]) == {"pairs": 20.0, "minutes": 1.5}


def change(project: Path, sql: str, *values: str) -> None:
    """Run statements on the project's database, each with ``values`` where it takes one."""
    with closing(sqlite3.connect(project / "project.db")) as db:
        if not values:
            db.executescript(sql)
        for statement in sql.split("; ") if values else ():
            db.execute(statement, values)
        db.commit()
