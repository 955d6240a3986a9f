"""Import of what cannot be used: each file is named with one clear line, the rest is taken."""

from __future__ import annotations

import io
import os
import re
import struct
import zipfile
import zlib
from pathlib import Path

import PIL.Image
import pytest

from core.errors import InputError
from core.importers import archives, source_entry
from core.jobs.import_images import import_images
from core.jobs.import_report import IntakeReport
from core.store import Project
from tests.jobs.files import coded, mask_png, picture, png, write, zipped


def bomb_png() -> bytes:
    """A PNG whose header promises 60000 x 60000 pixels."""

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
]


@pytest.mark.parametrize(("name", "data", "says"), BAD_FILES, ids=[name for name, _, _ in BAD_FILES])
@pytest.mark.parametrize("as_zip", [False, True])
def test_a_bad_file_is_named_and_the_rest_is_imported(project, tmp_path, name, data, says, as_zip):
    files = {"a.png": png(50), f"{name}": data, "z.png": png(51)}
    source = zipped(tmp_path / "in.zip", files) if as_zip else write(tmp_path / "in", files)
    check_one_problem(project, import_images(project, source), name, says)
    assert [row.name for row in project.normals()] == ["a.png", "z.png"]


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
    report = import_images(project, write(tmp_path / "in", files | more))
    check_one_problem(project, report, path, says)
    assert [row.label for row in project.examples()] == ["scratch"] and project.count_normals() == 1


def check_one_problem(project: Project, report: IntakeReport, path: str, says: str) -> None:
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
    check_one_problem(project, import_images(project, source), path, says)
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
    return write(path, {f"{category}/train/good/0.png": png(1) for category in ("bolt", "nut")})


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
        import_images(project, make(tmp_path / "source"))
    assert "\n" not in str(caught.value)
    assert project.count_normals() == 0


def test_a_zip_with_too_many_entries(project, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_ENTRIES", 3)
    with pytest.raises(InputError, match="at most 3 files in a zip, got 4"):
        import_images(project, zipped(tmp_path / "in.zip", {f"{n}.png": png(n) for n in range(4)}))


def test_a_file_above_the_limit_is_not_read(project, tmp_path, monkeypatch):
    monkeypatch.setattr(source_entry, "MAX_FILE", 1 << 20)
    big = coded(picture(1, (700, 700)), "BMP")
    report = import_images(project, write(tmp_path / "in", {"a.png": png(1), "big.bmp": big}))
    assert [p.path for p in report.problems] == ["big.bmp"] and "at most 1 MB" in report.problems[0].reason


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang_the_import(project, tmp_path):
    source = write(tmp_path / "in", {"a.png": png(1)})
    os.mkfifo(source / "pipe.png")
    report = import_images(project, source)
    assert report.normals == ("a.png",) and "a device or a pipe" in report.problems[0].reason
