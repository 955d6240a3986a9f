"""Where diffusion models are on this machine, and what to do where they are not. Needs no torch."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from core.diffusion.adapter_files import read_adapter
from core.diffusion.editor.families import FoundEditor, find_editor, read_index
from core.diffusion.weight_files import read_shapes
from core.errors import InputError, Unavailable
from core.weights import SHIPPED, models_dir

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
"""The folders a model of this kind consists of, beside ``model_index.json``."""

SECOND_PARTS = ("text_encoder_2", "tokenizer_2")
"""What Stable Diffusion XL has more."""
JOINT_PARTS = ("transformer", "vae", "text_encoder", "tokenizer", "scheduler")
"""Those of Z-Image."""
UNWEIGHTED_PARTS = ("tokenizer", "tokenizer_2", "scheduler")
XL_REPO = "stabilityai/stable-diffusion-xl-base-1.0"
"""Where the configuration of single files of Stable Diffusion XL is."""

REQUIRED_LIBRARIES = ("torch", "diffusers", "transformers", "safetensors")
SINGLE_FILE = (".safetensors", ".ckpt")


@dataclass(frozen=True)
class KnownModel:
    """A model known by name. ``size`` in bytes as fetched; ``repo`` is its hub id, None where it is shipped.

    What the folder of a model that is there really takes says core.diffusion.model_folders.
    """

    name: str
    title: str
    purpose: str
    folder: str
    repo: str | None
    size: int
    licence: str


KNOWN_MODELS: dict[str, KnownModel] = {
    k.name: k
    for k in (
        KnownModel(
            "sd15",
            "Stable Diffusion 1.5",
            "Draws anomalies from words, on any product; a GPU is recommended.",
            "stable-diffusion-v1-5",
            "stable-diffusion-v1-5/stable-diffusion-v1-5",
            2_132_604_798,
            "CreativeML Open RAIL-M",
        ),
        KnownModel(
            "mini",
            "Flawsmith mini",
            "Draws anomalies from words: shipped, quick on a CPU; knows the demo products and plain surfaces.",
            "mini",
            None,
            40_000_000,
            "Apache-2.0",
        ),
    )
}
"""In the order in which ``auto`` looks for them."""


@dataclass(frozen=True)
class ModelSource:
    """A model that is there: a folder in diffusers' layout, or one file and the ``config`` folder that explains it."""

    name: str
    path: Path
    layout: Literal["folder", "file"] = "folder"
    config: Path | None = None


def missing_library() -> str | None:
    """None, or which library is missing and how to install it."""
    absent = [name for name in REQUIRED_LIBRARIES if find_spec(name) is None]
    return f"needs {', '.join(absent)}; run: pip install {' '.join(absent)}" if absent else None


def locate(wanted: str = "auto") -> ModelSource:
    """The model called ``wanted``, looked for on this machine only, for our own sampling and learning.

    ``wanted`` is ``auto`` (the environment's FLAWSMITH_BACKBONE, else the first of KNOWN_MODELS that is there), a
    name of KNOWN_MODELS, a folder in diffusers' layout (its path, or its name in the models folder), a single-file
    checkpoint, or a hub id ``owner/name`` that was fetched. Unavailable says what to fetch, how large it is, under
    which licence, and where to put it; or what the model is where it is of another family.
    """
    source = _resolved(wanted)
    return source if source.layout == "file" else replace(source, path=_checked(source.path))


def find_model(wanted: str = "auto") -> ModelSource | FoundEditor:
    """As ``locate``, but also models that diffusers' own inpainting and editing pipelines draw with."""
    source = _resolved(wanted)
    if source.layout == "folder" and (source.path / "model_index.json").is_file():
        found = find_editor(source.path)
        if found is not None:
            return found
    return locate(wanted)


