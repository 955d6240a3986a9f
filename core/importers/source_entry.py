"""One file of a source, whatever it lies in: its name, and its bytes when they are asked for."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, Generic, TypeVar

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
_NO_PICTURES = _DOCUMENTS | RAW_SUFFIXES
_JUNK = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin"})
_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"GIF8")


KeyT = TypeVar("KeyT", bound=Hashable)


@dataclass(frozen=True, slots=True)
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


class FileStorage(ABC, Generic[KeyT]):
    """Where the files of a source lie, one for all of them: a folder, an archive.

    ``key`` is its own word for a file.
    """

    def __init__(self) -> None:
        self._pictures: dict[KeyT, bool] = {}

    @abstractmethod
    def read(self, key: KeyT, name: str, limit: int | None) -> bytes:
        """The bytes of a file that people know as ``name``, or the first ``limit`` of them; ImageError."""

    def place(self, key: KeyT) -> str | None:
        """Where it lies on the disk; None for a file in an archive."""
        return None

    @abstractmethod
    def stamp(self, key: KeyT) -> str | None:
        """What changes with the content of a file, told without reading it; None where it cannot be told."""

    def begins_like_a_picture(self, key: KeyT, name: str) -> bool:
        """Whether the first bytes of a file are a picture's; they are read once."""
        if key not in self._pictures:
            try:
                self._pictures[key] = _is_picture(self.read(key, name, HEAD))
            except ValueError:
                self._pictures[key] = False
        return self._pictures[key]


def _is_picture(head: bytes) -> bool:
    bitmap = head[:2] == b"BM" and head[6:10] == bytes(4)
    return head.startswith(_MAGIC) or bitmap or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """A file: ``name`` is its path in the source with ``/``, ``path`` the same from the dataset's top on.

    A large source has many of them, so what it knows of itself it works out, and its folders are shared.
    """

    name: str
    storage: FileStorage[Any] = field(compare=False, repr=False)
    key: Hashable = field(compare=False, repr=False)
    path: str = field(default="", compare=False)
    folders: tuple[str, ...] = field(init=False, compare=False, repr=False)
    """The folders of the path, outermost first."""
    folded: tuple[str, ...] = field(init=False, compare=False, repr=False)
    """The same without regard to capitals."""

    def __post_init__(self) -> None:
        if not self.path:
            object.__setattr__(self, "path", self.name)
        folders, folded = _split(self.path.rpartition("/")[0])
        object.__setattr__(self, "folders", folders)
        object.__setattr__(self, "folded", folded)

    def load(self) -> bytes:
        """Its bytes; ImageError."""
        return self.storage.read(self.key, self.name, None)

    def head(self) -> bytes:
        """The first of its bytes; ImageError."""
        return self.storage.read(self.key, self.name, HEAD)

    @property
    def on_disk(self) -> str | None:
        """Where it lies; None in an archive."""
        return self.storage.place(self.key)

    @property
    def stamp(self) -> str | None:
        """What changes with its content, told without reading it; None where it cannot be told."""
        return self.storage.stamp(self.key)

    @property
    def file(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The last part of the path without its extension."""
        file = self.path.rpartition("/")[2]
        stem, dot, _ = file.rpartition(".")
        return stem if dot and stem else file

    @property
    def suffix(self) -> str:
        """The extension with its dot, in small letters."""
        stem, dot, suffix = self.path.rpartition("/")[2].rpartition(".")
        return f".{suffix.lower()}" if dot and stem and suffix else ""

    @property
    def is_image(self) -> bool:
        """Whether it is a picture: by its extension, else by its first bytes."""
        suffix = self.suffix
        if suffix in IMAGE_SUFFIXES:
            return True
        return suffix not in _NO_PICTURES and self.storage.begins_like_a_picture(self.key, self.name)

    def below(self, folder: str) -> SourceEntry:
        """The same file with its path taken from ``folder`` on."""
        return replace(self, path=self.path.removeprefix(f"{folder}/")) if folder else self


@lru_cache(1 << 12)
def _split(folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The parts of a path of folders, as they are and in small letters: one value for all files in it."""
    parts = tuple(folder.split("/")) if folder else ()
    return parts, tuple(part.casefold() for part in parts)


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
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return name if text == name else text  # one text, not two alike, for each of many files


class DiskFolder(FileStorage[str]):
    """Files below the folder ``root``; their key is the path from there, or from anywhere if it is absolute."""

    def __init__(self, root: str) -> None:
        super().__init__()
        self._root = root

    def place(self, key: str) -> str:
        return os.path.join(self._root, key)

    def read(self, key: str, name: str, limit: int | None) -> bytes:
        path = self.place(key)
        try:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode):
                raise ImageError(f"{name}: expected a photo, got a device or a pipe")
            if limit is None and status.st_size > MAX_FILE:
                raise ImageError(
                    f"{name}: expected at most {MAX_FILE >> 20} MB, got {status.st_size >> 20} MB; save it smaller"
                )
            with open(path, "rb") as file:
                return file.read(-1 if limit is None else limit)
        except OSError as error:
            raise ImageError(f"{name}: cannot be opened ({error.strerror}); check its rights") from error

    def stamp(self, key: str) -> str | None:
        path = self.place(key)
        try:
            status = os.stat(path)
        except OSError:
            return None
        return f"{path} {status.st_size} {status.st_mtime_ns}"


def file_entry(path: str, name: str) -> SourceEntry:
    """The file at ``path``, called ``name`` in its source."""
    return SourceEntry(printable(name), DiskFolder(""), os.path.abspath(path))
