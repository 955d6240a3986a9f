"""The table of engines: made, looked at, stopped, taken up again, and refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import pytest

from app.cli import run
from core.bench import run_bench
from core.bench.realism import measure, pair_statistics
from core.bench.realism.rows import default_rows, parse_row
from core.errors import Cancelled, FlawsmithError, InputError
from tests.evaluation.plates import dataset

TINY = {"width": 4, "side": 32, "batch": 4, "epochs": 2, "samples": 8}
ROWS = ("real_few_shot", "cut_paste", "perlin:style=stain+real")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("realism")
    dataset(root / "plates", 6, {"dot": 4, "line": 4}, 0)
    dataset(root / "plates_dev", 0, {"good": 4, "dot": 3, "line": 3}, 2000)
    return root


@pytest.fixture(scope="module")
def made(folders: Path) -> tuple[Path, dict]:
    out = folders / "out"
    made = measure(quick=True, data=folders / "plates", out=out, rows=ROWS, count=3, params=TINY, looks=True)
    return out / "plates", made


@pytest.mark.thorough
def test_every_row_has_its_numbers_beside_what_it_learned_from(made: tuple[Path, dict]) -> None:
    out, result = made
    table = json.loads((out / "results.json").read_text())
    assert table["rows"] == result["tables"]["plates"]["rows"] and not table["left_out"]
    rows = {row["row"]: row for row in table["rows"]}
    assert list(rows) == list(ROWS)
    assert {name: row["learned_from"] for name, row in rows.items()} == {
        "real_few_shot": {"dot": 4, "good": 6, "line": 4},
        "cut_paste": {"dot": 3, "good": 6, "line": 3},
        "perlin:style=stain+real": {"dot": 7, "good": 6, "line": 7},
    }
    for row in rows.values():
        assert {"pixel_ap", "pixel_auroc", "pixel_f1_max", "pro", "image_auroc"} <= set(row["metrics"])
        assert row["best_on_test"] and list(row["seeds"]) == ["0"] and row["train_cpu_s"] > 0
    assert table["config"]["pairs_per_label"] == 3 and table["config"]["params"]["width"] == 4
    assert (
        table["signature"]["date"] and table["signature"]["processor"] and "torch" in table["signature"]["libraries"]
    )


@pytest.mark.thorough
def test_there_is_a_table_to_read_sheets_to_look_at_and_a_page(made: tuple[Path, dict]) -> None:
    out, _ = made
    text = (out / "table.md").read_text()
    assert all(f"| `{name}` |" in text for name in ROWS) and "±" in text and "commit" in text
    for name in ("real_few_shot", "cut_paste", "perlin-style=stain+real"):
        assert cv2.imread(str(out / f"sheet_{name}.png")).shape[0] > 600
    assert "cut_paste" in (out / "report.html").read_text()


@pytest.mark.thorough
def test_pairs_are_looked_at_beside_the_real_anomalies(made: tuple[Path, dict]) -> None:
    out, result = made
    real, cut_paste, perlin = result["tables"]["plates"]["rows"]
    assert "looks" not in real
    for row in (cut_paste, perlin):
        assert 0 <= row["looks"]["memorised"] <= 1 and 0 < row["looks"]["mask_iou"] <= 1
        assert row["looks"]["ic_efflite_mask"] >= 0
        assert f"| `{row['row']}` | {row['looks']['ic_efflite']:.2f} |" in (out / "table.md").read_text()


def test_a_photo_that_shows_what_is_learned_from_is_not_tested_and_the_table_says_so(tmp_path: Path) -> None:
    dataset(tmp_path / "plates", 6, {"dot": 4}, 0)
    dataset(tmp_path / "plates_dev", 0, {"good": 4, "dot": 6}, 2000)
    for folder, name in (("test/dot", "001.png"), ("ground_truth/dot", "001_mask.png")):
        shutil.copy(tmp_path / "plates" / folder / name, tmp_path / "plates_dev" / folder / name)
    photo = tmp_path / "plates_dev" / "test/dot/001.png"
    cv2.imwrite(str(photo), cv2.convertScaleAbs(cv2.imread(str(photo)), alpha=1.1, beta=5))
    measure(quick=True, data=tmp_path / "plates", out=tmp_path / "out", rows=("real_few_shot",), params=TINY)
    text = (tmp_path / "out" / "plates" / "table.md").read_text()
    assert "Not tested: 1 of 6 real anomalies was learned from" in text and "dot/001 (looks like dot/001)" in text


@pytest.mark.thorough
def test_a_finished_table_is_not_made_again(
    folders: Path, made: tuple[Path, dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.evaluation.detectors.unet import UNetDetector
    from core.jobs import generation

    def forbidden(*args: object, **more: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(UNetDetector, "fit", forbidden)
    monkeypatch.setattr(generation, "generate", forbidden)
    monkeypatch.setattr(pair_statistics, "evaluate_generation", forbidden)
    given = {"data": folders / "plates", "out": folders / "out", "rows": ROWS, "count": 3, "params": TINY}
    again = measure(quick=True, **given, looks=True)
    before, after = (r["tables"]["plates"]["rows"] for r in (made[1], again))
    assert [r["metrics"] for r in before] == [r["metrics"] for r in after]
    assert [r.get("looks") for r in before] == [r.get("looks") for r in after]
    assert [r["train_cpu_s"] for r in before] == [r["train_cpu_s"] for r in after]


@pytest.mark.thorough
def test_other_settings_need_another_folder(folders: Path, made: tuple[Path, dict]) -> None:
    with pytest.raises(InputError, match="pairs_per_label 3"):
        measure(quick=True, data=folders / "plates", out=folders / "out", rows=ROWS, count=4, params=TINY)


def test_a_stopped_table_goes_on(folders: Path, tmp_path: Path) -> None:
    said: list[str] = []
    given = {"data": folders / "plates", "out": tmp_path, "rows": ("poisson",), "count": 2, "params": TINY}
    with pytest.raises(Cancelled):
        measure(quick=True, **given, progress=said.append, cancelled=lambda: any("of dot" in line for line in said))
    assert any("pairs of dot" in line for line in said) and not any("pairs of line" in line for line in said)
    said.clear()
    measure(quick=True, **given, progress=said.append)
    assert not any("pairs of dot" in line for line in said) and any("pairs of line" in line for line in said)


def test_an_engine_that_cannot_run_is_left_out_and_said(folders: Path, tmp_path: Path) -> None:
    result = measure(
        quick=True, data=folders / "plates", out=tmp_path, rows=("layout", "cut_paste"), count=2, params=TINY
    )
    table = result["tables"]["plates"]
    assert "regions" in table["left_out"]["layout"] and "metrics" in table["rows"][1]
    assert "Left out: `layout`" in (tmp_path / "plates" / "table.md").read_text()


def test_a_folder_of_folders_gives_a_table_each(folders: Path, tmp_path: Path) -> None:
    result = measure(quick=True, data=folders, out=tmp_path, rows=("real_few_shot",), params=TINY, without=("line",))
    assert list(result["tables"]) == ["plates"]
    row = result["tables"]["plates"]["rows"][0]
    assert list(row["per_label"]) == ["dot"] and row["learned_from"] == {"dot": 4, "good": 6}


def test_rows_are_read_and_checked() -> None:
    row = parse_row("cut_paste:source=same,jitter=0.5+real")
    assert (row.engine, row.params, row.real) == ("cut_paste", {"source": "same", "jitter": 0.5}, True)
    row = parse_row("perlin:place.position=examples,keep=0.5")
    assert (row.placement, row.keep, row.params) == ({"position": "examples"}, 0.5, {})
    assert parse_row("real_few_shot").engine is None
    assert [r.name for r in default_rows()][:4] == ["real_few_shot", "cut_paste", "perlin", "poisson"]
    assert "layout" not in [r.name for r in default_rows()]
    for text, said in (
        ("nonsense", "there are"),
        ("cut_paste:jitter", "name=value"),
        ("cut_paste:jitters=1", "jitters"),
        ("cut_paste:place.colour=red", "colour"),
        ("cut_paste:keep=2", "a share"),
    ):
        with pytest.raises(FlawsmithError, match=said):
            parse_row(text)


@pytest.mark.parametrize(
    ("options", "said"),
    [({}, "--data"), ({"data": Path("nowhere"), "out": Path("x")}, "no such folder")],
)
def test_bad_folders_are_one_clear_line(options: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        run_bench("realism", **options)


@pytest.mark.thorough
def test_command_line(folders: Path, made: tuple[Path, dict], capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["bench", "realism", "--quick", "--data", str(folders / "plates"), "--out", str(folders / "out"), "--json"]
    argv += ["--rows", "real_few_shot cut_paste", "--count", "3"]
    argv += [word for name, value in TINY.items() for word in ("--param", f"{name}={value}")]
    assert run(argv) == 0
    said = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert [row["row"] for row in said["tables"]["plates"]["rows"]] == ["real_few_shot", "cut_paste"]
    assert run(["bench", "core", "--data", str(folders)]) == 2
    assert "no such option" in capsys.readouterr().err
