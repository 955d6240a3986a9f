"""Content-addressed files: ``files/ab/<sha256>.<ext>``, written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import InputError, NotFound, StoreError
from core.images.write import atomic_write

FILES_FOLDER = "files"


@dataclass(frozen=True)
class StoredFile:
    """Bytes that have a file; ``file`` is the path relative to the project."""

    file: str
    data: bytes

    @property
    def digest(self) -> str:
        """sha256 of the content, 64 hex digits."""
        return Path(self.file).stem


class FileStore:
    """The files of one project folder; ``only_read`` where it cannot be written."""

    def __init__(self, root: Path, only_read: bool = False) -> None:
        self.root = root
        self.only_read = only_read

    def put(self, data: bytes, ext: str) -> StoredFile:
        """Write ``data`` unless the same content is there already; durable on return."""
        if self.only_read:
            raise opened_for_reading(self.root)
        clean = ext.lower().lstrip(".")
        if not re.fullmatch(r"[a-z0-9]{1,8}", clean):
            raise InputError(f"file extension {ext!r}: expected 1 to 8 letters or digits, for example 'png'")
        digest = hashlib.sha256(data).hexdigest()
        stored = StoredFile(f"{FILES_FOLDER}/{digest[:2]}/{digest}.{clean}", data)
        self.ensure_written(stored)
        return stored

    def as_stored(self, data: bytes | StoredFile, ext: str) -> StoredFile:
        """``data`` with a file, whether it has one already or not."""
        return data if isinstance(data, StoredFile) else self.put(data, ext)

    def ensure_written(self, stored: StoredFile) -> None:
        """Write the file again if it is gone.

        Called once more inside the transaction that adds its row: between the two, a sweep may have taken
        a file that nobody referred to yet.
        """
        path = self.root / stored.file
        try:
            if path.stat().st_size == len(stored.data):
                return
        except FileNotFoundError:
            pass
        try:
            if not path.parent.is_dir():
                path.parent.mkdir(parents=True, exist_ok=True)
                sync_folder(path.parent.parent)
        except OSError as error:
            raise cannot_write(self.root, error) from error
        atomic_write(path, stored.data)

    def find(self, wanted: str) -> Path:
        """The file with this relative path, sha256 or beginning of a sha256 (4 digits or more)."""
        if re.fullmatch(r"[0-9a-f]{4,64}", wanted):
            found = sorted((self.root / FILES_FOLDER / wanted[:2]).glob(f"{wanted}*"))
        else:
            path = (self.root / wanted).resolve()
            inside = path.is_relative_to((self.root / FILES_FOLDER).resolve())
            found = [path] if inside and path.is_file() else []
        if not found:
            raise NotFound(f"file {wanted!r} is not in project {self.root}")
        return found[0]

    def sweep(self, wanted: Container[str], older_than_s: float) -> int:
        """Delete files that no row refers to and leftover temporary files; return how many.

        Only those untouched for ``older_than_s`` seconds: another process may be between file and row.
        """
        limit = time.time() - older_than_s
        swept = 0
        for entry in self._entries():
            relative = f"{FILES_FOLDER}/{Path(entry.path).parent.name}/{entry.name}"
            if relative in wanted:
                continue
            try:
                if entry.stat().st_mtime < limit:
                    os.unlink(entry.path)
                    swept += 1
            except FileNotFoundError:
                continue
        return swept

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(self.root / FILES_FOLDER) as folders:
                names = [folder.path for folder in folders if folder.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return
        for name in names:
            with os.scandir(name) as entries:
                yield from (entry for entry in entries if entry.is_file(follow_symlinks=False))


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` durable (Windows has no such call and needs none)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def opened_for_reading(root: Path) -> StoreError:
    """The line a person reads who wants to change a project whose folder cannot be written."""
    return StoreError(
        f"project {root}: it was opened for reading, as its folder cannot be written; copy it to a folder that you "
        "can write to"
    )


def cannot_write(root: Path, error: OSError) -> StoreError:
    """The line a person reads when the disk refuses."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(f"project {root}: the disk is full; free some space and try again, nothing was lost")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError(f"project {root}: the folder cannot be written; check its permissions or copy it elsewhere")
    return StoreError(f"project {root}: cannot write a file ({error.strerror or error}); check the disk")
