"""Which of the known diffusion models are on this machine, and whether their folders are whole. Needs no torch."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.diffusion.model_sources import KNOWN_MODELS, PARTS, KnownModel, ModelSource, locate, present_folder
from core.errors import FlawsmithError, InputError
from core.given_files import given_json
from core.lookup import named
from core.weights import SHIPPED, models_dir
from core.weights.transfer import file_sha256, known_sha256

CHECKSUMS = "checksums.json"
"""In a fetched folder: the hub's commit, and size and sha256 of each file. It travels with a copy of the folder."""

WEIGHT_PARTS = ("unet", "vae", "text_encoder")
CONFIGS = {
    "unet": ("config.json",),
    "vae": ("config.json",),
    "text_encoder": ("config.json",),
    "scheduler": ("scheduler_config.json",),
    "tokenizer": ("tokenizer_config.json",),
}


@dataclass(frozen=True)
class FolderStatus:
    """Where a known model stands. ``path`` is its folder, or where that belongs.

    ``size``: bytes of the folder where it is there, else what is to be fetched. ``begun``: bytes of a fetch that was
    stopped. ``problems``: what keeps the folder from being whole. ``auto``: the name "auto" means this folder now.
    """

    known: KnownModel
    state: Literal["present", "missing", "incomplete"]
    path: Path
    size: int
    partial_size: int = 0
    problems: tuple[str, ...] = ()
    auto: bool = False


def known_model(name: str) -> KnownModel:
    """The row called ``name``; NotFound names those there are."""
    return named(KNOWN_MODELS, name, "diffusion model")


def status() -> list[FolderStatus]:
    """Every known model, in the order in which ``auto`` looks for them. Reads no more than the heads of files."""
    return [_status(known, hashed=False) for known in KNOWN_MODELS.values()]


def verify(name: str) -> FolderStatus:
    """``name`` with every file read where its sha256 is known; remembered until the files change."""
    return _status(known_model(name), hashed=True)


def model_folder(known: KnownModel) -> Path:
    """Where the folder of a model belongs."""
    return (models_dir() if known.repo else SHIPPED) / known.folder


def partial_folder(known: KnownModel) -> Path:
    """Where the folder grows while it is fetched."""
    return models_dir() / f"{known.folder}.part"


def resolve_auto() -> ModelSource | str:
    """What ``auto`` takes now, or in one line why it can't take anything."""
    try:
        return locate()
    except FlawsmithError as error:
        return str(error)


