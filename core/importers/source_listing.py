"""What lies in a folder, a zip or a list of files: names and how to get their bytes."""

from __future__ import annotations

import os
import re
import stat
import threading
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from core.errors import ImageError, InputError

MAX_FILE = 1 << 30
"""A single photo may have this many bytes."""
MAX_UNPACKED = 200 << 30
"""A zip may unpack to this many bytes in all."""
MAX_RATIO = 100
"""A zip above 1 GB unpacked may be packed at most this tightly; photos pack far less."""
MAX_ENTRIES = 500_000

_HEAD = 1 << 12
_JUNK = {"thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin"}
_SEEN_AS_IMAGE = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"BM", b"RIFF", b"GIF8")


@dataclass(frozen=True)
class Problem:
    """A file that was left out, and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"

    @classmethod
    def of(cls, path: str, error: Exception) -> Problem:
        """From an error whose line may begin with the file's own name."""
        line = str(error)
        for name in (path, PurePosixPath(path).name):
            line = line.removeprefix(f"{name}: ")
        return cls(path, line)


@dataclass(frozen=True)
class SourceEntry:
    """A file: ``name`` is its path in the source with ``/``; ``load`` gives its bytes or raises ImageError."""

    name: str
    load: Callable[[], bytes] = field(compare=False, repr=False)

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of the name, outermost first."""
        return PurePosixPath(self.name).parts[:-1]

    @property
    def stem(self) -> str:
        """The last part of the name without its extension."""
        return PurePosixPath(self.name).stem

    def below(self, folder: str) -> SourceEntry:
        """The same file with its name taken from ``folder`` on."""
        return SourceEntry(self.name.removeprefix(f"{folder}/") if folder else self.name, self.load)


@dataclass(frozen=True)
class Listing:
    """The files of a source in natural order ("2.png" before "10.png")."""

    entries: tuple[SourceEntry, ...]
    problems: tuple[Problem, ...] = ()
    close: Callable[[], None] = field(default=lambda: None, compare=False, repr=False)


def list_source(source: Path | Sequence[Path]) -> Listing:
    """The files of a folder, a zip, one file or several; InputError if it is not there or holds nothing."""
    if not isinstance(source, Path):
        return _several([Path(path) for path in source])
    if not source.exists():
        raise InputError(f"{source}: there is no such file or folder; check the path")
    if source.is_dir():
        listing = _folder(source)
    elif _is_zip(source):
        listing = _zip(source)
    else:
        listing = Listing((_file(source, source.name),))
    if not listing.entries and not listing.problems:
        listing.close()
        raise InputError(f"{source}: there are no files in it; expected photos (PNG, JPEG, TIFF, BMP or WebP)")
    return listing


def natural(name: str) -> list[str | int]:
    """A sort key that counts numbers as numbers."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]


def _several(paths: Sequence[Path]) -> Listing:
    if not paths:
        raise InputError("no files were given; choose one or more photos, a folder or a zip")
    entries: list[SourceEntry] = []
    problems: list[Problem] = []
    closers: list[Callable[[], None]] = []
    for path in paths:
        try:
            listing = list_source(path)
        except InputError as error:
            problems.append(Problem.of(str(path), error))
            continue
        entries += listing.entries
        problems += listing.problems
        closers.append(listing.close)

    def close() -> None:
        for closer in closers:
            closer()

    return Listing(tuple(entries), tuple(problems), close)


def _is_ignored(parts: Iterable[str]) -> bool:
    return any(part.startswith(".") or part.casefold() in _JUNK for part in parts)


