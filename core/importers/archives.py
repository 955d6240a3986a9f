"""Zips, tars and 7z as listings: no entry leads out of its archive, none unpacks to more than it should."""

from __future__ import annotations

import re
import stat
import tarfile
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import IO

from core.errors import ImageError, InputError
from core.importers.seven_zip import ADVICE, unpack_7z
from core.importers.source_entry import (
    MAX_FILE,
    FileStorage,
    Listing,
    Problem,
    SourceEntry,
    file_entry,
    is_ignored,
    printable,
)
from core.importers.zip_names import readable_names
from core.lookup import natural_sort_key

MAX_UNPACKED = 200 << 30
"""An archive may unpack to this many bytes in all."""
MAX_RATIO = 100
"""An archive above 1 GB unpacked may be packed at most this tightly; photos pack far less."""
MAX_ENTRIES = 500_000

_ADVICE = "unpack it yourself and import the folder if you trust it"


def open_archive(path: Path) -> Listing | None:
    """The files of a zip, a tar (.gz, .bz2, .xz) or a 7z; None if ``path`` is none of them; InputError for a RAR."""
    try:
        with open(path, "rb") as file:
            head = file.read(512)
    except OSError:
        return None
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _zip(path)
    if head[:6] == b"7z\xbc\xaf\x27\x1c":
        return _seven_zip(path)
    if head[:4] == b"Rar!":
        raise InputError(f"{path}: a RAR cannot be read; {ADVICE}")
    packed = head[:2] == b"\x1f\x8b" or head[:3] == b"BZh" or head[:6] == b"\xfd7zXZ\0"
    if packed or head[257:262] == b"ustar":
        return _tar(path, packed)
    return None


def _zip(path: Path) -> Listing:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the zip is damaged ({error}); copy or pack it again") from error
    infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
    try:
        _refuse_bomb(path, "zip", len(infos), sum(info.file_size for info in infos))
    except InputError:
        archive.close()
        raise
    members = _ZipMembers(archive)
    entries: list[SourceEntry] = []
    problems: list[Problem] = []
    for info, name in zip(infos, readable_names(infos), strict=True):
        if is_ignored(part for part in name.split("/") if part not in ("", ".", "..")):
            continue
        if reason := _refused(info, name):
            problems.append(Problem(name, reason))
        else:
            entries.append(SourceEntry(name, members, info))
    return Listing(tuple(sorted(entries, key=lambda e: natural_sort_key(e.name))), tuple(problems), archive.close)


def _refuse_bomb(path: Path, kind: str, files: int, unpacked: int) -> None:
    packed = path.stat().st_size
    if files > MAX_ENTRIES:
        raise InputError(f"{path}: expected at most {MAX_ENTRIES} files in a {kind}, got {files}; {_ADVICE}")
    if unpacked > MAX_UNPACKED or (unpacked > 1 << 30 and unpacked > MAX_RATIO * packed):
        raise InputError(
            f"{path}: {packed / 2**20:.1f} MB would unpack to {unpacked / 2**30:.1f} GB (a {kind} bomb?); {_ADVICE}"
        )


def _refused(info: zipfile.ZipInfo, name: str) -> str | None:
    """Why this entry of a zip is not taken, or None."""
    if not name.strip("/"):
        return "it has no name; pack the photos again"
    if leads_out(name):
        return "its path leads out of the zip; pack the photos again without absolute or '..' paths"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a link, not a file; pack the photo itself"
    if info.flag_bits & 1:
        return "it is encrypted; unpack the zip with its password and import the folder"
    if info.file_size > MAX_FILE or (info.file_size > 64 << 20 and info.file_size > 500 * max(1, info.compress_size)):
        return f"it would unpack to {info.file_size >> 20} MB (a zip bomb?); unpack it yourself if you trust it"
    return None


def leads_out(name: str) -> bool:
    """Whether a path of an archive is absolute or goes up."""
    return name.startswith("/") or bool(re.match(r"[A-Za-z]:", name)) or ".." in name.split("/")


