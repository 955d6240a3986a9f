"""The command line end to end, in this process: new → regions → generate → review → export, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.cli import run
from core.api import SampleFilter, Workbench


def call(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> dict:
    assert run([*map(str, argv), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, photo_folder: Path, disc_masks: dict) -> Path:
    path = tmp_path_factory.mktemp("cli") / "plate"
    assert run(["new", str(path), "--normal", str(photo_folder)]) == 0
    for name, mask in disc_masks.items():
        file = path.parent / "mask.png"
        cv2.imwrite(str(file), mask.astype(np.uint8) * 255)
        assert run(["regions", str(path), "--photo", "plate 0.png", "--mask", f"{name}={file}"]) == 0
    return path


def test_new_counts_photos_and_says_what_it_left_out(
    tmp_path: Path, photo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for file in photo_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"rubbish")
    result = call(capsys, "new", tmp_path / "p", "--normal", folder)
    assert result["normals"] == 6
    assert [Path(p["path"]).name for p in result["problems"]] == ["broken.png"]


def test_regions_travel_to_every_photo(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = call(capsys, "regions", project, "--propagate")
    assert result["photos"] == 5
    assert result["names"] == {"left disc": 6, "right disc": 6}


@pytest.mark.parametrize("engine", ["cut_paste", "perlin", "poisson", "layout"])
def test_generate_keeps_everything_outside_the_mask(
    project: Path, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result = call(
        capsys, "generate", project, "--engine", engine, "--label", f"a_{engine}", "--count", "4", "--seed", "1"
    )
    assert result["samples"] == 4 and result["project"] == str(project)
    with Workbench.open(project) as bench:
        for row in bench.review.page(SampleFilter(engine=engine)):
            image, mask = cv2.imread(str(row.image_path)), cv2.imread(str(row.mask_path), 0)
            photo = cv2.imread(str(bench.photos.row(row.normal_id).path))
            assert set(np.unique(mask)) == {0, 255}
            assert (image[mask == 0] == photo[mask == 0]).all()
            assert (image[mask > 0] != photo[mask > 0]).any()


def test_same_seed_same_bytes_whatever_the_workers(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batches = []
    for workers in ("1", "3"):
        argv = ("--engine", "perlin", "--label", f"twin{workers}", "--count", "5", "--seed", "9", "--workers", workers)
        call(capsys, "generate", project, *argv)
        with Workbench.open(project) as bench:
            rows = bench.review.page(SampleFilter(label=f"twin{workers}", order_by="created"))
            batches.append([(cv2.imread(str(r.image_path)).tobytes(), r.mask_path.read_bytes()) for r in rows])
    assert len(batches[0]) == 5 and batches[0] == batches[1]


def test_every_sample_can_be_made_again_from_its_png(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "generate", project, "--engine", "layout", "--label", "again", "--count", "2", "--seed", "4")
    with Workbench.open(project) as bench:
        for row in bench.review.page(SampleFilter(label="again")):
            made = bench.studio.remake(bench.studio.recipe_from_png(row.image_path))
            assert (made.image == cv2.imread(str(row.image_path))[..., ::-1]).all()
            assert (made.mask == (cv2.imread(str(row.mask_path), 0) > 0)).all()


def test_review_keeps_the_best_and_export_takes_them(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("--engine", "cut_paste", "--label", "scratch", "--count", "6", "--seed", "2", "--keep-best", "3")
    made = call(capsys, "generate", project, *argv)
    assert made["kept"] <= 3 and made["kept"] + sum(made["reasons"].values()) == made["samples"] <= 6
    assert (made["quota"], made["budget"]) == (3, 6) and made["ended"] == ("full" if made["kept"] == 3 else "spent")
    report = call(capsys, "export", project, tmp_path / "out", "--format", "mvtec-ad", "--option", "category=plate")
    assert report["format"] == "mvtec-ad" and report["images"].get("scratch", 0) == made["kept"]
    assert len(list(Path(report["path"]).rglob("ground_truth/scratch/*.png"))) == made["kept"]


def test_review_auto_and_undo(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "generate", project, "--engine", "poisson", "--label", "undo_me", "--count", "3", "--seed", "3")
    before = call(capsys, "review", project)["counts"]["undo_me"]
    call(capsys, "review", project, "--auto")
    assert call(capsys, "review", project)["counts"]["undo_me"].get("new", 0) == 0
    assert call(capsys, "review", project, "--undo")["counts"]["undo_me"] == before


BAD = [
    (["new", "{tmp}/x", "--normal", "{tmp}/nowhere"], "no such file"),
    (["new", "{project}", "--normal", "{photos}"], "exists"),
    (["new", "{tmp}/x"], "--normal"),
    (["generate", "{tmp}/nowhere", "--engine", "perlin"], "not a Flawsmith project"),
    (["generate", "{project}", "--engine", "perlinn"], "perlinn"),
    (["generate", "{project}", "--engine", "perlin", "--label", "Ölfleck!"], "a-z"),
    (["generate", "{project}", "--engine", "perlin", "--label", "good"], "good"),
    (["generate", "{project}", "--engine", "perlin", "--param", "nonsense=1"], "there is no 'nonsense'"),
    (["generate", "{project}", "--engine", "perlin", "--param", "nonsense"], "name=value"),
    (["generate", "{project}", "--engine", "perlin", "--place", "count=0"], "count"),
    (["generate", "{project}", "--engine", "perlin", "--place", "source=examples"], "no real anomaly"),
    (["generate", "{project}", "--engine", "perlin", "--count", "0"], "count"),
    (["generate", "{project}", "--engine", "perlin", "--seed", "-1"], "seed"),
    (["generate", "{project}", "--engine", "perlin", "--count", "3", "--keep-best", "4"], "more than the 3"),
    (["generate", "{project}", "--engine", "perlin", "--spend"], "--keep-best"),
    (["generate", "{project}", "--engine", "perlin", "--rule", "min_change=0.1"], "--keep-best"),
    (["generate", "{project}", "--engine", "perlin", "--keep-best", "2", "--rule", "min_change=7"], "min_change"),
    (["generate", "{project}", "--engine", "layout", "--param", "region=bolt"], "bolt"),
    (["regions", "{project}", "--photo", "nope.png", "--auto"], "nope.png"),
    (["regions", "{project}", "--mask", "nope"], "NAME=FILE"),
    (["regions", "{project}", "--segmenter", "magic"], "magic"),
    (["review", "{project}", "--auto", "--rule", "min_change=7"], "min_change"),
    (["review", "{project}", "--rule", "min_change=0.1"], "--auto"),
    (["export", "{project}", "{tmp}/out", "--format", "pdf"], "pdf"),
    (["export", "{project}", "{photos}", "--format", "coco"], ""),
    (["export", "{project}", "{tmp}/out", "--format", "coco", "--option", "normal_train=2"], "normal_train"),
    (["models", "fetch"], "which"),
    (["models", "fetch", "sam_vit_z"], "sam_vit_z"),
    (["models", "burn"], "burn"),
    (["bench", "nothing"], "nothing"),
    (["ui", "{tmp}/nowhere"], "not a Flawsmith project"),
    (["fly"], "fly"),
    (["generate", "{project}"], "--engine"),
]


@pytest.mark.parametrize(("argv", "fragment"), BAD, ids=[" ".join(a)[:60] for a, _ in BAD])
def test_bad_input_gets_one_clear_line(
    argv: list[str],
    fragment: str,
    project: Path,
    photo_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {"tmp": tmp_path, "project": project, "photos": photo_folder}
    capsys.readouterr()
    assert run([text.format(**places) for text in argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and fragment in lines[0], err
