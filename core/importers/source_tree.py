"""The files of a source as a tree: found by path without regard to capitals, read when asked for."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from core.errors import InputError
from core.importers.source_entry import HEAD, SourceEntry
from core.importers.words import role_of
from core.lookup import natural_sort_key

MOST_SUBTREES = 64
"""With more folders beside each other than this, none of them is a dataset of its own."""


class SourceTree:
    """Files below one folder of a source; their ``path`` begins there. ``where`` names it for people."""

    def __init__(self, entries: Sequence[SourceEntry], where: str) -> None:
        self.entries = tuple(entries)
        self.where = where

    @cached_property
    def images(self) -> tuple[SourceEntry, ...]:
        """The pictures among the files."""
        return tuple(entry for entry in self.entries if entry.is_image)

    @cached_property
    def folders(self) -> frozenset[str]:
        """Paths of all folders that hold something, in small letters."""
        held = {entry.folded for entry in self.entries}
        return frozenset("/".join(parts[:n]) for parts in held for n in range(1, len(parts) + 1))

    @cached_property
    def _by_path(self) -> dict[str, SourceEntry]:
        return {entry.path.casefold(): entry for entry in self.entries}

    @cached_property
    def _by_file(self) -> dict[str, list[SourceEntry]]:
        found: dict[str, list[SourceEntry]] = defaultdict(list)
        for entry in self.entries:
            found[entry.file.casefold()].append(entry)
        return found

    @cached_property
    def _by_suffix(self) -> dict[str, list[SourceEntry]]:
        found: dict[str, list[SourceEntry]] = defaultdict(list)
        for entry in self.entries:
            found[entry.suffix].append(entry)
        return found

    def has(self, folder: str) -> bool:
        """Whether there is such a folder, in any capitals."""
        return folder.casefold() in self.folders

    def get(self, path: str) -> SourceEntry | None:
        """The file at ``path``, in any capitals."""
        return self._by_path.get(path.casefold())

    def find(self, path: str, near: Sequence[str] = (), *, mask: bool = False) -> SourceEntry | None:
        """The file that a table calls ``path``: at that place, below one of the folders ``near``, or the only one
        whose path ends so. Paths of another machine are shortened from the left until one fits.

        Where a photo and its mask have one name, it is the one that lies in a folder of masks if ``mask``, else the
        other.
        """
        parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        for start in range(len(parts)):
            rest = "/".join(parts[start:])
            for folder in ("", *near):
                if found := self.get(f"{folder}/{rest}" if folder else rest):
                    return found
            ends = [
                e
                for e in self._by_file[parts[-1].casefold()]
                if f"/{e.path}".casefold().endswith(f"/{rest}".casefold())
            ]
            if len(ends) > 1:
                ends = [e for e in ends if any(role_of(f) == "mask" for f in e.folders) == mask]
                return ends[0] if len(ends) == 1 else None
            if ends:
                return ends[0]
        return None

    def find_photo(self, path: str, near: Sequence[str] = ()) -> SourceEntry | None:
        """The same of a photo, whose ending a table may leave out."""
        if found := self.find(path, near):
            return found
        parts = [part for part in path.replace("\\", "/").casefold().split("/") if part not in ("", ".", "..")]
        ends = self._photos_by_stem.get(parts[-1], ()) if parts else ()
        for start in range(len(parts)):
            rest = "/".join(parts[start:])
            fitting = [e for e in ends if f"/{e.path.casefold().rpartition('.')[0]}".endswith(f"/{rest}")]
            if fitting:
                return fitting[0] if len(fitting) == 1 else None
        return None

    @cached_property
    def _photos_by_stem(self) -> dict[str, list[SourceEntry]]:
        found: dict[str, list[SourceEntry]] = defaultdict(list)
        for entry in self.images:
            if not any(role_of(folder) == "mask" for folder in entry.folders):
                found[entry.stem.casefold()].append(entry)
        return found

    def named(self, *suffixes: str) -> list[SourceEntry]:
        """The files with one of these extensions, which are given in small letters with their dot."""
        found = [entry for suffix in suffixes for entry in self._by_suffix.get(suffix, ())]
        return found if len(suffixes) == 1 else sorted(found, key=lambda entry: natural_sort_key(entry.path))

    def below(self, folder: str) -> SourceTree:
        """The part of the tree below ``folder``."""
        inside = [entry.below(folder) for entry in self.entries if entry.path.startswith(f"{folder}/")]
        return SourceTree(inside, f"{self.where}/{folder}")

    def subtrees(self) -> Iterator[SourceTree]:
        """The trees below each of the folders at the top; none where there are very many."""
        parts: dict[str, list[SourceEntry]] = defaultdict(list)
        for entry in self.entries:
            if entry.folders:
                parts[entry.folders[0]].append(entry.below(entry.folders[0]))
        if len(parts) <= MOST_SUBTREES:
            for folder in sorted(parts, key=natural_sort_key):
                yield SourceTree(parts[folder], f"{self.where}/{folder}")


def text_of(entry: SourceEntry) -> str:
    """The text of a file: UTF-8 or UTF-16, else as Windows writes it; InputError if it cannot be read."""
    data = entry.load()
    if b"\0" in data[:1024] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{entry.name}: expected text, and it holds bytes that are none; save it as UTF-8")
    return decoded_text(data)


def decoded_text(data: bytes) -> str:
    """Bytes as text: by their mark, else UTF-8, else what Western Windows writes."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.end >= len(data) - 3 and len(data) == HEAD:  # the beginning of a file, cut inside a character
            return data.decode("utf-8-sig", "ignore")
    return data.decode("cp1252", "replace")


def json_of(entry: SourceEntry) -> Any:
    """The JSON of a file; InputError if it is none."""
    try:
        return json.loads(text_of(entry))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{entry.name}: expected JSON, and it is damaged ({error}); export it again") from error


def mentions(entry: SourceEntry, *keys: str) -> bool:
    """Whether a JSON has all these keys, or texts, somewhere: by its first bytes, else by all of it."""
    wanted = [f'"{key}"'.encode() for key in keys]
    try:
        head = entry.head()
        if all(key in head for key in wanted):
            return True
        if len(head) < HEAD:
            return False
        data = entry.load()
    except InputError:
        return False
    return all(key in data for key in wanted)
