"""Recipes, concepts and databases with something wrong in them: one line, no traceback, and nothing destroyed.

``FLAWSMITH_FUZZ`` says how many of each are tried (25); ``launch.py bench hostile`` tries thousands.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.api import Workbench
from core.bench.hostile.attempts import (
    HANGS_AFTER_S,
    Attempt,
    Tally,
    database_attempts,
    fault_of,
    recipe_attempts,
    small_project,
    tally,
)
from core.bench.hostile.damage import damaged_json
from core.errors import StoreError
from core.store import Project
from core.training.checkpoints import MANIFEST, WEIGHTS, read_manifest, unread_concepts
from core.types import Recipe

TRIED = int(os.environ.get("FLAWSMITH_FUZZ", "25"))
quick = settings(deadline=None, derandomize=TRIED == 25, suppress_health_check=list(HealthCheck))
often = settings(quick, max_examples=TRIED)
slowly = settings(quick, max_examples=max(1, TRIED // 5))
CARD = json.dumps(
    {
        "format": 1, "id": "dent-1234", "engine": "anomaly_diffusion", "label": "dent", "title": "dent",
        "backbone": "mini", "fingerprint": "0" * 64, "created": "2026-01-01T00:00:00", "notes": ["a note"],
        "config": {"examples": {"dent": ["a", "b"]}, "settings": {"steps": 5}, "steps": 5, "losses": [[1, 0.5]]},
    }
)  # fmt: skip
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_project(tmp_path_factory.mktemp("damage"), samples=2)


def all_clear(attempts: Iterator[Attempt]) -> None:
    counts: Tally = tally(attempts)
    assert counts.unclear == []
    assert counts.hung == 0, f"took {counts.slowest_s:.1f} s of {HANGS_AFTER_S}"


@often
@given(seeds)
def test_a_damaged_recipe_is_made_or_refused_in_one_line(project: Path, seed: int) -> None:
    with Workbench.open(project) as bench:
        all_clear(recipe_attempts(np.random.default_rng(seed), 2, bench))
        assert bench.project.count_samples() == 4


@slowly
@given(seeds)
def test_a_damaged_database_is_read_or_refused_in_one_line(project: Path, seed: int) -> None:
    place = project.parent / "copies"
    place.mkdir(exist_ok=True)
    all_clear(database_attempts(np.random.default_rng(seed), 1, project, place))


@often
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("utf-8", "replace")))
def test_any_text_as_a_recipe_is_refused_in_one_line(text: str) -> None:
    assert fault_of(lambda: Recipe.from_json(text)) is None


@often
@given(seeds)
def test_a_damaged_card_of_a_concept_is_told_in_one_line(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    folder = tmp_path_factory.mktemp("concepts")
    card = folder / "dent-1234" / MANIFEST
    card.parent.mkdir()
    text = damaged_json(CARD, np.random.default_rng(seed))
    card.write_text(text, "utf-8")
    (card.parent / WEIGHTS).write_bytes(b"no weights")
    assert fault_of(lambda: read_manifest(card.parent)) is None
    assert len(unread_concepts(folder)) <= 1
    assert card.read_text("utf-8") == text
    shutil.rmtree(folder)


def swept_early(path: Path) -> None:
    """Make every stored file old, and the next sweep due."""
    for file in (path / "files").rglob("*.png"):
        os.utime(file, (0, time.time() - 10 * 86_400))
    with closing(sqlite3.connect(path / "project.db")) as db:
        db.execute("DELETE FROM settings WHERE key = 'swept'")
        db.commit()


@pytest.mark.parametrize(
    "spoilt",
    [
        "UPDATE normals SET file = 'files/00/none.png' WHERE number = 1",
        "UPDATE samples SET image = replace(image, '.png', '.pnh')",
    ],
)
def test_files_that_a_damaged_database_forgot_are_not_swept_away(
    project: Path, tmp_path: Path, spoilt: str, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    before = sorted((copy / "files").rglob("*.png"))
    with closing(sqlite3.connect(copy / "project.db")) as db:
        db.execute(spoilt)
        db.commit()
    swept_early(copy)
    Project.open(copy).close()
    assert sorted((copy / "files").rglob("*.png")) == before
    assert "left-over files are kept" in caplog.text


def test_rows_of_another_kind_are_damage(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    with closing(sqlite3.connect(copy / "project.db")) as db:
        db.execute("DELETE FROM sample_details WHERE sample = 1")
        db.commit()
    with Project.open(copy) as opened, pytest.raises(StoreError, match="project.db is damaged"):
        opened.samples()
