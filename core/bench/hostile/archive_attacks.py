"""Archives of projects and of the defect bank that a stranger sends: zips that lie, bombs, names that lead away."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.api import SampleFilter, Workbench
from core.api.project_archive import MANIFEST, open_archive, pack_project, unused_folder
from core.bank import Bank, BankEntry, EntryFacts
from core.bench.drawn_scenes import scene
from core.bench.hostile.attempts import Attempt, drawn
from core.bench.hostile.damage import EXTREMES, damaged_json
from core.bench.hostile.pictures import LARGE, MUTATIONS, flat_png
from core.types import check_label

Entries = dict[str, bytes]
"""The files of a zip by name."""
Random = np.random.Generator
NAMES = (
    "../outside.txt", "/tmp/outside.txt", "a/../../outside.txt", "C:\\outside.txt", "..\\outside.txt", "a\0b", "", "/",
    ".", "..", "x" * 400, "a/" * 400 + "x", "files", "files/", "project.db/x", "project.db-wal", "\ud800", "con",
    "\x1b[31mred", "\u202egnp.x",
)  # fmt: skip
"""Names of entries that lead away, or that no file can have."""
SIZES: tuple[object, ...] = (
    -1, 0, 2**31, 2**63, 10**30, 1e300, float("inf"), float("nan"), "12", "x", None, [], True, 0.5,
)  # fmt: skip
"""What a manifest may say of a size."""


def zipped(entries: Entries, kind: int = zipfile.ZIP_STORED) -> bytes:
    """The entries as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, data in entries.items():
            # The constructor cuts a name at its first NUL; one that is set is written as it is.
            info = zipfile.ZipInfo("x")
            info.filename, info.compress_type = name, kind
            try:
                archive.writestr(info, data)
            except (UnicodeError, ValueError):  # no zip can hold this name
                continue
    return buffer.getvalue()


def unzipped(data: bytes) -> Entries:
    """Inverse of ``zipped``."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archives_by_hand(sound: bytes) -> dict[str, bytes]:
    """Archives of a project, each wrong in a way that a random change would hardly find, by what is wrong."""
    entries = unzipped(sound)
    made = {f"entry {name[:30]!r}": packed_with(entries, {name: b"outside"}) for name in NAMES}
    for size in SIZES:
        files = _manifest(entries)["files"]
        changed = {**files, "project.db": [size, files["project.db"][1]]}
        made[f"size {size!r}"] = _with_manifest(entries, files=changed)
    for extreme in EXTREMES:
        for key in ("files", "name", "format"):
            made[f"{key} {str(extreme)[:20]!r}"] = _with_manifest(entries, **{key: extreme})
    for text, said in (("[" * 100_000, "nested"), ("", "empty"), ("{}", "no keys"), ('{"files": {}}', "no files")):
        made[f"manifest {said}"] = zipped({**entries, MANIFEST: text.encode()})
    made |= {"bzip2": zipped(entries, zipfile.ZIP_BZIP2), "lzma": zipped(entries, zipfile.ZIP_LZMA)}
    made |= {f"{name} with a flipped byte": _flipped_inside(data) for name, data in tuple(made.items())[-2:]}
    made["database of zeros"] = packed_with(entries, {"project.db": bytes(300 << 20)}, zipfile.ZIP_DEFLATED)
    made["bomb"] = packed_with(entries, {"files/00/zeros.png": bytes(300 << 20)}, zipfile.ZIP_DEFLATED)
    made["no database"] = _with_manifest({k: v for k, v in entries.items() if k != "project.db"})
    made["two of one name"] = _twice(entries)
    made["encrypted"] = _flagged(sound)
    made["link"] = _with_link(entries)
    made["text as database"] = packed_with(entries, {"project.db": b"SQLite format 3\0" + b"x" * 200})
    made["empty database"] = packed_with(entries, {"project.db": b""})
    for said, sql in HOSTILE_SQL.items():
        made[f"database with {said}"] = packed_with(entries, {"project.db": _changed_database(entries, sql)})
    return made | {"empty": b"", "one byte": b"P", "end only": b"PK\5\6" + bytes(18), "cut in two": sound[::2]}


HOSTILE_SQL = {
    "paths that lead away": "UPDATE normals SET file = '../../../outside.png'",
    "paths from the root": "UPDATE samples SET image = '/etc/passwd', mask = '/dev/zero'",
    "paths of no file": "UPDATE samples SET image = 'files', mask = 'a' || char(0) || 'b'",
    "a view for a table": "ALTER TABLE normals RENAME TO n2; CREATE VIEW normals AS SELECT * FROM n2",
    "an endless view": (
        "ALTER TABLE normals RENAME TO n2; CREATE VIEW normals AS WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL "
        "SELECT i + 1 FROM r) SELECT n2.* FROM n2, r"
    ),
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON jobs BEGIN DELETE FROM samples; END",
    "another program's number": "PRAGMA application_id = 7",
    "a newer schema": "UPDATE alembic_version SET version_num = '9999'",
    "no tables": "DROP TABLE samples; DROP TABLE normals",
    "a huge photo": "UPDATE normals SET width = 1000000000, height = 1000000000",
}
"""What is done to a project's database, in words, and the statements."""


