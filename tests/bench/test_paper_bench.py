"""A paper's tables: the split, the plan, and (slow) the whole way with the shipped model."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.bench.paper import measure
from core.bench.paper.ablations import ABLATIONS, WHOLE
from core.bench.paper.product_split import split_normals, split_product
from core.bench.paper.protocol import PROTOCOLS, QUICK, STAGES, budget_of, protocol_of
from core.bench.paper.published import published
from core.bench.paper.report import TITLES
from core.bench.paper.stage_clock import StageClock
from core.bench.paper.stages import ProductRun
from core.engines.api import LearningEngine, read_params
from core.engines.registry import engine
from core.errors import Cancelled, InputError, NotFound
from core.evaluation.detectors.api import detectors
from core.images import mask_png_bytes, png_bytes
from core.placement_rules import Placement
from core.validation import read_settings

SIDE = 96


def write_product(folder: Path, anomalies: int = 6, good: int = 6) -> Path:
    """A product of two labels in MVTec AD's layout: dark dots and bright lines on a grainy plate."""
    rng = np.random.default_rng(0)

    def plate() -> np.ndarray:
        return np.repeat(np.clip(rng.normal(130, 6, (SIDE, SIDE)), 0, 255).astype(np.uint8)[..., None], 3, axis=2)

    for place, count in (("train/good", good), ("test/good", 3)):
        (folder / place).mkdir(parents=True)
        for i in range(count):
            (folder / place / f"{i:03}.png").write_bytes(png_bytes(plate()))
    for label in ("dot", "line"):
        (folder / "test" / label).mkdir()
        (folder / "ground_truth" / label).mkdir(parents=True)
        for i in range(anomalies):
            photo, mask = plate(), np.zeros((SIDE, SIDE), np.uint8)
            x, y = (int(v) for v in rng.integers(25, SIDE - 25, 2))
            if label == "dot":
                cv2.circle(mask, (x, y), 9, 1, -1)
            else:
                cv2.line(mask, (x - 16, y - 5), (x + 16, y + 5), 1, 4)
            photo[mask != 0] = 30 if label == "dot" else 230
            (folder / "test" / label / f"{i:03}.png").write_bytes(png_bytes(photo))
            (folder / "ground_truth" / label / f"{i:03}_mask.png").write_bytes(mask_png_bytes(mask != 0))
    return folder


def test_the_lowest_third_of_ids_is_learned_from_and_nothing_is_on_both_sides(tmp_path: Path) -> None:
    learn, test = split_product(write_product(tmp_path / "plate"), tmp_path / "out")
    names = {side: sorted(p.name for p in (side / "test" / "dot").iterdir()) for side in (learn, test)}
    assert names[learn] == ["000.png", "001.png"] and names[test] == ["002.png", "003.png", "004.png", "005.png"]
    assert [p.name for p in sorted((learn / "ground_truth" / "dot").iterdir())] == ["000_mask.png", "001_mask.png"]
    assert not (learn / "test" / "good").exists() and len(list((test / "test" / "good").iterdir())) == 3
    assert split_product(tmp_path / "plate", tmp_path / "out") == (learn, test)


def write_loco(folder: Path) -> Path:
    """The same product in MVTec LOCO's layout, its dots as logical and its lines as structural anomalies."""
    write_product(folder, anomalies=3)
    for label, kind in (("dot", "logical_anomalies"), ("line", "structural_anomalies")):
        (folder / "test" / label).rename(folder / "test" / kind)
        for mask in sorted((folder / "ground_truth" / label).iterdir()):
            place = folder / "ground_truth" / kind / mask.name[:3] / "000.png"
            place.parent.mkdir(parents=True)
            mask.rename(place)
        (folder / "ground_truth" / label).rmdir()
    entry = {"defect_name": "any", "pixel_value": 255, "saturation_threshold": 1.0, "relative_saturation": True}
    (folder / "defects_config.json").write_text(json.dumps([entry]))
    return folder