def folder_size(folder: Path) -> int:
    """Bytes of all files in a folder, those that its links lead to among them."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # a fetch may be at work in it
            total += path.stat().st_size if path.is_file() else 0
    return total


def _status(known: KnownModel, hashed: bool) -> FolderStatus:
    begun = folder_size(partial_folder(known)) if partial_folder(known).is_dir() else 0
    places = (present_folder(known), models_dir() / known.folder, SHIPPED / known.folder)
    folder = next((place for place in places if place is not None and place.is_dir()), None)
    if folder is None:
        return FolderStatus(known, "missing", model_folder(known), known.size, begun)
    problems = problems_of(folder, every_part=known.repo is None, hashed=hashed)
    chosen = resolve_auto()
    auto = isinstance(chosen, ModelSource) and chosen.path == folder
    state: Literal["present", "incomplete"] = "incomplete" if problems else "present"
    return FolderStatus(known, state, folder, folder_size(folder), begun, tuple(problems), auto)


def problems_of(folder: Path, every_part: bool = False, hashed: bool = False) -> list[str]:
    """What keeps ``folder`` from being a whole model in diffusers' layout, one line each; empty when it is whole.

    Looked at: the index, each part's configuration, the vocabulary, the heads of the weights and whether these are as
    long as their heads say, and size and sha256 of all files where the folder holds their list; files are hashed
    only where ``hashed``. ``every_part``: also the parts that the index names beyond PARTS, so that plain diffusers
    loads it.
    """
    index, problems = _read(folder, "model_index.json")
    names = list(PARTS)
    if every_part:
        extra = (name for name, made in index.items() if isinstance(made, list) and made[:1] != [None])
        names += [name for name in extra if name not in PARTS]
    for name in names:
        if not (folder / name).is_dir():
            problems.append(f"{name}/ is missing")
            continue
        for config in CONFIGS.get(name, ()):
            problems += _read(folder, f"{name}/{config}")[1]
        if name in WEIGHT_PARTS:
            problems += _weights(folder, name)
    words = [folder / "tokenizer" / name for name in ("tokenizer.json", "vocab.json", "merges.txt")]
    if words[0].parent.is_dir() and not words[0].is_file():
        problems += [f"tokenizer/{path.name} is missing" for path in words[1:] if not path.is_file()]
    return list(dict.fromkeys(problems + _against_list(folder, hashed)))


def _read(folder: Path, name: str) -> tuple[dict[str, Any], list[str]]:
    try:
        if not (folder / name).exists():
            return {}, [f"{name} is missing"]
        read = given_json(folder / name)
    except (OSError, InputError):
        return {}, [f"{name} can't be read"]
    return (read, []) if isinstance(read, dict) else ({}, [f"{name} holds no settings"])


def _weights(folder: Path, part: str) -> list[str]:
    """The weights that the loader would take, as core.diffusion.loading chooses them."""
    files = sorted(path for path in (folder / part).iterdir() if path.is_file())
    safe = [path for path in files if path.suffix == ".safetensors"]
    if not safe:
        return [] if any(path.suffix == ".bin" for path in files) else [f"{part}/ holds no weights (.safetensors)"]
    full = [path for path in safe if ".fp16." not in path.name and ".non_ema." not in path.name]
    taken = full or [path for path in safe if ".fp16." in path.name]
    if not taken:
        return [f"{part}/ holds no weights to generate with (only {safe[0].name})"]
    return [words for path in taken if (words := _unreadable(path, f"{part}/{path.name}"))]


def _unreadable(path: Path, name: str) -> str | None:
    """None where the head of a safetensors file can be read and the file is exactly as long as it says."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as opened:
            return None if opened.keys() else f"{name} holds no tensors"
    except (SafetensorError, OSError, ValueError) as error:
        words = " ".join(str(error).split())[:80]
        return f"{name} is broken off or no safetensors file ({words})"


def _against_list(folder: Path, hashed: bool) -> list[str]:
    if not (folder / CHECKSUMS).is_file():
        return []
    listed, problems = _read(folder, CHECKSUMS)
    try:
        wanted = {str(n): (int(f["size"]), str(f["sha256"])) for n, f in listed["files"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return problems or [f"{CHECKSUMS} holds no list of files"]
    for name, (size, sha256) in wanted.items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif path.stat().st_size != size:
            problems.append(f"{name} has {path.stat().st_size:,} bytes, not {size:,}")
        elif (file_sha256(path) if hashed else known_sha256(path)) not in (None, sha256):
            problems.append(f"{name} is damaged: its sha256 is not {sha256[:12]}…")
    return problems


def offline_advice(known: KnownModel) -> str:
    """What to do where there is no internet, in one line."""
    if known.repo is None:
        shipped = f"assets/models/{known.folder}"
        return f"comes with Flawsmith: copy {shipped} of another copy of Flawsmith to {model_folder(known)}"
    return (
        f"on a machine with internet run `python3 launch.py models fetch {known.name}` and copy the folder "
        f"{known.folder} that it names to {model_folder(known)}"
    )


def require_fetchable(known: KnownModel) -> str:
    """The hub id of a model that is fetched; InputError for one that is shipped."""
    if known.repo is None:
        raise InputError(f"{known.title} is not fetched, it {offline_advice(known)}")
    return known.repo
