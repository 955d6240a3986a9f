"""Names of old zips in the code pages of their systems, and 7z."""

from __future__ import annotations

import io
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from core.errors import InputError
from core.importers.source_listing import list_source
from tests.importers.drawn import good, write

NAMES = {
    "cp437": ["gute Teile/Größe_1.png", "schlechte Teile/Ölfleck ä.png"],
    "cp850": ["bon/pièce à côté.png", "défaut/câble.png"],
    "cp1252": ["gut/Stück 1.png", "fehlerhaft/Stück – 2.png"],
    "shift_jis": ["良品/テスト1.png", "はんだ不良/A面_1.png"],
    "euc_kr": ["양품/사진1.png", "불량/긁힘/사진2.png"],
    "gb2312": ["良品/图像1.png", "不良品/划痕/图像2.png"],
    "gbk": ["產品/圖.png", "镕件/图片.png"],
    "big5": ["良品/圖片1.png", "瑕疵/刮傷/圖片2.png"],
    "utf-8": ["prüf_äöü.png", "部品.png"],
}


def old_zip(path: Path, names: list[bytes], extra: bytes = b"") -> Path:
    """A zip whose names have these bytes, no UTF-8 flag, and ``extra`` as their extra field."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, name in enumerate(names):
            info = zipfile.ZipInfo("x" * (len(name) - 1) + str(number))
            info.extra = extra
            archive.writestr(info, good(number))
    data = packed.getvalue()
    for number, name in enumerate(names):
        data = data.replace(b"x" * (len(name) - 1) + str(number).encode(), name)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("coding", NAMES)
def test_names_without_the_utf8_flag_are_read_in_the_coding_that_fits(tmp_path: Path, coding: str) -> None:
    listing = list_source(old_zip(tmp_path / "old.zip", [name.encode(coding) for name in NAMES[coding]]))
    assert {entry.name for entry in listing.entries} == set(NAMES[coding])
    listing.close()


def test_the_unicode_name_beside_an_old_one_counts_where_it_belongs_to_it(tmp_path: Path) -> None:
    old, true = b"pr?f 1.png", "prüf 1.png".encode()
    for checksum, name in ((zlib.crc32(old), "prüf 1.png"), (1, "pr?f 1.png")):
        field = b"\x01" + struct.pack("<I", checksum) + true
        listing = list_source(old_zip(tmp_path / "old.zip", [old], struct.pack("<HH", 0x7075, len(field)) + field))
        assert [entry.name for entry in listing.entries] == [name]
        listing.close()


def test_a_7z_says_to_unpack_it_where_its_library_is_missing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "py7zr", None)
    (tmp_path / "a.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(64))
    with pytest.raises(InputError, match="pip install py7zr.*unpack it and give the folder"):
        list_source(tmp_path / "a.7z")


def test_a_rar_in_a_folder_is_told_apart(tmp_path: Path) -> None:
    write(tmp_path / "in", {"photos.rar": b"Rar!\x1a\x07\x00" + bytes(64)})
    problems = list_source(tmp_path / "in").problems
    assert [p.path for p in problems] == ["photos.rar"] and "unpack it" in problems[0].reason


def test_a_7z_is_read_where_its_library_is_there(tmp_path: Path) -> None:
    py7zr = pytest.importorskip("py7zr")
    write(tmp_path / "in", {"gut/ä.png": good(1), "gut/.hidden": b"x", "schlecht/b.png": good(2)})
    with py7zr.SevenZipFile(tmp_path / "a.7z", "w") as archive:
        archive.writeall(tmp_path / "in", "set")
    listing = list_source(tmp_path / "a.7z")
    assert {e.name: e.load() for e in listing.entries} == {"set/gut/ä.png": good(1), "set/schlecht/b.png": good(2)}
    where = Path(str(listing.entries[0].on_disk))
    listing.close()
    assert not where.exists()
    with py7zr.SevenZipFile(tmp_path / "b.7z", "w", password="secret") as archive:
        archive.writeall(tmp_path / "in", "set")
    with pytest.raises(InputError, match="password"):
        list_source(tmp_path / "b.7z")
    (tmp_path / "c.7z").write_bytes((tmp_path / "a.7z").read_bytes()[:-40])
    with pytest.raises(InputError, match="damaged"):
        list_source(tmp_path / "c.7z")