def test_comgen_learns_from_a_third_of_the_good_photos_and_is_tested_on_all_of_the_test_set(tmp_path: Path) -> None:
    learn, test = split_normals(write_loco(tmp_path / "box"), tmp_path / "out")
    assert sorted(p.name for p in learn.rglob("*.png")) == ["000.png", "001.png"]
    assert len(list((test / "test").rglob("*.png"))) == 9 and (test / "defects_config.json").is_file()
    assert (test / "ground_truth" / "logical_anomalies" / "000" / "000.png").is_file()
    with pytest.raises(InputError, match="expected MVTec LOCO's layout"):
        measure(method="comgen", data=write_product(tmp_path / "plate"), out=tmp_path / "made", budget="toy")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_comgens_tables_are_of_logical_and_structural_anomalies(tmp_path: Path) -> None:
    """Minutes: components learned by the paper's preset, pictures drawn from noise, and CSDA trained on them."""
    data, out = write_loco(tmp_path / "box"), tmp_path / "out"
    made = measure(method="comgen", data=data, out=out, budget="toy", backbone="mini", device="cpu")
    samples = json.loads((out / "box" / "generate.json").read_text())["samples"]
    assert {label: len(ids) for label, ids in samples.items()} == {"logical_anomalies": 4, "structural_anomalies": 4}
    scores = made["tables"]["1"]["box"]
    assert scores["inception_score_logical"]["ours"] is None or scores["inception_score_logical"]["ours"] >= 1
    found = made["tables"]["2"]["box"]
    assert 0 <= found["spro"]["ours"] <= 100 and 0 <= found["image_auroc"]["ours"] <= 100
    assert "/ 91.2" in (out / "tables.md").read_text()
    check_report((out / "report.html").read_text(), "split", "learn", "generate", "score", "localize")


def test_a_plan_says_what_it_takes_and_makes_nothing(tmp_path: Path) -> None:
    data = write_product(tmp_path / "data" / "plate").parent
    said = measure(method="anomaly_diffusion", data=data, plan=True)["plan"]["plate"]
    assert said["pairs"] == 2000 and 71 < said["hours"]["learn"] < 73 and said["disk_gb"] >= 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data"]
    whole = protocol_of("gaa")
    half = budget_of("hours=10", whole, 2)
    assert 0.8 * 10 < sum(whole.hours(2, half).values()) < 1.2 * 10 and half.keep == half.pairs // 2


def test_what_cannot_be_is_said_in_one_line(tmp_path: Path) -> None:
    data = write_product(tmp_path / "plate")
    with pytest.raises(NotFound, match="there are anomaly_diffusion, gaa, dual_ano_diff, comgen"):
        measure(method="draem", data=data)
    with pytest.raises(InputError, match="expected MVTec AD's layout"):
        measure(method="gaa", data=tmp_path / "nothing")
    with pytest.raises(InputError, match="paper, toy or hours=N"):
        measure(method="gaa", data=data, budget="minutes=3", plan=True)
    with pytest.raises(InputError, match="--stage dream: there are split, learn"):
        measure(method="gaa", data=data, out=tmp_path / "out", budget="toy", stage=["dream"])


@pytest.mark.parametrize("method", sorted(PROTOCOLS))
def test_every_row_of_an_ablation_is_one_of_the_papers_and_takes_something_of_ours_away(method: str) -> None:
    printed = {row for table in published()[method].tables for row in table.ablation}
    assert set(ABLATIONS[method]) == printed
    assert sum(variant is WHOLE for variant in ABLATIONS[method].values()) == 1
    method_engine = engine(method)
    assert isinstance(method_engine, LearningEngine)
    for variant in ABLATIONS[method].values():
        read_settings(method_engine.Learning, {"preset": "paper", **variant.learning}, "learning")
        read_params(method_engine, variant.drawing)
        given = Placement(position="anywhere", **variant.placement)
        assert given.without_effect(variant.placement, has_examples=True) is None
        assert not variant.detector or variant.detector in detectors()


def test_rows_that_learn_alike_share_what_is_learned(tmp_path: Path) -> None:
    whole = ProductRun(tmp_path, tmp_path, protocol_of("gaa"), QUICK, "mini", "cpu", print, lambda: False)
    one, other = (
        replace(whole, row=name, variant=ABLATIONS["gaa"][name])
        for name in ("without AMFC", "without AMFC, RAMS, LQSF")
    )
    assert one.path("learn") == other.path("learn") != whole.path("learn")
    assert one.path("split") == whole.path("split") and one.path("score") != other.path("score")


def test_a_stage_says_how_long_it_still_takes() -> None:
    now, said = [0.0], list[str]()
    clock = StageClock("plate, learn", said.append, lambda: now[0], every=30)
    for step in range(1000, 1101):  # a stopped run goes on at 1,000
        now[0] += 1.0
        clock(step, 3000)
    assert said == ["plate, learn: 1,029 of 3,000, 33 min to go", "plate, learn: 1,059 of 3,000, 32 min to go",
                    "plate, learn: 1,089 of 3,000, 32 min to go"]  # fmt: skip