def _printable(name: str) -> str:
    """Bytes that are no text in a file name become the replacement character; databases and JSON need text."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _folder(root: Path) -> Listing:
    entries: list[SourceEntry] = []
    problems: list[Problem] = []
    seen: set[Path] = set()

    def refused(error: OSError) -> None:
        where = Path(error.filename)
        problems.append(Problem(_relative(where, root), f"cannot be opened ({error.strerror}); check its rights"))

    for folder, subfolders, files in os.walk(root, onerror=refused, followlinks=True):
        here = Path(folder)
        real = here.resolve()
        if real in seen or "project.db" in files:
            if here == root:
                raise InputError(f"{root}: this is a Flawsmith project, not a folder of photos; open it instead")
            if real not in seen:
                problems.append(Problem(_relative(here, root), "this is a Flawsmith project; its files are left out"))
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = [name for name in subfolders if not _is_ignored([name])]
        entries += [_file(here / name, _relative(here / name, root)) for name in files if not _is_ignored([name])]
    return Listing(tuple(sorted(entries, key=lambda e: natural(e.name))), tuple(problems))


def _relative(path: Path, root: Path) -> str:
    return _printable(path.relative_to(root).as_posix())


def _file(path: Path, name: str) -> SourceEntry:
    def load() -> bytes:
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise ImageError(f"{name}: expected a photo, got a device or a pipe")
            with open(path, "rb") as file:
                head = file.read(_HEAD)
                # What is large and no image (a film, a database) need not be read to say so.
                if not head.startswith(_SEEN_AS_IMAGE) and status.st_size > 64 * _HEAD:
                    return head
                _check_size(name, status.st_size)
                return head + file.read()
        except OSError as error:
            raise ImageError(f"{name}: cannot be opened ({error.strerror}); check its rights") from error

    return SourceEntry(_printable(name), load)


def _check_size(name: str, size: int) -> None:
    if size > MAX_FILE:
        raise ImageError(f"{name}: expected at most {MAX_FILE >> 20} MB, got {size >> 20} MB; save it smaller")


def _is_zip(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError:
        return False


def _zip(path: Path) -> Listing:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the zip is damaged ({error}); copy or pack it again") from error
    infos = [info for info in archive.infolist() if not info.is_dir()]
    try:
        _refuse_bomb(path, infos)
    except InputError:
        archive.close()
        raise
    lock = threading.Lock()
    entries: list[SourceEntry] = []
    problems: list[Problem] = []
    for info in infos:
        name = _printable(info.filename.replace("\\", "/"))
        if _is_ignored(part for part in name.split("/") if part not in ("", ".", "..")):
            continue
        if reason := _refused(info, name):
            problems.append(Problem(name, reason))
        else:
            entries.append(SourceEntry(name, _member(archive, info, name, lock)))
    return Listing(tuple(sorted(entries, key=lambda e: natural(e.name))), tuple(problems), archive.close)


def _refuse_bomb(path: Path, infos: Sequence[zipfile.ZipInfo]) -> None:
    unpacked, packed = sum(info.file_size for info in infos), path.stat().st_size
    advice = "unpack it yourself and import the folder if you trust it"
    if len(infos) > MAX_ENTRIES:
        raise InputError(f"{path}: expected at most {MAX_ENTRIES} files in a zip, got {len(infos)}; {advice}")
    if unpacked > MAX_UNPACKED or (unpacked > 1 << 30 and unpacked > MAX_RATIO * packed):
        raise InputError(
            f"{path}: {packed / 2**20:.1f} MB would unpack to {unpacked / 2**30:.1f} GB (a zip bomb?); {advice}"
        )


def _refused(info: zipfile.ZipInfo, name: str) -> str | None:
    """Why this entry of a zip is not taken, or None."""
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
        return "its path leads out of the zip; pack the photos again without absolute or '..' paths"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a link, not a file; pack the photo itself"
    if info.flag_bits & 1:
        return "it is encrypted; unpack the zip with its password and import the folder"
    if info.file_size > MAX_FILE or (info.file_size > 64 << 20 and info.file_size > 500 * max(1, info.compress_size)):
        return f"it would unpack to {info.file_size >> 20} MB (a zip bomb?); unpack it yourself if you trust it"
    return None


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, lock: threading.Lock) -> Callable[[], bytes]:
    def load() -> bytes:
        try:
            with lock:
                return archive.read(info)  # never gives more than the size that was checked above
        except Exception as error:  # the unpackers raise many kinds: zlib.error, EOFError, LZMAError, ...
            said = str(error) or type(error).__name__
            raise ImageError(f"{name}: cannot be unpacked ({said}); pack the zip again") from error

    return load