def _resolved(wanted: str) -> ModelSource:
    """Where ``wanted`` lies, whatever it is."""
    wanted = wanted.strip() or "auto"
    if wanted == "auto":
        given = os.environ.get("FLAWSMITH_BACKBONE", "").strip()
        return _resolved(given) if given and given != "auto" else _first_known()
    if wanted in KNOWN_MODELS:
        return _known(KNOWN_MODELS[wanted])
    path = _place(wanted)
    if path.is_dir():
        _refuse_adapter(path)
        return ModelSource(path.name, path)
    if path.suffix.lower() in SINGLE_FILE:
        return _single_file(path)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", wanted) and not path.exists():
        return _from_hub_cache(wanted)
    raise InputError(
        f"backbone {wanted!r}: expected auto, {', '.join(KNOWN_MODELS)}, a folder in diffusers' layout or its name in "
        f"{models_dir()}, a .safetensors file or a hub id owner/name"
    )


def _place(wanted: str) -> Path:
    """The path ``wanted``, or what is called so in the models folder; InputError where no file can be called that."""
    try:
        path = Path(wanted).expanduser()
        here = models_dir() / wanted
        return here if not path.exists() and here.exists() else path
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"backbone {wanted[:60]!r}: it can't be a path ({error}); give a model's folder or name"
        ) from error


def present_folder(known: KnownModel) -> Path | None:
    """The folder of a known model, or None."""
    for root in (models_dir(), SHIPPED):
        if (root / known.folder / "model_index.json").is_file():
            return root / known.folder
    return _cached(known.repo) if known.repo else None


def _first_known() -> ModelSource:
    for known in KNOWN_MODELS.values():
        if (folder := present_folder(known)) is not None:
            return ModelSource(known.name, folder)
    raise Unavailable(_advice(KNOWN_MODELS["sd15"]))


def _known(known: KnownModel) -> ModelSource:
    folder = present_folder(known)
    if folder is None:
        raise Unavailable(_advice(known))
    return ModelSource(known.name, folder)


def _advice(known: KnownModel) -> str:
    place = models_dir() / known.folder
    if known.repo is None:
        return f"{known.title} is not at {SHIPPED / known.folder}; it comes with Flawsmith: restore that folder"
    return (
        f"no diffusion model on this machine. Fetch {known.title} ({known.size / 1e9:.1f} GB, {known.licence}) in the "
        f"Models tab or with `launch.py models fetch {known.name}` (offline: do so on another machine and copy that "
        f"folder to {place}), or set FLAWSMITH_BACKBONE to a model folder or file"
    )


def _command(repo: str) -> str:
    """The hub's own command for the half-precision weights alone."""
    return f'hf download {repo} --include "*.json" "*.txt" "*.fp16.safetensors" --exclude "safety_checker/*"'


def _checked(folder: Path) -> Path:
    """``folder`` if our own sampling draws with it; Unavailable says what it is otherwise, or what it lacks."""
    index, editor = read_index(folder), find_editor(folder)
    if editor is not None and not editor.family.learned:
        raise Unavailable(
            f"{folder}: it is {editor.family.title}, which only *Inpaint by prompt* draws with; learning needs a "
            "model built like Stable Diffusion 1.5, 2 or XL: give one of those"
        )
    named = {name for name, made in index.items() if isinstance(made, list) and made[:1] != [None]}
    if editor is None and ("transformer" in named or has_second_encoder(folder)):
        raise Unavailable(
            f"{folder}: it is a {index['_class_name']}, a family that is not known; docs/models.md lists "
            "those that are"
        )
    absent = [name for name in parts_of(folder) if not (folder / name).exists()]
    if absent:
        raise Unavailable(
            f"{folder}: expected a model in diffusers' layout, but {', '.join(absent)} is missing; copy it from where "
            "the model came, or give the folder of a whole model"
        )
    return folder


def parts_of(folder: Path) -> tuple[str, ...]:
    """The folders that the model in ``folder`` consists of; those of Stable Diffusion 1.5 where that is no folder."""
    if not (folder / "model_index.json").is_file():
        return PARTS
    if (editor := find_editor(folder)) is not None and not editor.family.unet:
        return JOINT_PARTS
    return (*PARTS, *SECOND_PARTS) if has_second_encoder(folder) else PARTS


