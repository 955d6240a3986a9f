"""Files that a person or another program gives: regular ones alone, and no larger than what they are for needs."""

from __future__ import annotations

import json
import lzma
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from core.errors import InputError

MAX_PHOTO = 1 << 30
"""A photo or a mask may have this many bytes."""
MAX_TEXT = 64 << 20
"""A table, a JSON or an XML file may have this many bytes."""

BROKEN_ZIP: tuple[type[Exception], ...] = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError, ValueError,
    OverflowError,
)  # fmt: skip
"""What zipfile raises for an archive that is cut short, changed or lies."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def read_given(
    path: Path,
    most: int = MAX_PHOTO,
    *,
    name: str | None = None,
    first: int | None = None,
    error: type[InputError] = InputError,
) -> bytes:
    """The bytes of a file, or its ``first`` ones; ``error`` in one line that begins with ``name``.

    A pipe or a device is refused before a byte is read of it, for it may never end; so is a file of more than
    ``most`` bytes, and one that grows beyond them while it is read.
    """
    called = name or path.name or str(path)
    try:
        if path.is_dir():  # Windows cannot open one
            raise error(f"{called}: cannot be opened (expected a file, got a folder); give a regular file")
        # Without O_NONBLOCK the opening of a pipe waits until somebody writes to it.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
                raise error(f"{called}: cannot be opened (expected a file, got {kind}); give a regular file")
            return file.read(first) if first is not None else _whole(file, found.st_size, most, called, error)
    except InputError:
        raise
    except ValueError as odd:
        raise error(f"{called}: cannot be opened ({odd}); no file can have this name") from odd
    except OSError as refused:
        reason = refused.strerror or type(refused).__name__
        raise error(f"{called}: cannot be opened ({reason}); check the path and its rights") from refused


def given_json(path: Path) -> Any:
    """What the JSON in a file holds; InputError where there is no such file, or it is none, or nested too deeply."""
    data = read_given(path, MAX_TEXT)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as odd:
        reason = "it is nested too deeply" if isinstance(odd, RecursionError) else odd
        raise InputError(f"{path.name}: expected JSON, and it is damaged ({reason}); repair it") from odd


def _whole(file: BinaryIO, size: int, most: int, called: str, error: type[InputError]) -> bytes:
    data = file.read(most + 1) if size <= most else b""
    if size > most or len(data) > most:
        raise error(f"{called}: {max(size, len(data)):,} bytes are above the limit of {most:,}; give a smaller file")
    return data
