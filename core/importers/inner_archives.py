"""Archives that lie in a folder or in another archive: their files in their place."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from core.errors import InputError
from core.importers.archives import open_archive
from core.importers.source_entry import Listing, Problem, SourceEntry
from core.lookup import natural_sort_key

_SUFFIXES = frozenset({".zip", ".tar", ".tgz", ".gz", ".tbz2", ".bz2", ".txz", ".xz", ".7z", ".rar"})
_DEEPEST = 3
"""Archives in archives in archives are opened, no deeper."""


def is_archive(entry: SourceEntry) -> bool:
    """Whether a file is an archive by its name."""
    return entry.suffix in _SUFFIXES


def with_inner_archives(listing: Listing, depth: int = 1) -> Listing:
    """``listing`` with the files of its archives in place of them, where it holds no pictures beside them.

    What a damaged archive holds is told as a problem.
    """
    packed = [e for e in listing.entries if is_archive(e)]
    if not packed or depth > _DEEPEST or any(e.is_image for e in listing.entries):
        return listing
    entries = [e for e in listing.entries if not is_archive(e)]
    problems = list(listing.problems)
    opened: list[tuple[SourceEntry, Listing]] = []
    for archive in packed:
        try:
            opened.append((archive, with_inner_archives(_open(archive), depth + 1)))
        except InputError as error:
            problems.append(Problem.of(archive.name, error))
    for (archive, inner), prefix in zip(opened, _prefixes(opened), strict=True):
        entries += [_renamed(e, f"{prefix}{e.name}") for e in inner.entries]
        problems += [Problem(f"{archive.name}: {p.path}", p.reason) for p in inner.problems]

    def close() -> None:
        for _, inner in opened:
            inner.close()
        listing.close()

    in_order = tuple(sorted(entries, key=lambda e: natural_sort_key(e.name)))
    return Listing(in_order, tuple(problems), close)


def _prefixes(opened: list[tuple[SourceEntry, Listing]]) -> list[str]:
    """Where the files of each archive are put: in its folder, or in one named like it where its name tells them apart.

    ``train.zip`` and ``test.zip`` that hold ``train/`` and ``test/`` are one tree; ``good.zip`` and ``bad.zip`` that
    hold loose photos, or files of the same names, are two folders.
    """
    by_place: dict[tuple[str, ...], list[Listing]] = defaultdict(list)
    for archive, inner in opened:
        by_place[archive.folders].append(inner)
    prefixes = []
    for archive, _ in opened:
        together = by_place[archive.folders]
        names = Counter(e.name for one in together for e in one.entries)
        loose = any(not e.folders for one in together for e in one.entries)
        apart = len(together) > 1 and (loose or max(names.values(), default=0) > 1)
        folders = (*archive.folders, *([archive.file.partition(".")[0]] if apart else []))
        prefixes.append("".join(f"{folder}/" for folder in folders))
    return prefixes


def _open(entry: SourceEntry) -> Listing:
    """The files of an archive, which is unpacked to a temporary file first unless it lies on the disk."""
    if entry.on_disk is not None:
        return _listed(Path(entry.on_disk), entry)
    folder = Path(tempfile.mkdtemp(prefix="flawsmith-import-"))
    try:
        path = folder / f"archive{entry.suffix}"
        path.write_bytes(entry.load())
        inner = _listed(path, entry)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return replace(inner, close=_both(inner.close, lambda: shutil.rmtree(folder, ignore_errors=True)))


def _listed(path: Path, entry: SourceEntry) -> Listing:
    try:
        listing = open_archive(path)
    except InputError as error:
        raise InputError(str(error).replace(str(path), entry.name)) from error
    if listing is None:
        raise InputError(f"{entry.name}: it is called an archive and is none that can be read; unpack it yourself")
    return listing


def _both(first: Callable[[], None], then: Callable[[], None]) -> Callable[[], None]:
    def close() -> None:
        first()
        then()

    return close


def _renamed(entry: SourceEntry, name: str) -> SourceEntry:
    return replace(entry, name=name, path=name)
