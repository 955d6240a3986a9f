"""A folder as an Editor: its parts by the classes that its index names, in the pipeline that draws as is wanted."""

from __future__ import annotations

import gc
import inspect
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from core.device import choose_device
from core.diffusion.editor.families import EditorPipeline, EditorWay, FoundEditor, read_index
from core.diffusion.loading import DTYPES, forget_backbones
from core.diffusion.model_sources import missing_library
from core.diffusion.part_loading import class_named, load_part, quiet_libraries, short_words
from core.errors import InputError, Unavailable
from core.memory_budget import WarmCache

_LEFT_OUT = frozenset({"safety_checker", "feature_extractor", "image_encoder"})
"""Parts that drawing inside a photo of a product does without: the picture check of Stable Diffusion and what reads
pictures for other adapters."""


@dataclass(frozen=True, eq=False)
class Editor:
    """A loaded pipeline. ``side`` is that of the pictures it was trained on and ``multiple`` what sides must divide
    by, both in pixels."""

    name: str
    found: FoundEditor
    way: EditorWay
    takes: EditorPipeline
    pipe: Any
    side: int
    multiple: int
    device: torch.device
    dtype: torch.dtype
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)


def load_editor(found: FoundEditor, way: EditorWay = "mask", device: str = "auto", dtype: str = "auto") -> Editor:
    """The editor of a folder, ready to draw and kept warm for the next time.

    ``dtype`` auto is what FLAWSMITH_DTYPE says, else the half precision that the family was trained in on a GPU and
    float32 elsewhere. On a GPU that does not hold it the parts are moved there as they are needed. Unavailable, in one
    line, when a part is missing, cut off, of another model or lacks tensors.
    """
    if (reason := missing_library()) is not None:
        raise Unavailable(f"diffusion: {reason}")
    takes = found.family.pipeline(way)
    if takes is None:
        raise InputError(f"{found.folder.name}: {found.family.title} does not draw by {way}; choose the other way")
    place, kind = choose_device(device), _dtype(found, dtype, choose_device(device))
    key = (found.folder, way, str(place), kind, (found.folder / "model_index.json").stat().st_mtime_ns)
    with _cache_lock:
        if (warm := _cache.peek(key)) is not None:
            return warm
        _cache.clear()
        if place.type == "cuda":
            forget_backbones()  # the GPU's memory is not counted, and an editor may need all of it
        gc.collect()
        return _cache.put(key, _load(found, way, takes, place, kind))


def forget_editors() -> None:
    """Let go of the warm editor and give its memory back."""
    with _cache_lock:
        _cache.clear()
    gc.collect()


def _main_memory(editor: Editor) -> int:
    return sum(p.nbytes for part in _networks(editor.pipe) for p in part.parameters() if p.device.type == "cpu")


_cache: WarmCache[tuple[Any, ...], Editor] = WarmCache(_main_memory)
_cache_lock = threading.Lock()


def _dtype(found: FoundEditor, wanted: str, place: torch.device) -> torch.dtype:
    if wanted == "auto":
        wanted = os.environ.get("FLAWSMITH_DTYPE", "").strip() or "auto"
    if wanted == "auto":
        return torch.float32 if place.type == "cpu" else DTYPES[found.family.half]
    if wanted not in DTYPES:
        raise InputError(f"dtype {wanted!r}: expected auto, {', '.join(DTYPES)}; FLAWSMITH_DTYPE sets it")
    return DTYPES[wanted]


def _load(
    found: FoundEditor, way: EditorWay, takes: EditorPipeline, place: torch.device, dtype: torch.dtype
) -> Editor:
    kind = class_named("diffusers", takes.name, found.folder)
    with quiet_libraries():
        parts = _parts(found, kind, dtype)
        try:
            pipe = kind(**parts)
        except Exception as error:
            # What a library's constructor trips over when parts of two models are put together.
            raise Unavailable(
                f"{found.folder}: its parts do not make a {found.family.title} together ({short_words(error)})"
            ) from error
    pipe.set_progress_bar_config(disable=True)
    for part in _networks(pipe):
        part.eval().requires_grad_(False)
    _place(pipe, place)
    factor = int(pipe.vae_scale_factor)
    unet = parts.get("unet")
    levels = 2 ** (len(unet.config.block_out_channels) - 1) if unet is not None else 2
    return Editor(
        found.folder.name, found, way, takes, pipe, _side(parts, factor), factor * levels, place, dtype
    )  # fmt: skip


def _parts(found: FoundEditor, kind: Callable[..., Any], dtype: torch.dtype) -> dict[str, Any]:
    """Parts and settings by the names that the pipeline's constructor gives them."""
    index = read_index(found.folder)
    made: dict[str, Any] = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        entry = index.get(name)
        if name in _LEFT_OUT:
            made[name] = None
        elif isinstance(entry, list) and len(entry) == 2 and entry[0] is not None:
            part = class_named(str(entry[0]), str(entry[1]), found.folder)
            made[name] = load_part(part, found.folder / name, dtype)
        elif entry is not None and not isinstance(entry, list):
            made[name] = entry
        elif parameter.default is inspect.Parameter.empty:
            raise Unavailable(
                f"{found.folder}: its model_index.json names no {name}, which a {found.family.title} has; give a "
                "whole model of this family"
            )
    return made | {name: False for name in ("requires_safety_checker", "add_watermarker") if name in made_of(kind)}


def made_of(kind: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """What a pipeline's constructor takes."""
    return inspect.signature(kind).parameters


def _networks(pipe: Any) -> list[nn.Module]:
    return [part for part in pipe.components.values() if isinstance(part, nn.Module)]


def _side(parts: Mapping[str, Any], factor: int) -> int:
    """Pixels of the pictures a model was trained on; models of patches that do not say it were trained at 1024."""
    for name in ("unet", "transformer"):
        size = dict(parts[name].config).get("sample_size") if name in parts else None
        if isinstance(size, int):
            return size * factor
    return 128 * factor


def _place(pipe: Any, place: torch.device) -> None:
    """The whole pipeline on the device, or part by part as each is at work where it would not fit."""
    if place.type != "cuda":
        pipe.to(place)
        return
    size = sum(p.nbytes for part in _networks(pipe) for p in part.parameters())
    if torch.cuda.mem_get_info(place)[0] > size + 3e9:
        pipe.to(place)
        return
    pipe.enable_model_cpu_offload(device=place)
    pipe.vae.enable_tiling()
