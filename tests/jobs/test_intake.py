"""Import: what is taken from where, and what is left out and why."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from core.errors import Cancelled, InputError
from core.images import read_image, read_mask
from core.jobs import intake
from core.jobs.intake import IntakeReport, entries, take_in
from core.store import Project


def picture(seed: int = 0, size: tuple[int, int] = (24, 32), grey: bool = False) -> np.ndarray:
    shape = size if grey else (*size, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def coded(array: np.ndarray, form: str = "PNG", **more) -> bytes:
    out = io.BytesIO()
    PIL.Image.fromarray(array).save(out, form, **more)
    return out.getvalue()


def png(seed: int = 0, size: tuple[int, int] = (24, 32)) -> bytes:
    return coded(picture(seed, size))


def mask_png(size: tuple[int, int] = (24, 32), value: int = 255, at: int = 4) -> bytes:
    mask = np.zeros(size, np.uint8)
    mask[at : at + 5, at : at + 6] = value
    return coded(mask)


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "project") as made:
        yield made


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
    report = take_in(project, write(tmp_path / "in", files | hidden))
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
    report = take_in(project, source)
    assert report.normals == ("a.png", "c.png") and report.duplicates == ("b/copy of a.png",)
    again = take_in(project, source)
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
    report = take_in(project, write(tmp_path / "in", files))
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
    report = take_in(project, source)
    assert report.layout == "mvtec-ad" and report.problems == ()
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
    report = take_in(project, write(tmp_path / "in", LOCO))
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
    take_in(project, write(tmp_path / "in", files))
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
    report = take_in(project, good, anomalies=bad)
    assert report.problems == () and report.normals == ("a.png",)
    (row,) = project.examples()
    assert row.label == "deep_crack" and len(row.mask_paths) == len(masks)


def test_a_label_makes_all_photos_anomalies(project, tmp_path):
    source = write(tmp_path / "in", {"a.png": png(1), "a_mask.png": mask_png(), "b.png": png(2)})
    report = take_in(project, source, label="dent")
    assert report.examples == (("dent", "a.png"),) and project.count_normals() == 0
    assert [p.path for p in report.problems] == ["b.png"]
    with pytest.raises(InputError, match="a-z"):
        take_in(project, source, label="Dent!")


def test_an_anomaly_folder_without_subfolders_takes_its_own_name(project, tmp_path):
    bad = write(tmp_path / "Öl-Fleck", {"a.png": png(1), "a_mask.png": mask_png()})
    take_in(project, write(tmp_path / "good", {"a.png": png(3)}), anomalies=bad)
    assert [row.label for row in project.examples()] == ["ol_fleck"]


def test_files_one_by_one(project, tmp_path):
    write(tmp_path, {"a.png": png(1), "b.png": png(2)})
    assert take_in(project, tmp_path / "a.png").normals == ("a.png",)
    report = take_in(project, [tmp_path / "b.png", tmp_path / "gone.png", zipped(tmp_path / "z.zip", {"c": png(3)})])
    assert report.normals == ("b.png", "c")
    assert [str(p) for p in report.problems] == [
        f"{tmp_path / 'gone.png'}: there is no such file or folder; check the path"
    ]


def test_a_zip_from_windows_and_a_zip_within(project, tmp_path):
    files = {"teile\\a.png": png(1), "inner.zip": zipped(tmp_path / "inner.zip", {"b.png": png(2)}).read_bytes()}
    report = take_in(project, zipped(tmp_path / "in.zip", files))
    assert report.normals == ("teile/a.png",)
    assert [p.path for p in report.problems] == ["inner.zip"] and "a zip" in report.problems[0].reason


def test_progress_counts_to_the_end_and_cancel_keeps_what_was_imported(project, tmp_path):
    source = write(tmp_path / "in", {f"{n}.png": png(n) for n in range(40)})
    news: list[tuple[int, int]] = []
    with pytest.raises(Cancelled, match="of 40 photos; they are kept"):
        take_in(project, source, progress=lambda *n: news.append(n), cancelled=lambda: bool(news) and news[-1][0] >= 5)
    kept = project.count_normals()
    assert 5 <= kept < 40 and news[-1] == (kept, 40)
    news.clear()
    take_in(project, source, progress=lambda *n: news.append(n))
    assert news[0] == (0, 40) and news[-1] == (40, 40) and news == sorted(news)
    assert project.count_normals() == 40


def test_the_order_does_not_depend_on_threads(tmp_path):
    files = {f"{n}.png": png(n, (16 + 12 * (n * 5 % 7), 300)) for n in range(30)}
    source = write(tmp_path / "in", files)
    for name in ("p", "q"):
        with Project.create(tmp_path / name) as project:
            take_in(project, source)
            assert names(project) == [f"{n}.png" for n in range(30)]


def test_a_project_among_the_photos_is_not_imported(project, tmp_path):
    source = write(tmp_path / "in", {"a.png": png(1)})
    with Project.create(source / "old") as old:
        old.add_normal(png(2), "png", "b.png", 32, 24, False)
    report = take_in(project, source)
    assert report.normals == ("a.png",) and [p.path for p in report.problems] == ["old"]
    with pytest.raises(InputError, match="Flawsmith project"):
        take_in(project, source / "old")


def test_links_are_followed_but_not_in_circles(project, tmp_path):
    source = write(tmp_path / "in", {"a/1.png": png(1)})
    write(tmp_path / "elsewhere", {"2.png": png(2)})
    (source / "a" / "back").symlink_to(source)
    (source / "b").symlink_to(tmp_path / "elsewhere")
    assert take_in(project, source).normals == ("a/1.png", "b/2.png")


def test_a_name_that_is_no_text(project, tmp_path):
    write(tmp_path, {"in/x": b"x"})
    try:
        Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/\xff\xfe.png")).write_bytes(png(1))
    except OSError:
        pytest.skip("this disk takes only text")
    report = take_in(project, tmp_path / "in")
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
    assert intake.safe_label(raw) == safe


def test_labels_of_other_scripts_stay_apart():
    one, two = intake.safe_label("划痕"), intake.safe_label("裂纹")
    assert one != two and one.startswith("defect_") and intake.safe_label("划痕") == one


def bomb_png() -> bytes:
    """A PNG whose header promises 60000 x 60000 pixels."""
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


def animated() -> bytes:
    out = io.BytesIO()
    frames = [PIL.Image.fromarray(picture(n)) for n in range(3)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


def anomaly(photo: bytes | None, mask: bytes | None) -> dict[str, bytes]:
    given = {"test/dent/0.png": photo, "ground_truth/dent/0_mask.png": mask}
    return {"train/good/0.png": png(99)} | {name: data for name, data in given.items() if data is not None}


BAD_FILES = [
    ("empty.png", b"", "empty"),
    ("cut.png", png(1)[:-200], "truncated|damaged"),
    ("cut.jpg", coded(picture(1, (64, 64)), "JPEG")[:-700], "truncated|damaged"),
    ("cut.tif", coded(picture(1), "TIFF")[:100], "truncated|damaged"),
    ("text.png", b"no image at all", "not an image"),
    ("report.pdf", b"%PDF-1.7 " + b"x" * 999, "got a PDF"),
    ("film.png", b"\0\0\0 ftypisom" + os.urandom(400_000), "video"),
    ("large.bin", os.urandom(400_000), "not an image"),
    ("bomb.png", bomb_png(), "megapixels"),
    ("moving.gif", animated(), "animated"),
    ("tiny.png", png(1, (8, 40)), "at least 16 pixels"),
    ("a_mask.png", mask_png(), "looks like the mask of 'a'"),
]


@pytest.mark.parametrize(("name", "data", "says"), BAD_FILES, ids=[name for name, _, _ in BAD_FILES])
@pytest.mark.parametrize("as_zip", [False, True])
def test_a_bad_file_is_named_and_the_rest_is_imported(project, tmp_path, name, data, says, as_zip):
    files = {"a.png": png(50), f"{name}": data, "z.png": png(51)}
    source = zipped(tmp_path / "in.zip", files) if as_zip else write(tmp_path / "in", files)
    check_one_problem(project, take_in(project, source), name, says)
    assert names(project) == ["a.png", "z.png"]


BAD_ANOMALIES = [
    ("without a mask", anomaly(png(1), None), "test/dent/0.png", "no mask; expected 0_mask.png"),
    ("without a photo", anomaly(None, mask_png()), "ground_truth/dent/0_mask.png", "mask without a photo"),
    ("mask of another size", anomaly(png(1), mask_png((24, 33))), "test/dent/0.png", "32x24.*33x24"),
    ("empty mask", anomaly(png(1), mask_png(value=0)), "test/dent/0.png", "0_mask.png is empty"),
    ("mask that is no image", anomaly(png(1), b"x" * 99), "test/dent/0.png", "its mask .*not an image"),
    ("broken photo", anomaly(png(1)[:-200], mask_png()), "test/dent/0.png", "truncated|damaged"),
]


@pytest.mark.parametrize(("files", "path", "says"), [b[1:] for b in BAD_ANOMALIES], ids=[b[0] for b in BAD_ANOMALIES])
def test_a_bad_anomaly_is_named_and_the_rest_is_imported(project, tmp_path, files, path, says):
    more = {"test/scratch/1.png": png(60), "ground_truth/scratch/1_mask.png": mask_png()}
    report = take_in(project, write(tmp_path / "in", files | more))
    check_one_problem(project, report, path, says)
    assert [row.label for row in project.examples()] == ["scratch"] and project.count_normals() == 1


def check_one_problem(project: Project, report: IntakeReport, path: str, says: str) -> None:
    import re

    (problem,) = report.problems
    assert problem.path == path and "\n" not in problem.reason
    assert re.search(says, problem.reason), problem.reason
    assert not problem.reason.startswith(Path(path).name)
    rows = [*(r.path for r in project.normals()), *(p for e in project.examples() for p in (e.path, *e.mask_paths))]
    assert sorted(p for p in (project.path / "files").rglob("*") if p.is_file()) == sorted(set(rows))
    assert report.as_dict()["problems"] == [{"path": path, "reason": problem.reason}]


def encrypted(path: Path) -> Path:
    """A zip whose entries say that they are encrypted (bit 0 of the flags, in both of their headers)."""
    data = bytearray(zipped(path, {"a.png": png(1)}).read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    return path


def with_link(path: Path) -> Path:
    info = zipfile.ZipInfo("link.png")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return path


def with_bad_sum(path: Path) -> Path:
    data = bytearray(zipped(path, {"a.png": b"x" * 10}).read_bytes())
    at = data.index(b"PK\x01\x02") + 16
    data[at] ^= 255
    path.write_bytes(data)
    return path


def with_dense_file(path: Path) -> Path:
    return zipped(path, {"zeros.bmp": bytes(80 << 20)})


BAD_ENTRIES = [
    (lambda p: zipped(p, {"../../evil.png": png(1)}), "../../evil.png", "leads out of the zip"),
    (lambda p: zipped(p, {"/etc/evil.png": png(1)}), "/etc/evil.png", "leads out of the zip"),
    (lambda p: zipped(p, {"C:\\evil.png": png(1)}), "C:/evil.png", "leads out of the zip"),
    (lambda p: zipped(p, {"a\\..\\..\\evil.png": png(1)}), "a/../../evil.png", "leads out of the zip"),
    (encrypted, "a.png", "encrypted; unpack the zip with its password"),
    (with_link, "link.png", "a link, not a file"),
    (with_bad_sum, "a.png", "cannot be unpacked"),
    (with_dense_file, "zeros.bmp", "zip bomb"),
]


@pytest.mark.parametrize(("make", "path", "says"), BAD_ENTRIES)
def test_a_bad_entry_of_a_zip_is_named_and_nothing_is_written_elsewhere(project, tmp_path, make, path, says):
    outside = {p for p in tmp_path.rglob("*") if project.path not in p.parents}
    source = make(tmp_path / "in.zip")
    check_one_problem(project, take_in(project, source), path, says)
    assert {p for p in tmp_path.rglob("*") if project.path not in p.parents} - outside == {source}


def claims_too_much(path: Path) -> Path:
    """Thirty files of 900 MB in a few kB, by their directory's word."""
    data = bytearray(zipped(path, {f"{n}.bmp": b"x" for n in range(30)}).read_bytes())
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 24 : at + 28] = struct.pack("<I", 900 << 20)
        at = data.find(b"PK\x01\x02", at + 1)
    path.write_bytes(data)
    return path


