"""A batch made in shards: the same samples as in one run, verified, never twice, and each fault named."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.cli import run
from core.api import GenerationBatch, SampleFilter, Workbench
from core.api.shards import Shard
from core.errors import InputError
from core.images import png_bytes, read_image

BATCH = GenerationBatch(engine="perlin", label="stain", count=10, seed=3, workers=1)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, photo_folder: Path) -> Path:
    path = tmp_path_factory.mktemp("shards") / "plates"
    with Workbench.create(path) as bench:
        bench.photos.import_images(photo_folder)
    return path


@pytest.fixture(scope="module")
def shards(template: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folders = [tmp_path_factory.mktemp("made") / f"shard-{i}" for i in (1, 2, 3)]
    for i, folder in enumerate(folders, start=1):
        with Workbench.open(template, for_reading=True) as bench:
            bench.shards.make(BATCH, f"{i}/3", folder)
    return folders


@pytest.fixture
def bench(template: Path, tmp_path: Path) -> Iterator[Workbench]:
    with Workbench.open(Path(shutil.copytree(template, tmp_path / "p"))) as opened:
        yield opened


@pytest.fixture
def copies(shards: list[Path], tmp_path: Path) -> list[Path]:
    return [Path(shutil.copytree(folder, tmp_path / folder.name)) for folder in shards]


def bytes_of(bench: Workbench) -> list[tuple[bytes, bytes, str, dict[str, float], bytes | None]]:
    rows = bench.review.page(SampleFilter(), 0, 100)
    return [(r.image_path.read_bytes(), r.mask_path.read_bytes(), r.recipe_json, r.scores, r.descriptor) for r in rows]


@pytest.mark.parametrize(("total", "count"), [(10, 3), (2, 5), (1000, 7)])
def test_shards_share_a_batch_evenly_and_leave_nothing_out(total: int, count: int) -> None:
    ranges = [Shard(i, count).indices(total) for i in range(1, count + 1)]
    assert [i for r in ranges for i in r] == list(range(total))
    assert max(map(len, ranges)) - min(map(len, ranges)) <= 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "a/b", "3", "1/0", "-1/2", "1/2/3"])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected i/n"):
        Shard.parse(text)


def test_merged_shards_are_what_one_run_makes(bench: Workbench, shards: list[Path], tmp_path: Path) -> None:
    merged = bench.shards.merge([shards[2], shards[0], shards[1]])
    assert (merged.samples, merged.missing, merged.damaged) == (10, 0, [])
    with Workbench.open(Path(shutil.copytree(bench.path, tmp_path / "q"))) as other:
        other.project.delete_samples(other.project.sample_ids())
        other.studio.generate(BATCH)
        assert bytes_of(bench) == bytes_of(other)


def test_merging_again_adds_nothing_and_keeps_verdicts(bench: Workbench, shards: list[Path]) -> None:
    first = bench.shards.merge(shards[:2])
    assert (first.samples, first.missing) == (6, 4)
    kept = bench.review.page(SampleFilter(), 0, 1)[0]
    bench.review.set_status([kept.id], "kept")
    again = bench.shards.merge(shards)
    assert (again.samples, again.already) == (4, 6)
    assert bench.review.page(SampleFilter(verdict="kept"), 0, 9)[0].id == kept.id


def test_making_a_shard_writes_nothing_to_the_project(template: Path, tmp_path: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in sorted(template.rglob("*"))}
    with Workbench.open(template, for_reading=True) as bench:
        bench.shards.make(BATCH, "1/5", tmp_path / "out")
    assert {p: p.stat().st_mtime_ns for p in sorted(template.rglob("*"))} == before


def test_a_stopped_shard_goes_on_where_it_was(bench: Workbench, copies: list[Path]) -> None:
    card, lost = copies[0], sorted((copies[0] / "samples").iterdir())[1]
    whole = lost.read_bytes()
    lost.unlink()
    made = bench.shards.make(BATCH, "1/3", card)
    assert (made.samples, made.found) == (3, 2) and lost.read_bytes() == whole


def _flip(folder: Path) -> str:
    path = folder / "images/0000001.png"
    path.write_bytes(path.read_bytes()[:-20] + b"x" * 20)
    return "checksum"


def _lose(folder: Path) -> str:
    (folder / "masks/0000001.png").unlink()
    return "is missing"


def _change_sample(folder: Path, **values: object) -> None:
    path = folder / "samples/0000001.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def _other_seed(folder: Path) -> str:
    path = folder / "samples/0000001.json"
    raw = json.loads(path.read_text())
    recipe = {**json.loads(raw["recipe"]), "seed": 5}
    _change_sample(folder, seed=5, recipe=json.dumps(recipe))
    return "is not that of sample 1"


def _outside_the_shard(folder: Path) -> str:
    raw = json.loads((folder / "samples/0000001.json").read_text())
    raw["files"][0]["file"] = "../../../etc/passwd"
    _change_sample(folder, files=raw["files"])
    return "outside the shard"


def _beside_the_mask(folder: Path) -> str:
    import hashlib

    path = folder / "images/0000001.png"
    data = png_bytes(255 - read_image(path))
    path.write_bytes(data)
    raw = json.loads((folder / "samples/0000001.json").read_text())
    raw["files"][0]["sha256"] = hashlib.sha256(data).hexdigest()
    _change_sample(folder, files=raw["files"])
    return "outside its mask"


def _newer(folder: Path) -> str:
    _change_sample(folder, format=99)
    return "newer Flawsmith"


@pytest.mark.parametrize("harm", [_flip, _lose, _other_seed, _outside_the_shard, _beside_the_mask, _newer])
def test_a_damaged_sample_is_named_and_the_others_come(bench: Workbench, copies: list[Path], harm) -> None:
    why = harm(copies[0])
    merged = bench.shards.merge(copies)
    assert merged.samples == 9 and len(merged.damaged) == 1
    assert merged.damaged[0].startswith("sample 1: ") and why in merged.damaged[0]


def test_shards_of_two_batches_are_not_merged_as_one(bench: Workbench, shards: list[Path], tmp_path: Path) -> None:
    bench.shards.make(BATCH.model_copy(update={"seed": 4}), "1/3", tmp_path / "other")
    with pytest.raises(InputError, match="another batch"):
        bench.shards.merge([shards[1], tmp_path / "other"])
    with pytest.raises(InputError, match="holds shard 2/3"):
        bench.shards.make(BATCH, "1/3", shards[1])
    with pytest.raises(InputError, match=r"found no shard\.json"):
        bench.shards.merge([tmp_path])
    with pytest.raises(InputError, match="new or empty folder"):
        bench.shards.make(BATCH, "1/3", bench.path)


def test_a_shard_of_other_photos_is_told_apart(bench: Workbench, shards: list[Path], tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(100, 160, (96, 128, 3)).astype(np.uint8)
    (tmp_path / "more").mkdir()
    (tmp_path / "more/one.png").write_bytes(png_bytes(image))
    bench.photos.import_images(tmp_path / "more")
    bench.shards.make(BATCH, "1/3", tmp_path / "s1")
    with pytest.raises(InputError, match="other photos"):
        bench.shards.merge([tmp_path / "s1", shards[1]])


def test_the_command_line_makes_and_merges(template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = Path(shutil.copytree(template, tmp_path / "p"))
    order = ["--engine", "perlin", "--label", "stain", "--count", "4", "--seed", "1"]
    for i in (1, 2):
        assert run(["generate", str(project), *order, "--shard", f"{i}/2", "--out", str(tmp_path / f"s{i}")]) == 0
    assert "shard 1/2: 2 samples" in capsys.readouterr().out
    assert run(["merge", str(project), str(tmp_path / "s1"), str(tmp_path / "s2"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 4
    assert run(["generate", str(project), *order, "--shard", "1/2"]) == 2
    assert "--shard and --out belong together" in capsys.readouterr().err
    next((tmp_path / "s1/images").iterdir()).write_bytes(b"")
    assert run(["merge", str(project), str(tmp_path / "s1")]) == 2
    assert "make those shards again" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_shard_is_made_of_a_project_that_may_only_be_read(template: Path, tmp_path: Path) -> None:
    project = Path(shutil.copytree(template, tmp_path / "p"))
    project.chmod(stat.S_IREAD | stat.S_IEXEC)
    try:
        with Workbench.open(project, for_reading=True) as bench:
            assert bench.shards.make(BATCH, "1/5", tmp_path / "out").samples == 2
    finally:
        project.chmod(stat.S_IRWXU)
