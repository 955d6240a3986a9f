"""A folder of entries that many projects share: one folder each, written whole or not at all.

::

    BANK/
      entries/<id>/entry.json   EntryFacts, with a format number; unknown keys are kept
                   pixels.png mask.png alpha.png thumbnail.png
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from core.bank.bank_archive import entries_of, read_entry
from core.bank.entry import ENTRY_FILES, ENTRY_FORMAT, FACTS_FILE, BankEntry, EntryFacts, whole_entry
from core.errors import FlawsmithError, InputError, NotFound, StoreError
from core.images import atomic_write, mask_png_bytes, png_bytes, read_image, read_mask, soft_png_bytes
from core.quality.near_duplicates import DUPLICATE_DISTANCE, Descriptor, descriptor
from core.stored import plain_record, read_record

_TICK_NS = 2 * 10**9
"""The coarsest clock that file systems date folders by: what comes in twice within it leaves one date."""


def bank_folder() -> Path:
    """The bank of this machine; ``FLAWSMITH_BANK`` moves it. It need not exist yet."""
    if given := os.environ.get("FLAWSMITH_BANK"):
        return Path(given).expanduser()
    from platformdirs import user_data_path

    return user_data_path("flawsmith") / "bank"


@dataclass(frozen=True)
class ImportedEntries:
    """What came in: ids of new entries, how many were there already, and one line for each that cannot be read."""

    added: tuple[str, ...] = ()
    known: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Listing:
    """The entries' ids with the dates of their folders, as they were when all lay in a folder of the date ``changed``;
    ``settled`` where nothing can have come in since without another date."""

    changed: int
    dates: Mapping[str, int]
    settled: bool


@lru_cache(maxsize=8)
def opened_bank(folder: Path) -> Bank:
    """The bank in ``folder``, one for all that ask in this process, so that its facts are read once."""
    return Bank(folder)


class Bank:
    """The bank in a folder, which need not exist yet. Safe to share between threads and processes: what another
    process adds or removes is seen at the next call, by the date of the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listing: _Listing | None = None
        self._known: dict[tuple[str, int], EntryFacts] = {}

    def ids(self) -> list[str]:
        """Of all entries, whole or damaged, sorted."""
        return list(self._listed().dates)

    def _listed(self) -> _Listing:
        home = self.folder / "entries"
        try:
            changed = home.stat().st_mtime_ns
            known = self._listing
            if known is not None and known.settled and known.changed == changed:
                return known
            settled = time.time_ns() - changed > _TICK_NS
            names = sorted(name for name in os.listdir(home) if not name.startswith("."))
        except FileNotFoundError:
            return _Listing(0, {}, False)
        dates = {}
        for name in names:
            with suppress(FileNotFoundError):  # removed since
                dates[name] = (home / name).stat().st_mtime_ns
        self._listing = listing = _Listing(changed, dates, settled)
        self._known = {key: facts for key, facts in self._known.items() if dates.get(key[0]) == key[1]}
        return listing

    def facts(self, label: str | None = None) -> dict[str, EntryFacts]:
        """By id, of those that can be read, perhaps of one label."""
        found = {}
        for id, date in self._listed().dates.items():
            try:
                facts = self._facts(id, date)
            except FlawsmithError:
                continue
            if label in (None, facts.label):
                found[id] = facts
        return found

    def problems(self) -> list[str]:
        """One line for each entry that cannot be read; they are left alone."""
        said = []
        for id, date in self._listed().dates.items():
            try:
                self._facts(id, date)
            except FlawsmithError as error:
                said.append(str(error))
        return said

    def entry(self, id: str) -> BankEntry:
        """The entry with this id; NotFound if there is none, InputError if it is damaged."""
        facts, folder = self._facts(id, self._listed().dates.get(id, 0)), self.path(id)
        pixels, alpha, thumbnail = (read_image(folder / f"{name}.png") for name in ("pixels", "alpha", "thumbnail"))
        return whole_entry(id, facts, pixels, read_mask(folder / "mask.png"), alpha, thumbnail)

    def path(self, id: str) -> Path:
        """The folder of an entry."""
        if not id.isalnum():
            raise NotFound(f"bank: {id[:40]!r} is no id of an entry; `launch.py bank list` shows them")
        return self.folder / "entries" / id

    def add(self, entry: BankEntry) -> bool:
        """Store an entry; False where it, or one that a person calls the same, is there already. StoreError if the
        folder cannot be written."""
        if entry.id in self.ids() or self._has_alike(entry):
            return False
        facts = ENTRY_FORMAT.stamped(plain_record(entry.facts))
        self._write(
            entry.id,
            {
                FACTS_FILE: json.dumps(facts, indent=1, sort_keys=True).encode(),
                "pixels.png": png_bytes(entry.pixels),
                "mask.png": mask_png_bytes(entry.mask),
                "alpha.png": soft_png_bytes(entry.alpha),
                "thumbnail.png": png_bytes(entry.thumbnail),
            },
        )
        return True

    def remove(self, ids: Sequence[str]) -> None:
        """Take entries out; NotFound, before any is gone, for one that is not there."""
        for id in ids:
            if not self.path(id).is_dir():
                raise NotFound(f"bank: there is no entry {id[:40]!r}; `launch.py bank list` shows them")
        for id in ids:
            # Renamed first, so that a kill leaves no entry without some of its files.
            gone = self.path(id).rename(self.folder / "entries" / f".gone-{id}-{os.getpid()}")
            shutil.rmtree(gone, ignore_errors=True)

    def export_to(self, path: Path, label: str | None = None) -> int:
        """Write the entries, perhaps of one label, as one zip; how many. InputError if there are none."""
        ids = list(self.facts(label))
        if not ids:
            whose = f" labelled {label!r}" if label else ""
            raise InputError(f"bank: there is no entry{whose} to export; add some first")
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
            for id in ids:
                for name in sorted(ENTRY_FILES):
                    archive.writestr(f"{id}/{name}", (self.path(id) / name).read_bytes())
        atomic_write(path, whole.getvalue())
        return len(ids)

    def import_from(self, path: Path) -> ImportedEntries:
        """Take in the entries of a zip that ``export_to`` wrote. InputError if it is none; a damaged entry is named
        and the others come in."""
        added, known, problems = [], 0, []
        for id, files in entries_of(path):
            try:
                entry = read_entry(id, files)
                if self.add(entry):
                    added.append(entry.id)
                else:
                    known += 1
            except StoreError:
                raise
            except FlawsmithError as error:
                problems.append(str(error))
        if not added and not known and not problems:
            raise InputError(f"{path.name}: no entry of a bank inside; give a file that `launch.py bank export` wrote")
        return ImportedEntries(tuple(added), known, tuple(problems))

    def _facts(self, id: str, date: int) -> EntryFacts:
        # An entry is never changed, but it may be removed and come back with another licence.
        key = (id, date)
        if (known := self._known.get(key)) is not None:
            return known
        self._known[key] = facts = self._read_facts(id)
        return facts

    def _read_facts(self, id: str) -> EntryFacts:
        try:
            text = (self.path(id) / FACTS_FILE).read_bytes()
        except OSError as error:
            raise NotFound(f"bank: there is no entry {id[:40]!r}; `launch.py bank list` shows them") from error
        where = f"bank: entry {id}"
        return read_record(EntryFacts, ENTRY_FORMAT.parse(text, where), where)

    def _has_alike(self, entry: BankEntry) -> bool:
        """Whether an entry of the label, cut from the same kind of photo, looks the same at the same place."""
        mine = _descriptor(entry)
        for id, facts in self.facts(entry.facts.label).items():
            near = np.abs(np.subtract(facts.place, entry.facts.place)).max() <= 4
            if facts.frame == entry.facts.frame and near:
                other = _descriptor(self.entry(id))
                if float(np.linalg.norm(mine - other)) < DUPLICATE_DISTANCE / 4:
                    return True
        return False

    def _write(self, id: str, files: dict[str, bytes]) -> None:
        home = self.folder / "entries"
        try:
            home.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=".new-", dir=home))
            try:
                for name, data in files.items():
                    atomic_write(part / name, data)
                part.rename(home / id)
            except OSError:
                shutil.rmtree(part, ignore_errors=True)
                if not (home / id).is_dir():  # another process was first
                    raise
        except OSError as error:
            raise StoreError(
                f"bank {self.folder}: it cannot be written: {error.strerror}; check the folder"
            ) from error


def _descriptor(entry: BankEntry) -> Descriptor:
    return descriptor(entry.pixels, entry.mask)
