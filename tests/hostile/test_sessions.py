"""What the server keeps of a browser tab: small, and not spoilt by one damaged project."""

from __future__ import annotations

import json
import os
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from app.drawn_masks import MOST, DrawnMasks
from app.session import Sessions, header_of
from core.api import Workbench
from core.api.masks import MasksApi
from core.errors import MaskError


def drawn(shape: tuple[int, int] = (1000, 1000)) -> np.ndarray:
    mask = np.zeros(shape, np.bool_)
    mask[300:700, 200:800] = True
    return mask


def test_drawings_come_back_as_they_are() -> None:
    masks = DrawnMasks()
    masks.put("a", drawn())
    assert np.array_equal(masks.get("a"), drawn())
    assert masks.runs("a", (1000, 1000)) == MasksApi.encode(drawn())
    assert masks.get("b") is None
    assert masks.runs("b", (3, 4)) == [12]
    masks.put("a", np.zeros((5, 5), np.bool_))
    assert masks.get("a") is None


def test_an_older_drawing_does_not_replace_a_newer_one() -> None:
    masks = DrawnMasks()
    masks.put_runs("a", [1, 3], (2, 2), 7)
    masks.put_runs("a", [0, 1, 3], (2, 2), 6)
    assert masks.runs("a", (2, 2)) == [1, 3]
    with pytest.raises(MaskError):
        masks.put_runs("a", [1, 2], (2, 2), 8)
    masks.drop("a")
    assert masks.get("a") is None


def test_many_drawings_take_little_memory() -> None:
    masks = DrawnMasks()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(MOST + 20):
        masks.put(str(number), drawn())
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 4_000_000  # 520 MB as arrays
    assert masks.get("0") is None


def test_one_damaged_project_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    state.mkdir()
    monkeypatch.setitem(os.environ, "FLAWSMITH_STATE", str(state))
    for name in ("bad", "good"):
        Workbench.create(tmp_path / name, name).close()
    (state / "recent.json").write_text(json.dumps([str(tmp_path / "bad"), str(tmp_path / "good")]))
    with closing(sqlite3.connect(tmp_path / "bad" / "project.db")) as raw:
        raw.execute("UPDATE settings SET value = CAST(x'22ff22' AS TEXT) WHERE key = 'name'")
        raw.commit()
    sessions = Sessions()
    try:
        bench = sessions.get("a tab").api
        assert bench is not None
        assert header_of(bench) == ("good", 0, 0)
    finally:
        sessions.close()
