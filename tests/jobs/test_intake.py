"""Import: what is taken from where, and what is left out and why."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from core.errors import Cancelled, InputError
from core.images import read_image, read_mask
from core.importers import safe_label
from core.jobs.import_images import import_images
from core.store import Project
from tests.jobs.files import coded, mask_png, picture, png, write, zipped


def names(project: Project) -> list[str]:
    return [row.name for row in project.normals()]


CATEGORY = {
    "train/good/000.png": png(0),
    "train/good/001.png": png(1),
    "test/good/000.png": png(2),
    "test/Copper Hole/000.png": png(3),
    "ground_truth/Copper Hole/000_mask.png": mask_png(),
    "test/bent/000.png": png(4),
    "ground_truth/bent/000_mask.png": mask_png(value=1, at=9),
    "license.txt": b"by us",
}
LOCO = {
    "train/good/000.png": png(0),
    "validation/good/000.png": png(1),
    "test/logical_anomalies/000.png": png(2),
    "ground_truth/logical_anomalies/000/000.png": mask_png(value=250),
    "ground_truth/logical_anomalies/000/001.png": mask_png(value=251, at=14),
    "test/structural_anomalies/000.png": png(3),
    "ground_truth/structural_anomalies/000/000.png": mask_png(),
    "defects_config.json": b"[]",
}


def test_a_folder_of_any_names_in_natural_order(project, tmp_path):
    files = {f"{n} Teil ü.png": png(n) for n in (10, 9, 2)}
    files |= {"sub/deeper/no_extension": png(20), "wrong.txt": png(21), "b.JPG": coded(picture(22), "JPEG")}
    hidden = {".DS_Store": b"x", ".git/a.png": png(30), "__MACOSX/._a.png": b"x", "Thumbs.db": b"x"}
    report = import_images(project, write(tmp_path / "in", files | hidden))
    assert names(project) == [
        "2 Teil ü.png",
        "9 Teil ü.png",
        "10 Teil ü.png",
        "b.JPG",
        "sub/deeper/no_extension",
        "wrong.txt",
    ]
    assert report.layout == "photos" and report.normals == tuple(names(project))
    assert report.problems == () and report.duplicates == ()
    row = project.normals()[0]
    assert (row.width, row.height, row.grey) == (32, 24, False)
    np.testing.assert_array_equal(read_image(row.path), picture(2))


def test_duplicates_are_named_and_taken_once(project, tmp_path):
    source = write(tmp_path / "in", {"a.png": png(1), "b/copy of a.png": png(1), "c.png": png(2)})
    report = import_images(project, source)
    assert report.normals == ("a.png", "c.png") and report.duplicates == ("b/copy of a.png",)
    again = import_images(project, source)
    assert again.normals == () and len(again.duplicates) == 3
    assert project.count_normals() == 2


def test_every_photo_format_an_inspector_has(project, tmp_path):
    deep = np.linspace(300, 4000, 24 * 32).reshape(24, 32).astype(np.uint16)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    files = {
        "16bit.tif": coded(deep, "TIFF"),
        "bmp.bmp": coded(picture(1), "BMP"),
        "grey.png": coded(picture(2, grey=True)),
        "palette.png": (lambda b: (PIL.Image.fromarray(picture(3)).quantize(16).save(b, "PNG"), b.getvalue())[1])(
            io.BytesIO()
        ),
        "turned.jpg": coded(picture(4), "JPEG", exif=exif),
        "webp.webp": coded(picture(5), "WEBP", lossless=True),
    }
    report = import_images(project, write(tmp_path / "in", files))
    assert report.problems == ()
    rows = {row.name: row for row in project.normals()}
    assert set(rows) == set(files)
    assert any("16" in note for note in rows["16bit.tif"].notes) and rows["16bit.tif"].grey
    assert (rows["turned.jpg"].width, rows["turned.jpg"].height) == (24, 32)
    for row in rows.values():
        assert read_image(row.path).shape == (row.height, row.width, 3)


@pytest.mark.parametrize("wrap", ["", "bolt/", "delivery/bolt/"])
@pytest.mark.parametrize("as_zip", [False, True])
def test_mvtec_ad(project, tmp_path, wrap, as_zip):
    files = {wrap + name: data for name, data in CATEGORY.items()} | {"readme.txt": b"hello"}
    source = zipped(tmp_path / "in.zip", files) if as_zip else write(tmp_path / "in", files)
    report = import_images(project, source)
    assert report.layout == "mvtec-ad"
    left = {Path(p.path).name for p in report.problems}
    assert left == {"000.png", "license.txt", "readme.txt"}, "test/good and what is no photo"
    assert names(project) == ["000.png", "001.png"]
    assert [(e.label, e.kind, e.name) for e in project.examples()] == [
        ("bent", "structural", "test/bent/000.png"),
        ("copper_hole", "structural", "test/Copper Hole/000.png"),
    ]
    for row in project.examples():
        (mask,) = (read_mask(p) for p in row.mask_paths)
        assert mask.sum() == 30 and mask.shape == (row.height, row.width) == (24, 32)
    assert any("'Copper Hole' became 'copper_hole'" in note for note in report.notes)
    assert any("1 photos of test/good left out" in note for note in report.notes)
    assert report.as_dict()["examples"] == {"bent": 1, "copper_hole": 1}


def test_mvtec_loco_keeps_instances_and_kinds(project, tmp_path):
    report = import_images(project, write(tmp_path / "in", LOCO))
    assert report.layout == "mvtec-loco" and report.problems == ()
    assert [(row.name, row.notes) for row in project.normals()] == [
        ("000.png", ()),
        ("validation/good/000.png", ("from the validation part",)),
    ]
    logical, structural = project.examples()
    assert (logical.label, logical.kind, len(logical.mask_paths)) == ("logical_anomalies", "logical", 2)
    assert (structural.label, structural.kind, len(structural.mask_paths)) == ("structural_anomalies", "structural", 1)
    first, second = (read_mask(p) for p in logical.mask_paths)
    assert first[4, 4] and second[14, 14] and not (first & second).any()


def test_test_good_is_taken_where_there_is_no_training_part(project, tmp_path):
    files = {name: data for name, data in CATEGORY.items() if not name.startswith("train")}
    import_images(project, write(tmp_path / "in", files))
    assert [(row.name, row.notes) for row in project.normals()] == [("test/good/000.png", ("from the test part",))]


@pytest.mark.parametrize(
    ("photo", "masks"),
    [
        ("Deep Crack/a.png", ["Deep Crack/a_mask.png"]),
        ("Deep Crack/a.jpg", ["Deep Crack/a_mask_1.png", "Deep Crack/a_mask_2.png"]),
        ("Deep Crack/a.png", ["Deep Crack/masks/a.png"]),
        ("Deep Crack/images/a.png", ["Deep Crack/masks/a_mask.png"]),
        ("Deep Crack/a.png", ["ground_truth/Deep Crack/a_mask.png"]),
        ("Deep Crack/a.png", ["ground_truth/Deep Crack/a/000.png", "ground_truth/Deep Crack/a/001.png"]),
        ("images/Deep Crack/a.bmp", ["masks/Deep Crack/a.png"]),
        ("test/Deep Crack/a.png", ["ground_truth/Deep Crack/a_mask.png"]),
    ],
)
def test_anomalies_beside_the_photos(project, tmp_path, photo, masks):
    form = {".png": "PNG", ".jpg": "JPEG", ".bmp": "BMP"}[Path(photo).suffix]
    bad = write(tmp_path / "bad", {photo: coded(picture(7), form)})
    write(bad, {name: mask_png(at=4 + 6 * i) for i, name in enumerate(masks)})
    good = write(tmp_path / "good", {"a.png": png(1)})
    report = import_images(project, good, anomalies=bad)
    assert report.problems == () and report.normals == ("a.png",)
    (row,) = project.examples()
    assert row.label == "deep_crack" and len(row.mask_paths) == len(masks)


def test_a_label_makes_all_photos_anomalies(project, tmp_path):
    source = write(tmp_path / "in", {"a.png": png(1), "a_mask.png": mask_png(), "b.png": png(2)})
    report = import_images(project, source, label="dent")
    assert report.examples == (("dent", "a.png"),) and project.count_normals() == 0
    assert [p.path for p in report.problems] == ["b.png"]
    with pytest.raises(InputError, match="a-z"):
        import_images(project, source, label="Dent!")


def test_an_anomaly_folder_without_subfolders_takes_its_own_name(project, tmp_path):
    bad = write(tmp_path / "Öl-Fleck", {"a.png": png(1), "a_mask.png": mask_png()})
    import_images(project, write(tmp_path / "good", {"a.png": png(3)}), anomalies=bad)
    assert [row.label for row in project.examples()] == ["ol_fleck"]


def test_files_one_by_one(project, tmp_path):
    write(tmp_path, {"a.png": png(1), "b.png": png(2)})
    assert import_images(project, tmp_path / "a.png").normals == ("a.png",)
    report = import_images(
        project, [tmp_path / "b.png", tmp_path / "gone.png", zipped(tmp_path / "z.zip", {"c": png(3)})]
    )
    assert report.normals == ("b.png", "c")
    assert [str(p) for p in report.problems] == [
        f"{tmp_path / 'gone.png'}: there is no such file or folder; check the path"
    ]


def test_a_zip_from_windows_and_a_zip_within(project, tmp_path):
    files = {"teile\\a.png": png(1), "inner.zip": zipped(tmp_path / "inner.zip", {"b.png": png(2)}).read_bytes()}
    report = import_images(project, zipped(tmp_path / "in.zip", files))
    assert report.normals == ("teile/a.png",)
    assert [p.path for p in report.problems] == ["inner.zip"] and "a zip" in report.problems[0].reason


def test_progress_counts_to_the_end_and_cancel_keeps_what_was_imported(project, tmp_path):
    source = write(tmp_path / "in", {f"{n}.png": png(n) for n in range(40)})
    news: list[tuple[int, int]] = []
    with pytest.raises(Cancelled, match="of 40 photos; they are kept"):
        import_images(
            project, source, progress=lambda *n: news.append(n), cancelled=lambda: bool(news) and news[-1][0] >= 5
        )
    kept = project.count_normals()
    assert 5 <= kept < 40 and news[-1] == (kept, 40)
    news.clear()
    import_images(project, source, progress=lambda *n: news.append(n))
    assert news[0] == (0, 40) and news[-1] == (40, 40) and news == sorted(news)
    assert project.count_normals() == 40


def test_the_order_does_not_depend_on_threads(tmp_path):
    files = {f"{n}.png": png(n, (16 + 12 * (n * 5 % 7), 300)) for n in range(30)}
    source = write(tmp_path / "in", files)
    for name in ("p", "q"):
        with Project.create(tmp_path / name) as project:
            import_images(project, source)
            assert names(project) == [f"{n}.png" for n in range(30)]


def test_a_project_among_the_photos_is_not_imported(project, tmp_path):
    source = write(tmp_path / "in", {"a.png": png(1)})
    with Project.create(source / "old") as old:
        old.add_normal(png(2), "png", "b.png", 32, 24, False)
    report = import_images(project, source)
    assert report.normals == ("a.png",) and [p.path for p in report.problems] == ["old"]
    with pytest.raises(InputError, match="Flawsmith project"):
        import_images(project, source / "old")


def test_links_are_followed_but_not_in_circles(project, tmp_path):
    source = write(tmp_path / "in", {"a/1.png": png(1)})
    write(tmp_path / "elsewhere", {"2.png": png(2)})
    (source / "a" / "back").symlink_to(source)
    (source / "b").symlink_to(tmp_path / "elsewhere")
    assert import_images(project, source).normals == ("a/1.png", "b/2.png")


def test_a_name_that_is_no_text(project, tmp_path):
    write(tmp_path, {"in/x": b"x"})
    try:
        Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/\xff\xfe.png")).write_bytes(png(1))
    except OSError:
        pytest.skip("this disk takes only text")
    report = import_images(project, tmp_path / "in")
    assert report.normals == ("\ufffd\ufffd.png",) == tuple(names(project))


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("Copper Hole", "copper_hole"),
        ("größe", "grosse"),
        ("a--b__c", "a_b_c"),
        ("good", "good_defect"),
        ("x" * 80, "x" * 64),
    ],
)
def test_safe_labels(raw, safe):
    assert safe_label(raw) == safe


def test_labels_of_other_scripts_stay_apart():
    one, two = safe_label("划痕"), safe_label("裂纹")
    assert one != two and one.startswith("defect_") and safe_label("划痕") == one


@pytest.mark.skipif("FLAWSMITH_DATA" not in os.environ, reason="needs FLAWSMITH_DATA")
def test_real_tiles(project):
    report = import_images(project, Path(os.environ["FLAWSMITH_DATA"]) / "magnetic_tile")
    assert (len(report.normals), len(report.examples), report.problems) == (243, 143, ())
    for row in project.examples()[::20]:
        assert read_mask(row.mask_paths[0]).shape == read_image(row.path).shape[:2]