class _ZipMembers(FileStorage[zipfile.ZipInfo]):
    """Files of a zip by their ``ZipInfo``, read one at a time."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        super().__init__()
        self._archive = archive
        self._lock = threading.Lock()

    def read(self, key: zipfile.ZipInfo, name: str, limit: int | None) -> bytes:
        try:
            with self._lock, self._archive.open(key) as file:
                return file.read(-1 if limit is None else limit)  # never gives more than the size that was checked
        except Exception as error:  # the unpackers raise many kinds: zlib.error, EOFError, LZMAError, ...
            said = str(error) or type(error).__name__
            raise ImageError(f"{name}: cannot be unpacked ({said}); pack the zip again") from error

    def stamp(self, key: zipfile.ZipInfo) -> str:
        return f"{key.filename} {key.file_size} {key.CRC:08x}"


def _seven_zip(path: Path) -> Listing:
    unpacked = unpack_7z(path, leads_out, lambda files, size: _refuse_bomb(path, "7z", files, size))
    entries = [file_entry(str(at), name) for name, at in unpacked.files]
    return Listing(tuple(sorted(entries, key=lambda e: natural_sort_key(e.name))), unpacked.problems, unpacked.close)


def _tar(path: Path, packed: bool) -> Listing:
    """A tar; a packed one is unpacked to a temporary file first, since its members are not read in its order."""
    plain: IO[bytes] | None = None
    try:
        plain = _unpacked(path) if packed else open(path, "rb")
        archive = tarfile.open(fileobj=plain, mode="r:")
        members = [m for m in archive.getmembers() if not m.isdir()]
        _refuse_bomb(path, "tar", len(members), sum(m.size for m in members))
    except (tarfile.TarError, OSError, EOFError) as error:
        if plain is not None:
            plain.close()
        raise InputError(f"{path}: expected a tar of photos, and it is damaged or holds none ({error})") from error
    contents = _TarMembers(plain, path)
    entries: list[SourceEntry] = []
    problems: list[Problem] = []
    for member in members:
        name = printable(member.name.replace("\\", "/").removeprefix("./"))
        if is_ignored(part for part in name.split("/") if part not in ("", ".", "..")):
            continue
        if leads_out(name):
            problems.append(Problem(name, "its path leads out of the tar; pack the photos again without '..' paths"))
        elif not member.isreg():
            problems.append(Problem(name, "it is a link or a device, not a file; pack the photo itself"))
        elif member.size > MAX_FILE:
            problems.append(Problem(name, f"it has {member.size >> 20} MB; expected at most {MAX_FILE >> 20} MB"))
        else:
            entries.append(SourceEntry(name, contents, (member.offset_data, member.size)))
    return Listing(tuple(sorted(entries, key=lambda e: natural_sort_key(e.name))), tuple(problems), plain.close)


class _TarMembers(FileStorage[tuple[int, int]]):
    """Files of a plain tar by where they begin and how many bytes they have, read one at a time."""

    def __init__(self, plain: IO[bytes], path: Path) -> None:
        super().__init__()
        self._plain = plain
        self._path = path
        self._lock = threading.Lock()

    def read(self, key: tuple[int, int], name: str, limit: int | None) -> bytes:
        start, size = key
        wanted = size if limit is None else min(limit, size)
        with self._lock:
            self._plain.seek(start)
            data = self._plain.read(wanted)
        if len(data) < wanted:
            raise ImageError(f"{name}: the tar ends before it; copy or pack it again")
        return data

    def stamp(self, key: tuple[int, int]) -> str | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return f"{self._path} {status.st_size} {status.st_mtime_ns} {key[0]}"


def _unpacked(path: Path) -> IO[bytes]:
    import bz2
    import gzip
    import lzma

    head = path.open("rb").read(6)
    opener = gzip.open if head[:2] == b"\x1f\x8b" else bz2.open if head[:3] == b"BZh" else lzma.open
    plain = tempfile.TemporaryFile()
    limit = min(MAX_UNPACKED, max(1 << 30, MAX_RATIO * path.stat().st_size))
    try:
        with opener(path, "rb") as packed:
            while block := packed.read(1 << 20):
                if plain.tell() + len(block) > limit:
                    raise InputError(f"{path}: it would unpack to more than {limit >> 20} MB; {_ADVICE}")
                plain.write(block)
    except (lzma.LZMAError, OSError, EOFError) as error:
        plain.close()
        raise InputError(f"{path}: the archive is damaged ({error}); copy or pack it again") from error
    except InputError:
        plain.close()
        raise
    plain.seek(0)
    return plain
