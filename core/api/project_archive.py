"""A whole project as one file, to carry to another machine: written in one pass, checked when it is opened.

The file is a zip. Its last entry, ``manifest.json``, names every other one with its size in bytes and its sha256. What
can be made again (the cache) is not in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from core.api.projects import folder_name, free_path
from core.errors import Cancelled, FlawsmithError, InputError, StoreError
from core.given_files import BROKEN_ZIP
from core.jobs.runner import JobControl, JobRunner
from core.progress import Progress, unwatched
from core.store import Project
from core.store.reading_copy import DATABASE, copy_database
from core.stored import JsonObject, StoredFormat
from core.types import Image

SUFFIX = ".flawsmith"
MANIFEST = "manifest.json"
FORMAT = StoredFormat("project archive")
LEFT_OUT = "cache"
"""The folder that is made again where it is missing."""
CHUNK = 1 << 20
MOST_MANIFEST = 256 << 20
"""Bytes of a manifest that are read at most; a million files take half of that."""


@dataclass(frozen=True)
class PackedProject:
    """What was packed or opened: its ``path``, how many files, and their size in bytes."""

    path: Path
    files: int
    bytes: int

    def as_dict(self) -> JsonObject:
        return {"path": str(self.path), "files": self.files, "bytes": self.bytes}


@dataclass(frozen=True)
class PackedFile:
    """One file of an archive: its path in the project, size in bytes, and sha256 in hex digits."""

    path: str
    size: int
    sha256: str


def pack_project(
    source: Path, target: Path, *, overwrite: bool = False, progress: Progress = unwatched
) -> PackedProject:
    """Write the project in the folder ``source``, which may be open, as the file ``target``.

    InputError where ``target`` is not called ``*.flawsmith`` or is there already; StoreError where the project cannot
    be read or the file not be written. Nothing half-written is left behind.
    """
    if target.suffix != SUFFIX:
        raise InputError(f"{target}: expected a file name that ends in {SUFFIX}, for example {source.name}{SUFFIX}")
    if target.exists() and not overwrite:
        raise InputError(f"{target}: it is there already; choose another name, or give --overwrite")
    name = _name_of(source)
    part: str | None = None
    try:
        handle, part = tempfile.mkstemp(prefix=f".{target.stem[:60]}-", suffix=".part", dir=target.absolute().parent)
        with open(handle, "wb") as out:
            packed = _write_archive(source, name, out, progress)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, target)
    except OSError as error:
        raise StoreError(f"{target}: it could not be written: {error.strerror or error}") from error
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)
    return PackedProject(target, len(packed), sum(file.size for file in packed))


def start_packing(project: Project, jobs: JobRunner) -> str:
    """Pack an open project in the background, into its cache and in place of earlier ones; the job's id.

    The job's result has the ``path``, the number of ``files`` and their ``bytes``.
    """
    folder = project.cache_dir / "packed"

    def work(control: JobControl) -> JsonObject:
        def step(done: int, total: int, preview: Image | None = None, message: str = "") -> None:
            control.progress(done, total, message=message)
            if control.cancelled():
                raise Cancelled("stopped; the project is as it was")

        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{folder_name(project.name)}{SUFFIX}"
        packed = pack_project(project.path, target, overwrite=True, progress=step)
        for older in folder.glob(f"*{SUFFIX}"):
            if older != target:
                older.unlink(missing_ok=True)
        return packed.as_dict()

    return jobs.submit("pack", f"Pack {project.name}", work)


def _name_of(source: Path) -> str:
    with Project.open(source, for_reading=True) as project:
        return project.name


def _write_archive(source: Path, name: str, out: BinaryIO, progress: Progress) -> list[PackedFile]:
    packed: list[PackedFile] = []
    with _database_copy(source) as database, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        # The database first: what it names is stored before its row is, so that all of it is there to be packed.
        packed.append(_add(archive, database, DATABASE))
        files = sorted(_carried(source))
        for done, file in enumerate(files):
            progress(done, len(files), message="Packing")
            try:
                packed.append(_add(archive, file, file.relative_to(source).as_posix()))
            except FileNotFoundError:  # a file to which no row refers may be swept at any time
                continue
        progress(len(files), len(files), message="Packing")
        manifest = {"name": name, "files": {file.path: [file.size, file.sha256] for file in packed}}
        archive.writestr(MANIFEST, json.dumps(FORMAT.stamped(manifest)), zipfile.ZIP_DEFLATED)
    return packed


@contextmanager
def _database_copy(source: Path) -> Iterator[Path]:
    """The database as it is now, in a file of its own: others may write to the project meanwhile."""
    with tempfile.TemporaryDirectory(prefix="flawsmith-packing-") as folder:
        copy = Path(folder) / DATABASE
        try:
            copy_database(source, copy)
        except sqlite3.Error as error:
            raise StoreError(f"project {source}: its database could not be copied: {error}") from error
        yield copy


def _carried(source: Path) -> Iterator[Path]:
    """The files of a project that go with it: neither database nor cache, no link, nothing half-written."""
    for folder, folders, names in os.walk(source):
        at_top = Path(folder) == source
        folders[:] = [one for one in folders if not one.startswith(".") and not (at_top and one == LEFT_OUT)]
        for name in names:
            path = Path(folder) / name
            beside_database = at_top and name.startswith(DATABASE)
            if not name.startswith(".") and not beside_database and path.is_file() and not path.is_symlink():
                yield path


def _add(archive: zipfile.ZipFile, file: Path, path: str) -> PackedFile:
    digest, size = hashlib.sha256(), 0
    with open(file, "rb") as data:
        entry = zipfile.ZipInfo(path)
        entry.compress_type = zipfile.ZIP_DEFLATED if path == DATABASE else zipfile.ZIP_STORED
        with archive.open(entry, "w", force_zip64=True) as out:
            while chunk := data.read(CHUNK):
                out.write(chunk)
                digest.update(chunk)
                size += len(chunk)
    return PackedFile(path, size, digest.hexdigest())


def packed_name(file: Path) -> str:
    """What the project in an archive is called; InputError if the file is none."""
    with _opened(file) as archive:
        return _manifest(archive, file)[0]


def unused_folder(file: Path, projects: Path) -> Path:
    """Where in the folder ``projects`` the project in an archive goes: by its name, numbered where that is taken."""
    return free_path(projects / folder_name(packed_name(file)))


def open_archive(file: Path, target: Path, progress: Progress = unwatched) -> PackedProject:
    """Unpack the archive ``file`` as the project folder ``target``, which must not exist yet.

    Every file is compared with the manifest. InputError for a file that is no archive, was cut short or was changed;
    StoreError where ``target`` is taken or cannot be written. Nothing half-unpacked is left behind.
    """
    if target.exists():
        raise StoreError(f"{target}: something is there already; choose another folder")
    with _opened(file) as archive:
        _, packed = _manifest(archive, file)
        part: Path | None = None
        try:
            target.absolute().parent.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=f".{target.name[:60]}-", suffix=".new", dir=target.absolute().parent))
            part.chmod(target.absolute().parent.stat().st_mode)
            _raise_if_too_large(packed, part, file)
            for done, one in enumerate(packed):
                progress(done, len(packed), message="Opening")
                _extract(archive, one, part, file)
            _raise_if_damaged(part, file)
            progress(len(packed), len(packed), message="Opening")
            part.rename(target)
        except OSError as error:
            raise StoreError(f"{target}: it could not be written: {error.strerror or error}") from error
        finally:
            if part is not None:
                shutil.rmtree(part, ignore_errors=True)
    return PackedProject(target, len(packed), sum(one.size for one in packed))


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        if not file.is_file():
            raise InputError(f"{file}: expected a file that `launch.py pack` wrote; there is none")
        with zipfile.ZipFile(file) as archive:
            yield archive
    except FlawsmithError:
        raise
    except BROKEN_ZIP as error:
        raise InputError(
            f"{file.name}: it is no {SUFFIX} file, or it was cut short; copy it again ({error})"
        ) from error


def _manifest(archive: zipfile.ZipFile, file: Path) -> tuple[str, list[PackedFile]]:
    """The project's name, and the files of the archive, database first; InputError if they are not as written."""
    try:
        info = archive.getinfo(MANIFEST)
    except KeyError:
        raise InputError(f"{file.name}: expected a file that `launch.py pack` wrote; it has no {MANIFEST}") from None
    if info.file_size > MOST_MANIFEST:
        raise InputError(f"{file.name}: its {MANIFEST} is larger than any that `launch.py pack` writes")
    raw = FORMAT.parse(archive.read(info), f"{file.name}: {MANIFEST}")
    damaged = InputError(f"{file.name}: its {MANIFEST} is damaged; pack the project again")
    try:
        packed = [PackedFile(path, int(size), str(digest)) for path, (size, digest) in raw["files"].items()]
        name = str(raw["name"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise damaged from error
    if any(not _packed_as_here(entry) for entry in archive.infolist()):
        raise InputError(f"{file.name}: `launch.py pack` does not compress files so; pack the project again")
    if not packed or packed[0].path != DATABASE or not all(_stays_inside(one.path) for one in packed):
        raise damaged
    held = sorted(entry for entry in archive.namelist() if entry != MANIFEST)
    if held != sorted(one.path for one in packed):
        raise InputError(f"{file.name}: it does not hold the files that its {MANIFEST} names; pack the project again")
    return name, packed


def _packed_as_here(entry: zipfile.ZipInfo) -> bool:
    """Pictures do not shrink, so only what else there is was compressed; more than 200 to 1 fills disks on purpose."""
    if entry.filename in (DATABASE, MANIFEST):
        shrunk = entry.file_size <= 200 * entry.compress_size + 64 * CHUNK
        return shrunk and entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return entry.compress_type == zipfile.ZIP_STORED


def _stays_inside(path: str) -> bool:
    """Does the path stay in the project's folder, on every system?"""
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts and not set(path) & set("\\:\0")


def _raise_if_too_large(packed: list[PackedFile], folder: Path, file: Path) -> None:
    needed, free = sum(one.size for one in packed), shutil.disk_usage(folder).free
    if needed > free:
        raise StoreError(
            f"{file.name}: the project takes {needed / 1e9:.1f} GB, and {folder.parent} has {free / 1e9:.1f} GB free; "
            "choose another folder or free some space"
        )


def _raise_if_damaged(folder: Path, file: Path) -> None:
    try:
        with Project.open(folder, for_reading=True):
            pass
    except StoreError as error:
        reason = str(error).rpartition(f"{folder}: ")[2]
        raise InputError(f"{file.name}: the project in it cannot be opened: {reason}") from error


def _extract(archive: zipfile.ZipFile, one: PackedFile, folder: Path, file: Path) -> None:
    """Write one file; no more of it is read than its size says, whatever the zip holds."""
    path = folder / one.path
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, left = hashlib.sha256(), one.size
    with archive.open(one.path) as data, open(path, "wb") as out:
        while left > 0 and (chunk := data.read(min(CHUNK, left))):
            out.write(chunk)
            digest.update(chunk)
            left -= len(chunk)
        ends = not data.read(1)
    if left or not ends or digest.hexdigest() != one.sha256:
        raise InputError(f"{file.name}: {one.path} is not as it was packed; copy the file again")
