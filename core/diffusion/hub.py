"""Fetches a known diffusion model in half precision from a model hub. The only file that imports huggingface_hub.

The hub's library tells what there is: commit, files, sizes, checksums, and the person's access token. The bytes come
by core.weights.transfer, since that library throws away the part of a file when it is stopped, and the largest here
is 1.7 GB.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.diffusion import model_folders
from core.diffusion.model_sources import PARTS, KnownModel
from core.errors import Unavailable
from core.progress import Steps
from core.weights import models_dir
from core.weights.transfer import check_disk_space, download, failure_reason, file_sha256, move_into_place

_TIMEOUT_S = 20.0
_WANTED = re.compile(
    rf"model_index\.json|README\.md|LICENSE[\w.]*|({'|'.join(PARTS)})/[\w-]+\.(json|txt)"
    r"|(unet|vae|text_encoder)/[\w-]+\.fp16\.safetensors"
)
"""Of all the files of a hub's folder, those that make the model in half precision."""


@dataclass(frozen=True)
class _HubFile:
    """One file as the hub lists it: ``sha256`` for large ones, git's ``blob`` for the others."""

    name: str
    url: str
    size: int
    sha256: str | None
    blob: str

    def is_whole(self, path: Path) -> bool:
        """Is the file at ``path`` the one that the hub lists?"""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        if self.sha256:
            return file_sha256(path) == self.sha256
        told = b"blob %d\0" % self.size + path.read_bytes()
        return hashlib.sha1(told, usedforsecurity=False).hexdigest() == self.blob


def fetch(
    name: str,
    progress: Steps | None = None,
    cancelled: Callable[[], bool] | None = None,
    endpoint: str | None = None,
) -> Path:
    """Fetch the model ``name`` of KNOWN and return its folder; one that is whole is not fetched again.

    ``progress(bytes, total)``. ``endpoint`` is a hub's address, else that of HF_ENDPOINT, else huggingface.co. The
    folder grows as ``<folder>.part`` and is taken up again there after a break or a stop. It gets its name when every
    file has come with the hub's checksum, and then replaces a folder that was not whole.
    Unavailable: no connection, no room, or something else came. Cancelled: stopped; what came is kept for next time.
    """
    known = model_folders.known_model(name)
    if (found := model_folders.verify(name)).state == "present":
        return found.path
    repo = model_folders.require_fetchable(known)
    part, final = model_folders.partial_folder(known), model_folders.model_folder(known)
    if final.is_symlink() or final.is_file():
        raise Unavailable(f"{final}: expected a folder of its own for {known.title}; move what is there elsewhere")
    check_disk_space(models_dir(), 0, known.title)
    with _fetch_lock(known):
        # Another process may just have brought it.
        if model_folders.verify(name).state != "present":
            try:
                _fetch(known, repo, part, final, endpoint, progress, cancelled)
            except OSError as error:
                raise Unavailable(f"{known.title}: {part} can't be written ({failure_reason(error)})") from error
    return final


def _fetch(
    known: KnownModel,
    repo: str,
    part: Path,
    final: Path,
    endpoint: str | None,
    progress: Steps | None,
    cancelled: Callable[[], bool] | None,
) -> None:
    commit, headers, files = _listed(known, repo, endpoint)
    _take_over(files, final, part)
    left = [file for file in files if not file.is_whole(part / file.name)]
    total, missing = sum(file.size for file in files), sum(file.size for file in left)
    check_disk_space(models_dir(), missing - sum(_partial_size(part, file) for file in left), known.title)
    done = total - missing
    for file in left:
        _download_file(known, file, part, headers, _from(done, total, progress), cancelled)
        done += file.size
    _finish_folder(known, repo, commit, files, part)
    if final.exists():
        shutil.rmtree(final)
    part.rename(final)


def _from(done: int, total: int, progress: Steps | None) -> Steps:
    """Steps of one file as steps of all."""
    return lambda now, size: progress(done + now, total) if progress is not None else None


