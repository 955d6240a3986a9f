"""A folder that appears whole or not at all."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import ExportError
from core.given_files import given_json

MARKER_FILE = "flawsmith/export.json"
FILES_LIST = "flawsmith/files.txt"
"""Names every other file of an export, a line each; what else lies in its folder is a person's."""
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def is_export(path: Path) -> bool:
    """Whether ``path`` is a folder that an export wrote."""
    try:
        return bool(given_json(path / MARKER_FILE)["made_by"] == "Flawsmith")
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextmanager
def atomic_folder(out: Path, overwrite: bool) -> Iterator[Path]:
    """A new folder beside ``out`` that becomes ``out`` when the block ends well, and vanishes when it does not.

    Everything is on disk before the name changes. An earlier export is replaced only with ``overwrite``, in
    one step where the system can exchange two folders. ExportError: ``out`` is taken, or cannot be written.
    """
    _check_target(out, overwrite)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _sweep(out)
        part = out.parent / f".{out.name}.{_host()}-{os.getpid()}.partial"
        if part.exists():
            raise ExportError(f"{out}: another export into this folder is running; wait for it")
        part.mkdir()
    except OSError as error:
        raise _unwritable(out, error) from error
    try:
        yield part
        _list_files(part)
        _flush(part)
        _move(part, out, overwrite)
    except OSError as error:
        raise _unwritable(out, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _check_target(out: Path, overwrite: bool) -> None:
    if not out.name:
        raise ExportError(f"{out}: give a folder to write, not a whole drive")
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir():
        raise ExportError(f"{out}: there is a file of this name; give another folder")
    if not is_export(out):
        raise ExportError(f"{out}: the folder holds other files and is no earlier export; give another folder")
    if not overwrite:
        raise ExportError(f"{out}: there is an export already; allow overwriting or give another folder")
    if added := _added_files(out):
        more = f" and {len(added) - 1} more" if len(added) > 1 else ""
        raise ExportError(
            f"{out}: {added[0]!r}{more} came into this export's folder later; move them away or give another folder"
        )


def _files_in(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}


def _list_files(part: Path) -> None:
    if (part / MARKER_FILE).is_file():
        (part / FILES_LIST).write_text("".join(f"{name}\n" for name in sorted(_files_in(part))), "utf-8")


def _added_files(out: Path) -> list[str]:
    """Files in an export's folder that the export did not write; none for an export that did not list its own."""
    try:
        own = set((out / FILES_LIST).read_text("utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return []
    return sorted(_files_in(out) - own - {FILES_LIST})


def _unwritable(out: Path, error: OSError) -> ExportError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ExportError(f"{out}: the disk is full, nothing was written; free some space or give another folder")
    return ExportError(f"{out}: cannot write ({error.strerror or error}); check the folder and its permissions")


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", socket.gethostname())[:32] or "host"


def _sweep(out: Path) -> None:
    """Remove what exports to ``out`` left that were killed on this machine."""
    pattern = re.compile(re.escape(f".{out.name}.{_host()}-") + r"(\d+)\.partial")
    for path in out.parent.iterdir():
        found = pattern.fullmatch(path.name)
        if found and int(found[1]) != os.getpid() and not _alive(int(found[1])):
            shutil.rmtree(path, ignore_errors=True)


def _alive(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # os.kill(pid, 0) ends the process there: leave the folder alone
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _flush(folder: Path) -> None:
    """Everything in ``folder`` on disk: one syncfs where there is one, else file by file."""
    if sys.platform == "linux":
        handle = os.open(folder, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(handle) == 0:
                return
        except AttributeError:
            pass
        finally:
            os.close(handle)
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())


def _flush_name(folder: Path) -> None:
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _move(part: Path, out: Path, overwrite: bool) -> None:
    _check_target(out, overwrite)
    if out.is_dir() and not any(out.iterdir()):
        out.rmdir()
    if not out.exists():
        part.rename(out)
    elif not _exchange(part, out):
        old = part.with_suffix(".old")
        out.rename(old)
        try:
            part.rename(out)
        except OSError:
            old.rename(out)
            raise
        shutil.rmtree(old, ignore_errors=True)
    _flush_name(out.parent)


def _exchange(a: Path, b: Path) -> bool:
    """Swap two folders in one step; False where the system cannot."""
    if sys.platform != "linux":
        return False
    with suppress(AttributeError):
        rename = ctypes.CDLL(None, use_errno=True).renameat2
        return bool(rename(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE) == 0)
    return False
