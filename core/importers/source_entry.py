"""One file of a source, whatever it lies in: its name, and its bytes when they are asked for."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath

from core.errors import ImageError

MAX_FILE = 1 << 30
"""A single photo may have this many bytes."""
HEAD = 1 << 12
"""Bytes of a file's beginning that tell what it is."""
IMAGE_SUFFIXES = frozenset(
    ".png .jpg .jpeg .jpe .jfif .bmp .dib .tif .tiff .webp .gif .pgm .ppm .pbm .pnm .tga".split()
)
RAW_SUFFIXES = frozenset(".cr2 .cr3 .nef .arw .dng .raf .orf .rw2".split())
"""Files of cameras before development; some begin like a TIFF."""

_DOCUMENTS = frozenset(".json .jsonl .xml .csv .yaml .yml .md .html .py .zip .db .npy .npz".split())
_JUNK = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin"})
_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"GIF8")


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
    """A file: ``name`` is its path in the source with ``/``, ``path`` the same from the dataset's top on.

    ``load`` gives its bytes and ``head`` the first of them; both raise ImageError. ``on_disk`` is where it lies
    unless it is in an archive.
    """

    name: str
    load: Callable[[], bytes] = field(compare=False, repr=False)
    head: Callable[[], bytes] = field(compare=False, repr=False)
    path: str = field(default="", compare=False)
    on_disk: str | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.path:
            object.__setattr__(self, "path", self.name)

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """The folders of the path, outermost first."""
        return tuple(self.path.split("/")[:-1])

    @cached_property
    def folded(self) -> tuple[str, ...]:
        """The same without regard to capitals."""
        return tuple(folder.casefold() for folder in self.folders)

    @cached_property
    def file(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @cached_property
    def stem(self) -> str:
        """The last part of the path without its extension."""
        stem, dot, _ = self.file.rpartition(".")
        return stem if dot and stem else self.file

    @cached_property
    def suffix(self) -> str:
        """The extension with its dot, in small letters."""
        stem, dot, suffix = self.file.rpartition(".")
        return f".{suffix.lower()}" if dot and stem and suffix else ""

    @cached_property
    def is_image(self) -> bool:
        """Whether it is a picture: by its extension, else by its first bytes."""
        if self.suffix in IMAGE_SUFFIXES:
            return True
        if self.suffix in _DOCUMENTS | RAW_SUFFIXES:
            return False
        try:
            head = self.head()
        except ValueError:
            return False
        bitmap = head[:2] == b"BM" and head[6:10] == bytes(4)
        return head.startswith(_MAGIC) or bitmap or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")

    def below(self, folder: str) -> SourceEntry:
        """The same file with its path taken from ``folder`` on."""
        return replace(self, path=self.path.removeprefix(f"{folder}/")) if folder else self


@dataclass(frozen=True)
class Listing:
    """The files of a source in natural order ("2.png" before "10.png")."""

    entries: tuple[SourceEntry, ...]
    problems: tuple[Problem, ...] = ()
    close: Callable[[], None] = field(default=lambda: None, compare=False, repr=False)


def is_ignored(parts: Iterable[str]) -> bool:
    """Whether a path has a hidden part or one that an operating system left there."""
    return any(part.startswith(".") or part.casefold() in _JUNK for part in parts)


def printable(name: str) -> str:
    """Bytes that are no text in a file name become the replacement character; databases and JSON need text."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def file_entry(path: str, name: str) -> SourceEntry:
    """The file at ``path``, called ``name`` in its source."""

    def read(whole: bool) -> bytes:
        try:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode):
                raise ImageError(f"{name}: expected a photo, got a device or a pipe")
            if whole and status.st_size > MAX_FILE:
                raise ImageError(
                    f"{name}: expected at most {MAX_FILE >> 20} MB, got {status.st_size >> 20} MB; save it smaller"
                )
            with open(path, "rb") as file:
                return file.read() if whole else file.read(HEAD)
        except OSError as error:
            raise ImageError(f"{name}: cannot be opened ({error.strerror}); check its rights") from error

    return SourceEntry(printable(name), lambda: read(True), lambda: read(False), on_disk=path)
