"""The zip in which entries of a bank travel. A stranger may have written it, so nothing in it is trusted."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from core.bank.entry import (
    ENTRY_FILES,
    ENTRY_FORMAT,
    ENTRY_PICTURES,
    FACTS_FILE,
    BankEntry,
    EntryFacts,
    whole_entry,
)
from core.errors import FlawsmithError, InputError
from core.given_files import BROKEN_ZIP
from core.images import isolated, png_size
from core.stored import read_record

_LARGEST = 256 * 2**20
"""Bytes that one picture of an archive may have."""
_LARGEST_FACTS = 2**20
"""Bytes that the facts of an entry may have there."""


def entries_of(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The entries of an archive: id and its files by name. Nothing is unpacked to disk, so no name leads anywhere."""
    try:
        if not path.is_file():
            raise InputError(f"{path.name}: expected a zip that `launch.py bank export` wrote; there is no such file")
        with zipfile.ZipFile(path) as archive:
            by_id: dict[str, dict[str, zipfile.ZipInfo]] = {}
            for info in archive.infolist():
                inside = PurePosixPath(info.filename)
                largest = _LARGEST_FACTS if inside.name == FACTS_FILE else _LARGEST
                if len(inside.parts) == 2 and inside.name in ENTRY_FILES and info.file_size <= largest:
                    by_id.setdefault(inside.parts[0], {})[inside.name] = info
            for id, files in by_id.items():
                yield id, {name: archive.read(info) for name, info in files.items()}
    except FlawsmithError:
        raise
    except BROKEN_ZIP as error:
        raise InputError(f"{path.name}: expected a zip that `launch.py bank export` wrote ({error})") from error


def read_entry(id: str, files: dict[str, bytes]) -> BankEntry:
    """An entry from an archive, checked as one on disk is; its pictures are a stranger's."""
    where = f"bank: entry {id[:40]!r}"
    if missing := sorted(ENTRY_FILES - set(files)):
        raise InputError(f"{where}: {missing[0]} is missing; export the bank again")
    facts = read_record(EntryFacts, ENTRY_FORMAT.parse(files[FACTS_FILE], where), where)
    for name in ENTRY_PICTURES:
        _check_size(files[name], facts, f"{where}: {name}")
    names = ("pixels.png", "alpha.png", "thumbnail.png")
    pixels, alpha, thumbnail = (isolated.read_image(files[name], f"{where}: {name}") for name in names)
    mask = isolated.read_mask(files["mask.png"], name=f"{where}: mask.png")
    return whole_entry(id, facts, pixels, mask, alpha, thumbnail)


def _check_size(png: bytes, facts: EntryFacts, where: str) -> None:
    """InputError for a picture that is larger than its photo, said before it is decoded."""
    height, width = png_size(png, where)
    if height > max(16, facts.frame[0]) or width > max(16, facts.frame[1]):
        raise InputError(f"{where}: {width}x{height} pixels are more than its photo has; export the bank again")
