"""One part of a model in diffusers' layout: the class that its index names, filled from its weights, or why not.

A pickle is taken only where it holds plain weights, which core.diffusion.loading has seen to before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.diffusion.weight_files import missing_tensors, weights_of_part
from core.errors import Unavailable

LIBRARIES = ("diffusers", "transformers")
"""Parts come from these alone: what an index names elsewhere would be code of its own."""


def class_named(library: str, name: str, place: Path) -> Any:
    """The class ``name`` of diffusers or transformers; Unavailable where an index names another."""
    import importlib

    if library not in LIBRARIES:
        raise Unavailable(
            f"{place}: its index takes {name} from {library!r}; only {' and '.join(LIBRARIES)} are loaded"
        )
    found = vars(importlib.import_module(library)).get(name) or getattr(importlib.import_module(library), name, None)
    if not isinstance(found, type):
        raise Unavailable(f"{place}: the installed {library} has no {name}; update {library}, or give another model")
    return found


def load_part(kind: Any, folder: Path, dtype: torch.dtype, pickles: bool = False) -> Any:
    """A network, tokenizer, processor or scheduler of class ``kind`` from its folder; Unavailable in one line.

    ``pickles``: weights may be .bin files, which the caller has seen to hold nothing that runs.
    """
    if not folder.is_dir():
        raise Unavailable(
            f"{folder}: the folder is missing; the model's index names it, copy it from where the model came"
        )
    try:
        if issubclass(kind, nn.Module):
            return _load_network(kind, folder, dtype, pickles)
        return kind.from_pretrained(str(folder), local_files_only=True)
    except Unavailable:
        raise
    except Exception as error:
        # The libraries raise whatever a foreign or broken file makes them trip over.
        raise Unavailable(f"{folder}: it cannot be loaded as {kind.__name__} ({short_words(error)})") from error


def _load_network(kind: Any, folder: Path, dtype: torch.dtype, pickles: bool) -> Any:
    safe = any(path.suffix == ".safetensors" for path in folder.iterdir()) or not pickles
    names = [path.name for path in (weights_of_part(folder) if safe else sorted(folder.glob("*.bin")))]
    given = {"variant": "fp16"} if all(".fp16." in name for name in names) else {}
    keyword = "torch_dtype" if kind.__module__.startswith("diffusers.") else "dtype"
    model, report = kind.from_pretrained(
        str(folder),
        use_safetensors=safe,
        local_files_only=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # so that they are in the report
        **{keyword: dtype},
        **given,
    )
    odd = [str(one[0] if isinstance(one, tuple) else one) for one in report["mismatched_keys"]]
    if odd:
        raise Unavailable(
            f"{folder}: {len(odd):,} tensors have other shapes than its config.json says, the first is {odd[0]}; take "
            "weights and configuration from one place"
        )
    if line := missing_tensors(
        str(folder), len(model.state_dict()), report["missing_keys"], report["unexpected_keys"]
    ):
        raise Unavailable(line)
    return model


def short_words(error: BaseException) -> str:
    """What an error of a library says, on one line of at most 160 characters."""
    return " ".join(str(error).split())[:160]


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """No progress bars and warnings of the libraries: loading reports in the app, and stdout belongs to --json."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    modules = (of_diffusers, of_transformers)
    shown = [module for module in modules if module.is_progress_bar_enabled()]
    levels = [module.get_verbosity() for module in modules]
    for module in modules:
        module.set_verbosity_error()
        module.disable_progress_bar()
    try:
        yield
    finally:
        for module, level in zip(modules, levels, strict=True):
            module.set_verbosity(level)
        for module in shown:
            module.enable_progress_bar()
