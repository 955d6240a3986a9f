"""Photos of more than 8 bits: one scale that can be said, source values beside the copies, 16 bits out again."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from app.cli import run
from core.api import Workbench
from core.errors import ExportError, InputError
from core.images import png_bytes, read_image
from core.images.depth import range_of, scale_of_set, to_8_bit
from core.images.source_depth import deep_png_bytes, mapped_back, read_deep_png
from core.importers.corrections import Corrections
from core.jobs.import_images import import_images
from core.store import Project
from tests.importers.drawn import MASK, mask, photo, write


def deep(seed: int, is_bad: bool = False) -> np.ndarray:
    """uint16 (H, W) of a 12-bit camera, with values between those that 8 bits can tell apart."""
    grain = np.random.default_rng(seed).integers(0, 12, MASK.shape)
    return (photo(seed, is_bad)[..., 1].astype(np.uint16) * 14 + grain).astype(np.uint16)


def source(folder: Path) -> Path:
    files = {f"OK/{n}.png": deep_png_bytes(deep(n)) for n in range(3)}
    return write(folder, files | {"NG/scratch/9.png": deep_png_bytes(deep(9, True)), "NG/scratch/9_mask.png": mask()})


@pytest.fixture
def bench(tmp_path: Path):
    with Workbench.create(tmp_path / "p") as made:
        made.photos.import_images(source(tmp_path / "in"))
        yield made


def values_of(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("format", ["mvtec-ad", "coco", "voc"])
def test_an_export_has_the_sources_own_values(bench: Workbench, tmp_path: Path, format: str) -> None:
    bench.datasets.export(format, tmp_path / "out", {"depth": "source"}, real=True)
    written = [values_of(p) for p in (tmp_path / "out").rglob("*.png")]
    deepest = [v for v in written if v.dtype == np.uint16]
    assert len(deepest) == 4
    for seed, is_bad in ((0, False), (1, False), (2, False), (9, True)):
        assert any(np.array_equal(v, deep(seed, is_bad)) for v in deepest)


def test_a_16_bit_export_comes_back_as_it_was(bench: Workbench, tmp_path: Path) -> None:
    bench.datasets.export("coco", tmp_path / "out", {"depth": "source"}, real=True)
    with Project.create(tmp_path / "again") as again:
        report = import_images(again, tmp_path / "out")
        assert report.as_dict()["depth"]["uint16"]["why"] == "as it was exported" and report.problems == ()
        mine = {row.name: row for row in bench.photos.page()}
        assert {row.name for row in again.normals()} == set(mine)
        for row in again.normals():
            np.testing.assert_array_equal(read_image(row.path), read_image(mine[row.name].path))
        assert len(again.source_depths()) == 4


def test_drawn_pixels_are_mapped_back_and_all_others_are_the_sources(bench: Workbench, tmp_path: Path) -> None:
    row = bench.photos.page()[0]
    project = bench.photos._project
    before = read_image(row.path)
    after = before.copy()
    after[MASK] = 40
    project.add_sample(
        normal_id=row.id, label="dent", kind="structural", engine="test", seed=0, recipe_json="{}", scores={},
        image_png=png_bytes(after, grey=True), mask_png=mask(),
    )  # fmt: skip
    bench.datasets.export("imagefolder", tmp_path / "out", {"depth": "source"})
    own, scale = deep(0), next(iter(project.source_depths().values()))
    drawn = [v for p in (tmp_path / "out").rglob("*.png") if (v := values_of(p)).dtype == np.uint16]
    (found,) = [v for v in drawn if not any(np.array_equal(v, deep(n)) for n in range(3))]
    np.testing.assert_array_equal(found[~MASK], own[~MASK])
    step = (scale.high - scale.low) / 255
    assert np.abs(found[MASK] - (scale.low + 40 * step)).max() <= step / 2 + 1
    assert len(np.unique(found[MASK])) > 3, "a drawn surface has no fewer levels than the photo"


def test_without_source_values_it_says_so(tmp_path: Path) -> None:
    with Workbench.create(tmp_path / "p") as bench:
        files = {"OK/0.png": png_bytes(photo(0)), "NG/1.png": png_bytes(photo(1, True)), "NG/1_mask.png": mask()}
        bench.photos.import_images(write(tmp_path / "in", files))
        with pytest.raises(ExportError, match="no photo of this project has source values"):
            bench.datasets.export("coco", tmp_path / "out", {"depth": "source"}, real=True)


def test_the_command_line_exports_it(bench: Workbench, tmp_path: Path) -> None:
    path = str(bench.path)
    bench.close()
    out = tmp_path / "out"
    assert run(["export", path, str(out), "--format", "mvtec-ad", "--real", "--depth", "source"]) == 0
    assert any(values_of(p).dtype == np.uint16 for p in out.rglob("*.png"))


def test_a_person_may_say_the_scale(tmp_path: Path) -> None:
    said = Corrections.parse([], [], ["uint16=0..8190"])
    with Project.create(tmp_path / "p") as project:
        report = import_images(project, source(tmp_path / "in"), said=said)
        assert report.as_dict()["depth"]["uint16"] == {"low": 0.0, "high": 8190.0, "why": "as a person said"}
        seen = read_image(project.normals()[0].path)[..., 0]
        np.testing.assert_array_equal(seen, np.rint(deep(0).astype(float) * 255 / 8190))
        other = Corrections.parse([], [], ["uint16=0..4095"])
        with pytest.raises(InputError, match=r"have the scale 0\.\.8190"):
            import_images(project, source(tmp_path / "in"), said=other)


@pytest.mark.parametrize("text", ["uint16", "uint16=5..5", "uint16=a..b", "=0..9", "uint16=0..inf"])
def test_a_scale_that_cannot_be_read_says_how_to_write_it(text: str) -> None:
    with pytest.raises(InputError, match=r"write it as TYPE=LOW\.\.HIGH"):
        Corrections.parse([], [], [text])


def test_a_scale_of_photos_that_are_not_there_is_named(tmp_path: Path) -> None:
    with Project.create(tmp_path / "p") as project, pytest.raises(InputError, match="there are: uint16"):
        import_images(project, source(tmp_path / "in"), said=Corrections.parse([], [], ["float32=0..1"]))


def test_a_hot_pixel_does_not_darken_a_photo_of_floats() -> None:
    values = photo(0)[..., 0].astype(np.float32) / 255
    values[3, 3] = 37.0
    assert np.abs(to_8_bit(values, "x")[0].astype(int) - photo(0)[..., 0]).max() <= 236
    scale = scale_of_set([range_of(values, "x")], values.dtype)
    assert (scale.low, scale.high) == (0.0, 1.0)
    np.testing.assert_allclose(np.delete(to_8_bit(values, "x")[0], 3, 0), np.delete(photo(0)[..., 0], 3, 0), atol=1)


def test_floats_are_spread_over_16_bits(tmp_path: Path) -> None:
    values = np.linspace(-3, 5, MASK.size, dtype=np.float32).reshape(MASK.shape)
    for n in range(2):
        (tmp_path / "in").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "in" / f"{n}.tif", values + n / 100)
    with Project.create(tmp_path / "p") as project:
        import_images(project, tmp_path / "in")
        (first, _) = project.source_depths().values()
        levels = read_deep_png(first.file.read_bytes(), "x")
        assert levels.min() < 100 and levels.max() > 65000 and len(np.unique(levels)) > 4000


def test_what_is_alike_keeps_its_value_and_what_is_not_follows() -> None:
    values = np.random.default_rng(0).integers(0, 4096, (40, 50, 3), dtype=np.uint16)
    before = np.rint(values * (255 / 4095)).astype(np.uint8)
    after = before.copy()
    after[5:9, 5:9] = (255 - after[5:9, 5:9]).astype(np.uint8)
    back = mapped_back(values, before, after, 0, 4095)
    again = np.rint(back * (255 / 4095)).astype(np.uint8)
    np.testing.assert_array_equal(again, after)
    changed = (before != after).any(axis=2)
    np.testing.assert_array_equal(back[~changed], values[~changed])


def test_source_values_of_removed_photos_are_swept(bench: Workbench) -> None:
    project = bench.photos._project
    files = {one.file for one in project.source_depths().values()}
    project.remove_normals([row.id for row in project.normals()])
    project.sweep(0)
    assert len(project.source_depths()) == 1 and sum(f.exists() for f in files) == 1


def drawn_on(bench: Workbench, value: int) -> str:
    """A sample on the first photo: the stroke of MASK in one grey value; its id."""
    row = bench.photos.page()[0]
    pixels = read_image(row.path).copy()
    pixels[MASK] = value
    made = bench.project.add_sample(
        normal_id=row.id, label="dent", kind="structural", engine="test", seed=0, recipe_json="{}", scores={},
        image_png=png_bytes(pixels, grey=True), mask_png=mask(),
    )  # fmt: skip
    return made.id


def test_another_scale_makes_the_working_copies_again(bench: Workbench, tmp_path: Path) -> None:
    bench.photos.set_split("1/2")
    ids, masks = [r.id for r in bench.photos.page()], [r.mask_paths for r in bench.photos.examples()]
    parts = [r.part for r in bench.photos.examples()]
    bench.project.set_region(ids[0], "disc", mask())
    report = bench.depth.change("uint16=0..8190")
    assert (report.photos, report.samples) == (4, 0) and bench.depth.scales()["uint16"].high == 8190
    assert bench.photos.page()[0].notes == ("uint16 scaled to 8-bit from 0..8190 (as a person said)",)
    assert bench.depth.change("uint16=0..8190").message == "the photos have this scale already"
    assert [r.id for r in bench.photos.page()] == ids and bench.project.region_names() == {"disc": 1}
    assert [r.mask_paths for r in bench.photos.examples()] == masks
    assert [r.part for r in bench.photos.examples()] == parts
    seen = read_image(bench.photos.page()[0].path)[..., 0]
    np.testing.assert_array_equal(seen, np.rint(deep(0).astype(float) * 255 / 8190))
    np.testing.assert_array_equal(bench.material.normal(ids[0]).pixels[..., 0], seen)
    again = bench.photos.import_images(source(tmp_path / "in"))
    assert again.normals == () and again.examples == () and len(again.duplicates) == 4
    bench.project.sweep(0)
    assert len(bench.project.source_depths()) == 4 and read_image(bench.photos.page()[2].path).any()


def test_what_was_drawn_on_the_old_scale_stays_and_is_told(bench: Workbench, tmp_path: Path) -> None:
    old = drawn_on(bench, 40)
    low, high = (lambda s: (s.low, s.high))(bench.depth.scales()["uint16"])
    report = bench.depth.change("uint16=0..8190")
    assert report.samples == 1 and "1 samples were drawn on the old scale" in report.message
    new = drawn_on(bench, 20)
    first, second = bench.review.compare(old), bench.review.compare(new)
    assert "scale was changed" in first.note and second.note == ""
    for seen in (first, second):
        changed = (read_image(seen.source_path) != read_image(seen.image_path)).any(axis=2)
        assert changed.any() and not changed[~MASK].any()
    bench.datasets.export("imagefolder", tmp_path / "out", {"depth": "source"})
    drawn = [v for p in (tmp_path / "out").rglob("*.png") if (v := values_of(p)).dtype == np.uint16]
    found = [v for v in drawn if not any(np.array_equal(v, deep(n)) for n in range(3))]
    levels = sorted(float(np.median(v[MASK])) for v in found)
    assert len(found) == 2 and all(np.array_equal(v[~MASK], deep(0)[~MASK]) for v in found)
    expected = sorted([low + 40 * (high - low) / 255, 20 * 8190 / 255])
    np.testing.assert_allclose(levels, expected, atol=(high - low) / 255 + 8190 / 255)


def test_a_scale_beyond_what_was_kept_of_floats_is_refused(tmp_path: Path) -> None:
    for n in range(3):
        (tmp_path / "in").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "in" / f"{n}.tif", photo(n)[..., 0].astype(np.float32) * 4 - 100)
    with Workbench.create(tmp_path / "p") as bench:
        bench.photos.import_images(tmp_path / "in")
        before = read_image(bench.photos.page()[0].path)
        with pytest.raises(InputError, match="only values in .* were kept"):
            bench.depth.change("float32=-5000..5000")
        bench.depth.change("float32=300..500")
        seen = read_image(bench.photos.page()[0].path)[..., 0].astype(float)
        true = ((photo(0)[..., 0].astype(float) * 4 - 100 - 300) * 255 / 200).clip(0, 255)
        assert np.abs(seen - true).max() <= 1 and not np.array_equal(seen, before[..., 0])


def test_the_command_line_shows_and_changes_the_scale(bench: Workbench, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(bench.path)
    bench.close()
    assert run(["scale", path, "uint16=0..6000"]) == 0
    assert run(["scale", path]) == 0
    assert "uint16: 0..6000 (as a person said)" in capsys.readouterr().out
    assert run(["scale", path, "float32=0..1"]) == 2
    assert "there are: uint16" in capsys.readouterr().err


def test_the_scale_of_one_of_three_number_types_is_changed_alone(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for n, (dtype, factor) in enumerate([("uint16", 40), ("int16", 30), ("float32", 4)] * 2):
        tifffile.imwrite(tmp_path / "in" / f"{n}.tif", (photo(n)[..., 0].astype(dtype) * factor).astype(dtype))
    with Workbench.create(tmp_path / "p") as bench:
        bench.photos.import_images(tmp_path / "in")
        before = {row.name: read_image(row.path) for row in bench.photos.page()}
        assert set(bench.depth.scales()) == {"uint16", "int16", "float32"}
        assert bench.depth.change("int16=0..30000").photos == 2
        changed = {row.name for row in bench.photos.page() if (read_image(row.path) != before[row.name]).any()}
    assert changed == {"1.tif", "4.tif"}