def packed_with(entries: Entries, more: Entries, kind: int = zipfile.ZIP_STORED) -> bytes:
    """An archive with further or other files that its manifest names as it should."""
    files = {
        name: [len(data), hashlib.sha256(data).hexdigest()] for name, data in {**entries, **more}.items()
    }  # fmt: skip
    files.pop(MANIFEST)
    raw = json.dumps({**_manifest(entries), "files": files}, ensure_ascii=True)
    return zipped({**entries, **more, MANIFEST: raw.encode()}, kind)


def archive_attempts(rng: Random, count: int, project: Path, place: Path) -> Iterator[Attempt]:
    """Damaged archives of ``project``: named, opened in a folder of ``place``, and what came of it looked through."""
    pack_project(project, place / "sound.flawsmith")
    sound = (place / "sound.flawsmith").read_bytes()
    found = drawn(archives_by_hand(sound).items(), rng, count)
    pieces = (made or ("random", _randomly(sound, rng)) for made in found)
    yield from _in_turn("archive", pieces, place / "archive.flawsmith", place / "opened", _opened)


def _in_turn(
    kind: str, pieces: Iterable[tuple[str, bytes]], file: Path, target: Path, take: Callable[[Path, Path], None]
) -> Iterator[Attempt]:
    """Each named piece as a file beside ``file``, given to ``take`` with the folder ``target``; both go then."""
    for number, (name, data) in enumerate(pieces):
        path = file.with_stem(f"{file.stem}-{number}")
        path.write_bytes(data)
        yield f"{kind} {number} ({name})", partial(take, path, target)
        path.unlink()
        shutil.rmtree(target, ignore_errors=True)


def _opened(file: Path, projects: Path) -> None:
    target = unused_folder(file, projects)
    assert target.parent == projects
    open_archive(file, target)
    with Workbench.open(target) as bench:
        for photo in bench.photos.page():
            bench.photos.thumbnail(photo.id)
        for row in bench.review.page(SampleFilter(), 0, 20):
            bench.review.thumbnail(row, outline=True)
        bench.datasets.export("mvtec-ad", projects / "set", everything=True)


def sound_bank(folder: Path) -> bytes:
    """A bank of two drawn entries as ``bank export`` writes it."""
    bank = Bank(folder)
    for seed in range(2):
        pixels = scene(96, seed)[0].pixels.copy()
        mask = np.zeros(pixels.shape[:2], np.bool_)
        mask[30:40, 30 + seed : 44] = True
        pixels[mask] //= 3
        facts = EntryFacts("dent", "structural", "anomaly", f"part {seed}.png", (96, 96), (0, 0), scores={"ars": 0.5})
        bank.add(BankEntry.cut_from(pixels, mask, facts))
    bank.export_to(folder / "bank.zip")
    return (folder / "bank.zip").read_bytes()


def banks_by_hand(sound: bytes) -> dict[str, bytes]:
    """Exports of a bank, each wrong in a way that a random change would hardly find, by what is wrong."""
    entries = unzipped(sound)
    facts = next(name for name in entries if name.endswith("entry.json"))
    home = facts.removesuffix("entry.json")
    made = {f"entry {name[:30]!r}": zipped({**entries, f"{name}/entry.json": b"{}"}) for name in NAMES}
    raw = json.loads(entries[facts])
    for key in raw:
        for extreme in EXTREMES:
            made[f"{key} {str(extreme)[:20]!r}"] = zipped(
                {**entries, facts: json.dumps({**raw, key: extreme}).encode()}
            )
    for frame in ([10**9, 10**9], [0, 0], [-5, 96], [96, 40_000], [1, 1]):
        made[f"frame {frame}"] = zipped({**entries, facts: json.dumps({**raw, "frame": frame}).encode()})
    for picture in ("pixels.png", "mask.png", "alpha.png", "thumbnail.png"):
        for said, data in (
            ("large", flat_png(LARGE, LARGE)), ("empty", b""), ("one pixel", flat_png(1, 1)), ("text", b"hello"),
            ("wide", flat_png(4000, 2)),
        ):  # fmt: skip
            made[f"{picture} {said}"] = zipped({**entries, home + picture: data})
    for said, text in (("nested", "[" * 100_000), ("newer", json.dumps({**raw, "format": 99})), ("nan", _nan(raw))):
        made[said] = zipped({**entries, facts: text.encode()})
    made |= {"bomb": zipped({**entries, facts: b" " * (250 << 20)}, zipfile.ZIP_DEFLATED)}
    made |= {"bzip2": _flipped_inside(zipped(entries, zipfile.ZIP_BZIP2))}
    made |= {"lzma": _flipped_inside(zipped(entries, zipfile.ZIP_LZMA))}
    made |= {"deflated": _flipped_inside(zipped(entries, zipfile.ZIP_DEFLATED)), "encrypted": _flagged(sound)}
    return made | {"empty": b"", "end only": b"PK\5\6" + bytes(18), "cut in two": sound[::2]}


