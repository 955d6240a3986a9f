"""How large files get here: taken up where they broke off, stopped when asked, hashed, where there is room."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from core.errors import Cancelled, Unavailable
from core.progress import Steps

_BLOCK = 1 << 18
_TIMEOUT_S = 30.0
_TRIES = 5
_SPARE = 100_000_000
_sha256_cache: dict[tuple[Path, int, int], str] = {}


def download(
    url: str,
    part: Path,
    size: int,
    progress: Steps | None = None,
    cancelled: Callable[[], bool] | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Bring the ``size`` bytes of ``url`` into ``part``, going on after the bytes that are there already.

    A connection that breaks is made again as long as each one brings something. ``headers`` go to the address itself
    and not to where it redirects, which may be somebody else. OSError when it can't be done; Cancelled when stopped:
    in both cases the part is kept.
    """
    for attempt in range(_TRIES):
        before = _size(part)
        try:
            _once(url, part, size, progress, cancelled, headers or {})
            return
        except (OSError, http.client.HTTPException) as error:
            if attempt + 1 == _TRIES or _size(part) <= before:
                raise error if isinstance(error, OSError) else ConnectionError(repr(error)) from error


def _once(
    url: str,
    part: Path,
    size: int,
    progress: Steps | None,
    cancelled: Callable[[], bool] | None,
    headers: Mapping[str, str],
) -> None:
    have = _size(part)
    if have > size:
        part.unlink()
        have = 0
    if have == size and size:
        return
    asked = urllib.request.Request(url, headers={"User-Agent": "flawsmith"})
    for name, value in headers.items():
        asked.add_unredirected_header(name, value)
    if have:
        asked.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(asked, timeout=_TIMEOUT_S) as answer:
        # A server that ignores the range sends the whole file: start over.
        resumed = answer.status == 206
        done = have if resumed else 0
        with part.open("ab" if resumed else "wb") as file:
            while True:
                if cancelled is not None and cancelled():
                    raise Cancelled("the download was stopped; it goes on where it was next time")
                block = answer.read(_BLOCK)
                if not block:
                    break
                file.write(block)
                done += len(block)
                if progress is not None:
                    progress(min(done, size), size)
                if done > size:
                    break
    if done < size:
        raise ConnectionError(f"the connection ended after {done} of {size} bytes")


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file; remembered by path, size and time of change."""
    key = _key(path)
    if key not in _sha256_cache:
        with path.open("rb") as file:
            _sha256_cache[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _sha256_cache[key]


def known_sha256(path: Path) -> str | None:
    """What file_sha256 found for this file, unchanged since then; None when nobody asked yet."""
    return _sha256_cache.get(_key(path))


def move_into_place(part: Path, final: Path) -> None:
    """Give a whole file its name, in place of what bears it; its sha256 stays known."""
    known = known_sha256(part)
    os.replace(part, final)
    if known:
        _sha256_cache[_key(final)] = known


def check_disk_space(folder: Path, size: int, what: str) -> None:
    """Unavailable unless ``folder`` can be written and ``size`` bytes fit on its disk."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise Unavailable(f"{folder}: can't be written ({error}); set FLAWSMITH_MODELS to another folder") from error
    if size + _SPARE > free:
        raise Unavailable(
            f"{what}: {size / 1e9:.2f} GB are to come and {folder} has {free / 1e9:.2f} GB free; make room, or "
            "set FLAWSMITH_MODELS to a folder on another disk"
        )


def failure_reason(error: Exception) -> str:
    """Why a download failed, in a few words and one line."""
    lines = [line.strip() for line in str(getattr(error, "reason", None) or error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:200].rstrip(".") or type(error).__name__


def _key(path: Path) -> tuple[Path, int, int]:
    stat = path.stat()
    return (path.resolve(), stat.st_size, stat.st_mtime_ns)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
