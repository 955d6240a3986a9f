"""What lies in a folder, an archive or a list of files: names and how to get their bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from core.errors import InputError
from core.importers.archives import open_archive
from core.importers.inner_archives import with_inner_archives
from core.importers.source_entry import DiskFolder, Listing, Problem, SourceEntry, file_entry, is_ignored, printable
from core.lookup import natural_sort_key


def list_source(source: Path | Sequence[Path]) -> Listing:
    """The files of a folder, a zip, a tar, one file or several; InputError if it is not there or holds nothing."""
    if not isinstance(source, Path):
        return _several([Path(path) for path in source])
    if not source.exists():
        raise InputError(f"{source}: there is no such file or folder; check the path")
    listing = _folder(source) if source.is_dir() else open_archive(source)
    if listing is None:
        listing = Listing((file_entry(str(source), source.name),))
    listing = with_inner_archives(listing)
    if not listing.entries and not listing.problems:
        listing.close()
        raise InputError(f"{source}: there are no files in it; expected photos (PNG, JPEG, TIFF, BMP or WebP)")
    return replace(listing, entries=_each_once(listing.entries))


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

    return Listing(_each_once(entries), tuple(problems), close)


def _each_once(entries: Iterable[SourceEntry]) -> tuple[SourceEntry, ...]:
    """Files of one name, from two folders or twice in a zip, get a number, so that each can be accounted for."""
    seen: set[str] = set()
    found: list[SourceEntry] = []
    for entry in entries:
        name, number = entry.name, 1
        while name in seen:
            number += 1
            folder, slash, file = entry.name.rpartition("/")
            stem, dot, suffix = file.rpartition(".")
            name = f"{folder}{slash}{stem or suffix} ({number}){dot if stem else ''}{suffix if stem else ''}"
        seen.add(name)
        found.append(entry if number == 1 else replace(entry, name=name, path=name))
    return tuple(found)


def _folder(root: Path) -> Listing:
    entries: list[SourceEntry] = []
    problems: list[Problem] = []
    seen: set[tuple[int, int]] = set()
    storage = DiskFolder(os.path.abspath(root))

    def refused(error: OSError) -> None:
        where = Path(error.filename)
        problems.append(Problem(_relative(where, root), f"cannot be opened ({error.strerror}); check its rights"))

    for folder, subfolders, files in os.walk(root, onerror=refused, followlinks=True):
        status = os.stat(folder)
        here, real = Path(folder), (status.st_dev, status.st_ino)
        if real in seen or "project.db" in files:
            if here == root:
                raise InputError(f"{root}: this is a Flawsmith project, not a folder of photos; open it instead")
            if real not in seen:
                problems.append(Problem(_relative(here, root), "this is a Flawsmith project; its files are left out"))
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = [name for name in subfolders if not is_ignored([name])]
        prefix = "" if here == root else f"{here.relative_to(root).as_posix()}/"
        for name in files:
            if is_ignored([name]):
                continue
            if os.path.islink(path := os.path.join(folder, name)) and not os.path.exists(path):
                problems.append(Problem(printable(prefix + name), "it is a link to nowhere; copy the file itself"))
            else:
                entries.append(SourceEntry(printable(prefix + name), storage, prefix + name))
    return Listing(tuple(sorted(entries, key=lambda e: natural_sort_key(e.name))), tuple(problems))


def _relative(path: Path, root: Path) -> str:
    return printable(path.relative_to(root).as_posix())