def bank_attempts(rng: Random, count: int, project: Path, place: Path) -> Iterator[Attempt]:
    """Damaged exports of a bank, taken in, listed and stamped from."""
    sound = sound_bank(place / "bank-sound")
    found = drawn(banks_by_hand(sound).items(), rng, count)
    pieces = (made or ("random", _randomly(sound, rng)) for made in found)
    yield from _in_turn("bank", pieces, place / "bank.zip", place / "bank", _taken_in)


def _taken_in(file: Path, folder: Path) -> None:
    bank = Bank(folder)
    bank.import_from(file)
    for id, facts in bank.facts().items():
        check_label(facts.label)
        json.dumps(facts.scores, allow_nan=False)
        bank.entry(id).as_example()
    assert not bank.problems(), "what was taken in cannot be read"


def _manifest(entries: Entries) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(entries[MANIFEST])
    return raw


def _with_manifest(entries: Entries, **changes: object) -> bytes:
    return zipped({**entries, MANIFEST: json.dumps({**_manifest(entries), **changes}).encode()})


def _nan(raw: dict[str, Any]) -> str:
    return json.dumps({**raw, "scores": {"ars": float("nan")}})


def _randomly(sound: bytes, rng: Random) -> bytes:
    """The archive with its bytes damaged, or with one of its files."""
    entries = unzipped(sound)
    chosen = list(entries)[int(rng.integers(len(entries)))]
    if rng.random() < 0.4:
        return _mutated(sound, rng)
    if chosen.endswith(".json"):
        return zipped({**entries, chosen: damaged_json(entries[chosen].decode(), rng).encode("utf-8", "replace")})
    changed = {chosen: _mutated(entries[chosen], rng)}
    return packed_with(entries, changed) if MANIFEST in entries else zipped({**entries, **changed})


def _mutated(data: bytes, rng: Random) -> bytes:
    how: Callable[[bytes, Random], bytes] = MUTATIONS[int(rng.integers(len(MUTATIONS)))]
    return how(data, rng)


def _flipped_inside(data: bytes) -> bytes:
    """The zip with bytes turned over within what its entries hold."""
    out = bytearray(data)
    for at in range(80, min(len(out), 4000), 97):
        out[at] ^= 0x55
    return bytes(out)


def _flagged(data: bytes) -> bytes:
    """The zip with every entry said to be encrypted."""
    out = bytearray(data)
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = out.find(mark)
        while at >= 0:
            struct.pack_into("<H", out, at + offset, 1)
            at = out.find(mark, at + 4)
    return bytes(out)


def _twice(entries: Entries) -> bytes:
    first = "".join(list(entries)[:1])
    data = zipped({**entries, "X" * len(first): entries[first]})
    return data.replace(b"X" * len(first), first.encode())


def _with_link(entries: Entries) -> bytes:
    buffer = io.BytesIO(packed_with(entries, {"files/aa/link.png": b"/etc/passwd"}))
    data = bytearray(buffer.getvalue())
    with zipfile.ZipFile(buffer) as archive:
        info = archive.getinfo("files/aa/link.png")
    at = data.rfind(info.filename.encode()) - 46
    struct.pack_into("<I", data, at + 38, 0o120777 << 16)
    return bytes(data)


def _changed_database(entries: Entries, sql: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "changed.db"
        path.write_bytes(entries["project.db"])
        with closing(sqlite3.connect(path)) as db:
            db.executescript(f"PRAGMA journal_mode = DELETE; {sql};")
            db.commit()
        return path.read_bytes()
