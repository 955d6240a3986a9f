"""7z archives, where py7zr is installed: unpacked to a temporary folder, since 7z packs files one into another."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import InputError
from core.importers.source_entry import MAX_FILE, Problem, is_ignored, printable

ADVICE = "unpack it and give the folder"


@dataclass(frozen=True)
class UnpackedArchive:
    """``files`` are names in the archive and where they lie now; ``close`` deletes them."""

    files: tuple[tuple[str, Path], ...]
    problems: tuple[Problem, ...]
    close: Callable[[], None]


def unpack_7z(path: Path, leads_out: Callable[[str], bool], check_size: Callable[[int, int], None]) -> UnpackedArchive:
    """The files of a 7z; InputError where py7zr is missing, or for one that is damaged, encrypted or too large.

    ``check_size`` gets how many files and bytes it holds and raises where that is too much.
    """
    try:
        import py7zr
    except ImportError as error:
        raise InputError(f"{path}: a 7z needs py7zr (pip install py7zr), which is not here; {ADVICE}") from error
    folder = Path(tempfile.mkdtemp(prefix="flawsmith-7z-"))
    try:
        with py7zr.SevenZipFile(path, "r") as archive:
            if archive.needs_password():
                raise InputError(f"{path}: the 7z is encrypted; unpack it with its password and give the folder")
            found = [(str(one.filename), int(one.uncompressed or 0)) for one in archive.list() if not one.is_directory]
            check_size(len(found), sum(size for _, size in found))
            wanted, problems = _wanted(found, leads_out)
            archive.extract(folder, targets=wanted)
    except InputError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except Exception as error:  # its decoders raise many kinds
        shutil.rmtree(folder, ignore_errors=True)
        said = str(error) or type(error).__name__
        raise InputError(
            f"{path}: the 7z is damaged or packed in a way that is not read ({said}); {ADVICE}"
        ) from error
    placed = [(name, folder / name) for name in wanted]
    links = [
        Problem(printable(name), "it is a link, not a file; pack the file itself")
        for name, at in placed
        if at.is_symlink()
    ]
    files = tuple((printable(name), at) for name, at in placed if at.is_file() and not at.is_symlink())
    return UnpackedArchive(files, (*problems, *links), lambda: shutil.rmtree(folder, ignore_errors=True))


def _wanted(found: Sequence[tuple[str, int]], leads_out: Callable[[str], bool]) -> tuple[list[str], list[Problem]]:
    """Names of the files to unpack, and why others are left."""
    wanted: list[str] = []
    problems: list[Problem] = []
    for name, size in found:
        if is_ignored(part for part in name.split("/") if part not in ("", ".", "..")):
            continue
        if leads_out(name):
            problems.append(Problem(printable(name), "its path leads out of the 7z; pack the photos again"))
        elif size > MAX_FILE:
            problems.append(Problem(printable(name), f"it has {size >> 20} MB; expected at most {MAX_FILE >> 20} MB"))
        else:
            wanted.append(name)
    return wanted, problems