def _listed(known: KnownModel, repo: str, endpoint: str | None) -> tuple[str, dict[str, str], list[_HubFile]]:
    """The hub's commit, what to send along, and the files wanted, small ones first."""
    from huggingface_hub import HfApi, constants, hf_hub_url
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    address = (endpoint or constants.ENDPOINT).rstrip("/")
    if constants.HF_HUB_OFFLINE:
        raise Unavailable(
            f"{known.title}: HF_HUB_OFFLINE forbids to fetch; unset it, or {model_folders.offline_advice(known)}"
        )
    try:
        info = HfApi(endpoint=address, library_name="flawsmith").model_info(
            repo, files_metadata=True, timeout=_TIMEOUT_S
        )
    except Exception as error:
        # Which HTTP library is beneath, and so what it raises, changes with the version of huggingface_hub.
        raise Unavailable(_unreachable(known, address, error)) from error
    commit = str(info.sha)
    files = [
        _HubFile(
            sibling.rfilename,
            hf_hub_url(repo, sibling.rfilename, revision=commit, endpoint=address),
            int(sibling.size or 0),
            sibling.lfs.sha256 if sibling.lfs else None,
            str(sibling.blob_id),
        )
        for sibling in info.siblings or []
        if _WANTED.fullmatch(sibling.rfilename)
    ]
    absent = [p for p in ("unet", "vae", "text_encoder") if not any(f.sha256 and f.name.startswith(p) for f in files)]
    if absent:
        raise Unavailable(
            f"{known.title}: {address}/{repo} lists no half-precision weights for {', '.join(absent)}; "
            f"{model_folders.offline_advice(known)}"
        )
    return commit, build_hf_headers(library_name="flawsmith"), sorted(files, key=lambda file: file.size)


def _download_file(
    known: KnownModel,
    file: _HubFile,
    part: Path,
    headers: dict[str, str],
    progress: Steps,
    cancelled: Callable[[], bool] | None,
) -> None:
    path, growing = part / file.name, _growing(part, file)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        download(file.url, growing, file.size, progress, cancelled, headers)
    except OSError as error:
        raise Unavailable(_unreachable(known, file.url, error)) from error
    if not file.is_whole(growing):
        growing.unlink()
        raise Unavailable(
            f"{known.title}: {file.name} came with another checksum than {file.url} promises; it was deleted. "
            "Fetch again, or over another connection"
        )
    move_into_place(growing, path)


def _growing(part: Path, file: _HubFile) -> Path:
    """The unfinished file; it bears the checksum, so that a newer version at the hub does not go on after an older."""
    return part / f"{file.name}.{(file.sha256 or file.blob)[:12]}.part"


def _partial_size(part: Path, file: _HubFile) -> int:
    path = _growing(part, file)
    return path.stat().st_size if path.is_file() else 0


def _take_over(files: list[_HubFile], final: Path, part: Path) -> None:
    """What is whole in a folder that is not, need not come again."""
    for file in files:
        if file.is_whole(final / file.name) and not (part / file.name).exists():
            (part / file.name).parent.mkdir(parents=True, exist_ok=True)
            move_into_place(final / file.name, part / file.name)


def _finish_folder(known: KnownModel, repo: str, commit: str, files: list[_HubFile], part: Path) -> None:
    """Write the list of checksums, throw away what does not belong, and see that it is a model."""
    listed = {
        file.name: {"size": file.size, "sha256": file.sha256 or file_sha256(part / file.name)}
        for file in sorted(files, key=lambda file: file.name)
    }
    for path in part.rglob("*"):
        if path.is_file() and path.relative_to(part).as_posix() not in listed:
            path.unlink()
    (part / model_folders.CHECKSUMS).write_text(
        json.dumps({"repo": repo, "commit": commit, "files": listed}, indent=2) + "\n"
    )
    if problems := model_folders.problems_of(part):
        raise Unavailable(f"{known.title}: all files came, but {problems[0]}; {model_folders.offline_advice(known)}")


@contextmanager
def _fetch_lock(known: KnownModel) -> Iterator[None]:
    """One fetch of a model at a time, of all processes."""
    from filelock import FileLock, Timeout

    lock = FileLock(models_dir() / f".{known.folder}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Unavailable(f"{known.title}: it is being fetched already; wait for that, or stop it first") from None
    try:
        yield
    finally:
        lock.release()


def _unreachable(known: KnownModel, address: str, error: Exception) -> str:
    return (
        f"{known.title}: {address} could not be fetched ({failure_reason(error)}). "
        f"Without internet, {model_folders.offline_advice(known)}"
    )