def has_second_encoder(folder: Path) -> bool:
    """Whether a folder in diffusers' layout has the second text encoder of Stable Diffusion XL."""
    return isinstance(read_index(folder).get("text_encoder_2"), list) or (folder / "text_encoder_2").is_dir()


def _refuse_adapter(path: Path) -> None:
    """Unavailable where a file or folder that was given as a model is an adapter for one."""
    if (adapter := read_adapter(path)) is not None:
        raise Unavailable(
            f"{path}: it is a {adapter.kind} for {adapter.of_model}, no model; name it in the setting Adapter, "
            "beside a model that it is for"
        )


_ALONE = (
    ("an autoencoder", ("encoder.conv_in.weight", "decoder.conv_in.weight")),
    ("a text encoder", ("text_model.embeddings.token_embedding.weight", "embed_tokens.weight", "shared.weight")),
    ("a U-Net", ("conv_in.weight", "time_embedding.linear_1.weight")),
    ("a transformer", ("double_blocks.0.img_attn.qkv.weight", "x_embedder.weight", "img_in.weight")),
)
"""Parts of models by the names of a tensor that each begins with, where it is saved alone."""


def _refuse_other_checkpoint(path: Path) -> None:
    """Unavailable where a safetensors file holds only a part of a model, or a model of a newer family."""
    names = read_shapes(path).keys()
    for part, tensors in _ALONE:
        if names & set(tensors):
            raise Unavailable(f"{path}: it holds {part} alone; give a whole checkpoint, or the folder of the model")
    if "model.diffusion_model.input_blocks.0.0.weight" not in names:
        raise Unavailable(
            f"{path}: expected a checkpoint of Stable Diffusion 1.5, 2 or XL, its first tensor is "
            f"{min(names, default='missing')}; of other families give the folder in diffusers' layout"
        )


def _single_file(path: Path) -> ModelSource:
    if not path.is_file():
        raise Unavailable(f"{path}: there is no such file; give the checkpoint's path")
    beside, xl = path.with_suffix(""), False
    if path.suffix.lower() == ".safetensors":
        _refuse_adapter(path)
        _refuse_other_checkpoint(path)
        xl = "conditioner.embedders.1.model.ln_final.weight" in read_shapes(path)
    repo = XL_REPO if xl else KNOWN_MODELS["sd15"].repo or ""
    elsewhere = None if xl else present_folder(KNOWN_MODELS["sd15"])
    config = beside if (beside / "model_index.json").is_file() else elsewhere or _cached(repo)
    if config is None:
        raise Unavailable(
            f"{path}: a single file holds no tokenizer and no configuration; put a folder {beside} beside it with the "
            f"model_index.json, config files and tokenizer/ of its family (2 MB: "
            f'hf download {repo} --include "*.json" "*.txt" --local-dir {beside})'
        )
    if xl and not has_second_encoder(config):
        raise Unavailable(
            f"{path}: it is Stable Diffusion XL, and {config} is the configuration of another family; put there that "
            f"of {XL_REPO}"
        )
    return ModelSource(path.stem, path, "file", config)


def _from_hub_cache(repo: str) -> ModelSource:
    folder = _cached(repo)
    if folder is None:
        raise Unavailable(
            f"backbone {repo}: not on this machine. Run: {_command(repo)} (about 2 GB; its licence is on its page), "
            "or offline copy its folder here and give the folder's path"
        )
    return ModelSource(repo, folder)


def _cached(repo: str) -> Path | None:
    """The newest whole snapshot of ``repo`` in the hub's own cache."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    root = Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"models--{repo.replace('/', '--')}" / "snapshots"
    found = [p.parent for p in root.glob("*/model_index.json")] if root.is_dir() else []
    return max(found, key=lambda p: p.stat().st_mtime, default=None)
