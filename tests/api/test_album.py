"""Photos found by name and in the order a person asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.api import Workbench
from core.api.album import chosen_rows
from core.errors import InputError
from core.store import ExampleRow, NormalRow


def photo(name: str, width: int = 10) -> NormalRow:
    return NormalRow(name, name, width, 10, False, (), Path(name))


def names(rows: list[NormalRow]) -> list[str]:
    return [row.name for row in rows]


def test_every_word_is_searched_for_and_numbers_count() -> None:
    rows = [photo("line 3/plate 10.png", 30), photo("line 3/plate 2.png", 20), photo("line 4/plate 2.png", 40)]
    assert names(chosen_rows(rows, "PLATE line 3")) == ["line 3/plate 10.png", "line 3/plate 2.png"]
    assert names(chosen_rows(rows, order="name")) == [rows[1].name, rows[0].name, rows[2].name]
    assert names(chosen_rows(rows, order="newest")) == names(rows[::-1])
    assert [row.width for row in chosen_rows(rows, order="largest")] == [40, 30, 20]
    assert names(chosen_rows(rows, "plate 7")) == []
    with pytest.raises(InputError, match="expected one of imported"):
        chosen_rows(rows, order="colour")


def test_real_anomalies_are_found_by_label_too() -> None:
    real = [ExampleRow(label, label, "structural", "a.png", 4, 4, Path("a.png"), ()) for label in ("pit", "hole")]
    assert [row.label for row in chosen_rows(real, "pit")] == ["pit"]
    assert [row.label for row in chosen_rows(real, order="label")] == ["hole", "pit"]


def test_several_real_anomalies_get_another_label(tmp_path: Path) -> None:
    with Workbench.create(tmp_path / "p", "p") as bench:
        for label in ("hole", "pit", "dent"):
            bench.project.add_example(label.encode(), ".png", label, "structural", [b"mask"], "a.png", 4, 4)
        ids = [row.id for row in bench.photos.examples()]
        assert bench.photos.label_examples(ids[:2], "pit") == 1
        assert sorted(bench.photos.part_counts()) == ["dent", "pit"]
        with pytest.raises(InputError, match="label"):
            bench.photos.label_examples(ids, "good/bad")