def test_a_plan_of_an_ablation_counts_its_rows(tmp_path: Path) -> None:
    data = write_product(tmp_path / "plate")
    whole, rows = (measure(method="gaa", data=data, table=[t], plan=True)["plan"]["plate"] for t in ("3", "5"))
    assert (whole["rows"], rows["rows"]) == (1, 4) and rows["pairs"] == 4 * whole["pairs"]
    assert rows["hours"]["learn"] == pytest.approx(2 * whole["hours"]["learn"], rel=0.01)
    assert whole["stages"] == ["split", "learn", "generate", "classify"] and "localize" not in rows["hours"]
    with pytest.raises(NotFound, match="--table 9: of GAA"):
        measure(method="gaa", data=data, table=["9"], plan=True)


def check_report(page: str, *stages: str) -> None:
    """The page holds each stage with pictures, and fetches nothing."""
    for stage in stages:
        assert f"<h3>{TITLES[stage]} (" in page
    assert page.count("<img src='data:image/jpeg;base64,") >= 3
    assert not re.findall(r"(?:src|href)=['\"](?!data:)", page) and "<script" not in page


@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_a_table_and_a_page_are_made_and_go_on_where_they_were_stopped(tmp_path: Path) -> None:
    """Every stage of one method once, with the shipped model: two steps of learning, two pairs a label."""
    given = {"method": "anomaly_diffusion", "data": write_product(tmp_path / "plate", 3, 3), "out": tmp_path / "out",
             "budget": "quick", "backbone": "mini", "device": "cpu"}  # fmt: skip
    told: list[str] = []

    def stopped() -> bool:
        return any("generate begins" in line for line in told)

    with pytest.raises(Cancelled):
        measure(**given, table=["2"], progress=told.append, cancelled=stopped)
    assert (tmp_path / "out" / "plate" / "learn.json").is_file(), "what was finished is kept"
    told.clear()
    made = measure(**given, table=["2"], progress=told.append)
    assert not any("learn begins" in line for line in told) and list(made["tables"]) == ["2"]
    assert 0 <= made["tables"]["2"]["plate"]["pixel_auroc"]["ours"] <= 100
    check_report((tmp_path / "out" / "report.html").read_text(), "split", "learn", "generate", "localize")
    assert not (tmp_path / "out" / "plate" / "score.json").exists(), "table 2 needs no scores"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("method", sorted(PROTOCOLS))
def test_an_ablation_is_made_row_by_row(method: str, tmp_path: Path) -> None:
    (number,) = (table.table for table in published()[method].tables if table.ablation)
    data = write_loco(tmp_path / "plate") if method == "comgen" else write_product(tmp_path / "plate", 3, 3)
    given = {"method": method, "data": data, "out": tmp_path / "out", "backbone": "mini", "device": "cpu"}
    rows = measure(**given, budget="quick", table=[number])["tables"][number]
    assert list(rows) == list(published()[method].table(number).ablation)
    networks = ("inception_score", "ic_lpips", "accuracy")  # not everywhere are these metrics' weights
    assert all(cell["ours"] is not None for row in rows.values() for name, cell in row.items() if name not in networks)
    page = (tmp_path / "out" / "report.html").read_text()
    assert all(f"plate: {row}<" in page for row, variant in ABLATIONS[method].items() if variant is not WHOLE)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("method", ["anomaly_diffusion", "gaa", "dual_ano_diff"])
def test_the_whole_way_is_made_kept_and_tabled(method: str, tmp_path: Path) -> None:
    """Minutes: it learns by each paper's preset, with the shipped model and a handful of steps."""
    data, out = write_product(tmp_path / "plate"), tmp_path / "out"
    made = measure(method=method, data=data, out=out, budget="toy", backbone="mini", device="cpu")
    assert [p.stem for p in sorted((out / "plate").glob("*.json")) if p.stem in STAGES] == sorted(STAGES)
    row = made["tables"]["2"]["plate"]
    assert 0 <= row["pixel_auroc"]["ours"] <= 100 and row["pixel_auroc"]["published"] is None
    samples = json.loads((out / "plate" / "generate.json").read_text())["samples"]
    assert sorted(samples) == ["dot", "line"] and all(samples.values())
    printed = {"anomaly_diffusion": "81.4", "gaa": "76.8", "dual_ano_diff": "84.5"}[method]
    tables = (out / "tables.md").read_text()
    assert "| mean |" in tables and f"/ {printed}" in tables
    check_report((out / "report.html").read_text(), *STAGES)
    again = measure(method=method, data=data, out=out, budget="toy", backbone="mini", device="cpu")
    assert again == made
    with pytest.raises(InputError, match="made otherwise"):
        measure(method=method, data=data, out=out, budget="paper", backbone="mini")