def two_categories(path: Path) -> Path:
    return write(path, {f"{c}/{name}": data for c in ("bolt", "nut") for name, data in CATEGORY.items()})


BAD_SOURCES = [
    (lambda p: p / "absent", "no such file or folder"),
    (lambda p: (p.mkdir(), p)[1], "there are no files in it"),
    (lambda p: zipped(p, {}), "there are no files in it"),
    (lambda p: zipped(p, {"__MACOSX/._a.png": b"x"}), "there are no files in it"),
    (lambda p: (p.write_bytes(b"PK\x03\x04 and no more"), p)[1], "the zip is damaged"),
    (claims_too_much, "would unpack to 26.4 GB .a zip bomb"),
    (two_categories, "expected one product, found 2 .bolt, nut."),
    (lambda p: [], "no files were given"),
]


@pytest.mark.parametrize(("make", "says"), BAD_SOURCES)
def test_a_source_that_cannot_be_used_says_why(project, tmp_path, make, says):
    with pytest.raises(InputError, match=says) as caught:
        take_in(project, make(tmp_path / "source"))
    assert "\n" not in str(caught.value)
    assert project.count_normals() == 0


def test_a_zip_with_too_many_entries(project, tmp_path, monkeypatch):
    monkeypatch.setattr(entries, "MAX_ENTRIES", 3)
    with pytest.raises(InputError, match="at most 3 files in a zip, got 4"):
        take_in(project, zipped(tmp_path / "in.zip", {f"{n}.png": png(n) for n in range(4)}))


def test_a_file_above_the_limit_is_not_read(project, tmp_path, monkeypatch):
    monkeypatch.setattr(entries, "MAX_FILE", 1 << 20)
    big = coded(picture(1, (700, 700)), "BMP")
    report = take_in(project, write(tmp_path / "in", {"a.png": png(1), "big.bmp": big}))
    assert [p.path for p in report.problems] == ["big.bmp"] and "at most 1 MB" in report.problems[0].reason


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang_the_import(project, tmp_path):
    source = write(tmp_path / "in", {"a.png": png(1)})
    os.mkfifo(source / "pipe.png")
    report = take_in(project, source)
    assert report.normals == ("a.png",) and "a device or a pipe" in report.problems[0].reason


@pytest.mark.skipif("FLAWSMITH_DATA" not in os.environ, reason="needs FLAWSMITH_DATA")
def test_real_tiles(project):
    report = take_in(project, Path(os.environ["FLAWSMITH_DATA"]) / "magnetic_tile")
    assert (len(report.normals), len(report.examples), report.problems) == (243, 143, ())
    for row in project.examples()[::20]:
        assert read_mask(row.mask_paths[0]).shape == read_image(row.path).shape[:2]
