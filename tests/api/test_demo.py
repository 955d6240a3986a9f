"""The shipped demo: small enough, whole, and a project that opens with everything in it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.cli import run
from core.api import Workbench, demo
from core.api.demo import ASSETS, DEMO_PRODUCTS, demo_project, make_demo
from core.errors import InputError, StoreError, Unavailable
from core.images import read_image, read_mask
from core.importers import scan
from core.store import Project

NAMES = [d.name for d in DEMO_PRODUCTS]


@pytest.fixture(scope="module", params=NAMES)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("demo") / request.param
    make_demo(path, request.param)
    with Workbench.open(path) as opened:
        yield opened


def test_it_is_small() -> None:
    assert sum(p.stat().st_size for p in ASSETS.rglob("*") if p.is_file()) <= 8_000_000


def test_photos_regions_and_anomalies_are_there(bench: Workbench) -> None:
    assert bench.photos.count() >= 25
    photos = bench.photos.page()
    assert all((row.width, row.height) == (1024, 1024) for row in photos)
    names = [{region.name for region in bench.regions.of_photo(row.id)} for row in photos]
    assert len(names[0]) >= 4 and all(named == names[0] for named in names)
    for row in (photos[0], photos[-1]):
        regions = bench.regions.with_masks(row.id)
        assert all(r.source == "hand" for r in regions)
        assert np.sum([r.mask for r in regions], axis=0).max() == 1
    examples = bench.photos.examples()
    assert len(examples) >= 10 and len({e.label for e in examples}) >= 4
    for example in examples:
        masks = [read_mask(path) for path in example.mask_paths]
        assert read_image(example.path).shape[:2] == masks[0].shape
        assert all(0 < mask.mean() < 0.5 for mask in masks)


def test_regions_lie_on_their_parts(bench: Workbench) -> None:
    """A region's pixels differ from their surroundings on nearly every photo: it is no empty place."""
    row = bench.photos.page(limit=1)[0]
    pixels = read_image(row.path).astype(float).mean(axis=2)
    for region in bench.regions.with_masks(row.id):
        assert pixels[region.mask].std() > 4 or abs(pixels[region.mask].mean() - np.median(pixels)) > 4


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_loco_dataset(name: str, tmp_path: Path) -> None:
    plan = scan(ASSETS / name)
    plan.close()
    assert plan.layout == "mvtec-loco" and not plan.unmasked
    assert {p.path.split("/")[0] for p in plan.problems} == {"regions", "demo.json", "test"}
    assert all(p.path.startswith("test/good/") for p in plan.problems if p.path.startswith("test/"))
    truth = {p["file"]: p for p in json.loads((ASSETS / name / "demo.json").read_text())["photos"]}
    assert all((ASSETS / name / file).is_file() for file in truth)
    faults = {a.entry.name.split("/")[-1]: a for a in plan.anomalies}
    assert faults and len(plan.anomalies) == sum(p["label"] != "good" for p in truth.values())
    assert all(p["caption"].startswith("a ") for p in truth.values())


def test_masks_cover_what_is_wrong() -> None:
    """A missing part's photo, against the same kind of photo: the masked place is where the part is not."""
    folder = ASSETS / "fastener_tray"
    photos = json.loads((folder / "demo.json").read_text())["photos"]
    missing = next(p for p in photos if p["label"] == "missing_nut")
    stem = Path(missing["file"]).stem
    mask = read_mask(next((folder / "ground_truth" / "logical_anomalies" / stem).glob("*.png")))
    pixels = read_image(folder / missing["file"]).astype(float)
    good = read_image(folder / "train" / "good" / "000.jpg").astype(float)
    nut = read_mask(folder / "regions" / "train" / "000" / "nut.png")
    brass = lambda image, where: (image[..., 0] - image[..., 2])[where].mean()  # noqa: E731
    assert brass(good, nut) > 30 and brass(pixels, mask) < 15


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", str(tmp_path / "p"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert (
        result["normals"] >= 25
        and result["examples"]["missing_nut"] == 1
        and result["regions"]["nut"] == result["normals"]
    )
    assert run(["demo", str(tmp_path / "p")]) == 2
    assert "exists" in capsys.readouterr().err
    assert run(["demo", str(tmp_path / "q"), "--product", "teapot"]) == 2
    assert "gear_unit" in capsys.readouterr().err and not (tmp_path / "q").exists()


def test_first_start_makes_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAWSMITH_PROJECTS", str(tmp_path / "projects"))
    path = demo_project("gear_unit")
    with Project.open(path) as project:
        project.set_setting("mine", 1)
    assert demo_project("gear_unit") == path
    with Project.open(path) as project:
        assert project.get_setting("mine") == 1 and project.count_normals() >= 25
    assert [p.name for p in path.parent.iterdir()] == ["gear_unit"]


def test_half_made_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyError("stopped")

    with pytest.raises(KeyError):
        make_demo(tmp_path / "p", progress=stop)
    assert not (tmp_path / "p").exists()
    with pytest.raises(InputError, match="brushed_plate"):
        make_demo(tmp_path / "p", "nothing")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(StoreError):
        make_demo(tmp_path / "full")
    assert (tmp_path / "full" / "mine.txt").read_text() == "keep"
    monkeypatch.setattr(demo, "ASSETS", tmp_path / "nowhere")
    with pytest.raises(Unavailable, match="assets"):
        make_demo(tmp_path / "p")
