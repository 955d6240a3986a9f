"""ComGEN's table: its rows are those they say they are, and one is made, kept and found again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.bench import comgen_table, run_bench
from core.engines.api import read_params
from core.engines.registry import engine
from core.errors import InputError, NotFound
from core.evaluation.detectors.api import detector
from core.evaluation.photo_sets import read_photo_set
from core.features.extract import available


def test_every_row_has_as_many_pairs_and_settings_that_exist() -> None:
    names = [row.name for row in comgen_table.ROWS]
    assert len(set(names)) == len(names) and names[0] == "comgen"
    for row in comgen_table.ROWS:
        assert row.engine and row.about and len(comgen_table.EDITS) % len(row.parts) == 0
        for _, params in row.parts:
            read_params(engine(row.engine), params)
        detector(row.detector).Params.preset("cpu", row.training)
    for row in comgen_table.ROWS:
        twins = [r for r in comgen_table.ROWS if r.pairs_name == row.pairs_name]
        assert all(r.parts == row.parts and r.learned == row.learned for r in twins), "they share pairs"
    known = {row.name: row for row in comgen_table.ROWS}
    assert known["comgen"].parts == known["comgen-rna"].parts and known["comgen-rna"].training
    assert known["comgen-csda"].detector != "csda" and known["noise-mcl"].learned == "single"


@pytest.mark.thorough
@pytest.mark.skipif(available() is not None, reason="the packaged features are not installed")
def test_a_table_is_made_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comgen_table, "RENDERED_SIDE", 192)
    monkeypatch.setattr(comgen_table, "TESTED_SIDE", 96)
    given: dict[str, Any] = {"out": tmp_path, "product": ["fastener_tray"], "rows": ["layout"]}
    made = run_bench("comgen-table", quick=True, **given)["tables"]["fastener_tray"]
    row = made["rows"][0]
    assert row["row"] == "layout" and row["learned_from"] == {"good": 27, "extra": 2, "missing": 2, "swapped": 2}
    assert {"image_auroc", "spro"} <= set(row["metrics"])
    assert set(row["per_label"]) == {"logical_anomalies", "structural_anomalies"}
    text = (tmp_path / "fastener_tray" / "table.md").read_text()
    assert "AU-sPRO" in text and "| `layout` |" in text
    test = read_photo_set(tmp_path / "fastener_tray" / "test", "test")
    assert sum(shot.good for shot in test) == 4 and len(test) == 16 and test[0].read().shape == (96, 96, 3)

    monkeypatch.setattr("core.jobs.generation.generate", None)
    monkeypatch.setattr("core.methods.comgen.csda.detector.CSDA.fit", None)
    before = json.loads((tmp_path / "fastener_tray" / "results.json").read_text())["rows"]
    assert run_bench("comgen-table", quick=True, **given)["tables"]["fastener_tray"]["rows"] == before


def test_bad_options_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--out"):
        run_bench("comgen-table")
    with pytest.raises(NotFound, match="row 'gaa': there are comgen, comgen-rna"):
        run_bench("comgen-table", out=tmp_path, rows=["gaa"])
    with pytest.raises(NotFound, match="product 'plate': there are fastener_tray"):
        run_bench("comgen-table", out=tmp_path, product=["plate"])
