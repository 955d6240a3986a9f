"""LoRA layers of a file in a loaded model for the time of a block; afterwards the model is as before, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from core.diffusion.adapter_files import AdapterFile
from core.diffusion.backbone import Backbone
from core.diffusion.editor.loading import Editor
from core.diffusion.part_loading import quiet_libraries, short_words
from core.diffusion.tokens import Placeholder, with_placeholders
from core.errors import InputError

_NAME = "chosen"


@contextmanager
def adapted(backbone: Backbone, adapter: AdapterFile | None, weight: float) -> Iterator[Backbone]:
    """``backbone`` with a LoRA's layers or a textual inversion's word; as it is without an ``adapter``."""
    if adapter is None:
        yield backbone
    elif adapter.kind == "textual inversion":
        with with_placeholders(backbone, [placeholder_of(adapter)]) as known:
            yield known
    else:
        with lora_on(backbone, adapter, weight):
            yield backbone


@contextmanager
def lora_on(model: Backbone | Editor, adapter: AdapterFile, weight: float) -> Iterator[None]:
    """``model`` with the adapter's layers, ``weight`` times as strong as they were learned.

    InputError where the file cannot be put on the model, or changes no layer of it.
    """
    pipe = model.pipe if isinstance(model, Editor) else _pipeline_of(model)
    try:
        with quiet_libraries():
            _put_on(pipe, adapter, weight)
        yield
    finally:
        with quiet_libraries():
            pipe.unload_lora_weights()


def _put_on(pipe: Any, adapter: AdapterFile, weight: float) -> None:
    try:
        pipe.load_lora_weights(_tensors(adapter, pipe), adapter_name=_NAME)
        if any(map(_has_lora, _networks(pipe))):
            pipe.set_adapters([_NAME], [weight * adapter.scale])
    except Exception as error:
        # The libraries raise whatever a foreign file makes them trip over.
        raise InputError(f"adapter {adapter.name}: it cannot be put on this model ({short_words(error)})") from error
    if not any(map(_has_lora, _networks(pipe))):
        raise InputError(
            f"adapter {adapter.name}: none of its tensors belongs to this model; choose one that is for it"
        )


def _tensors(adapter: AdapterFile, pipe: Any) -> dict[str, torch.Tensor]:
    """The file's tensors by names that diffusers reads: PEFT's begin with the network instead."""
    from safetensors.torch import load_file

    tensors = load_file(adapter.path)
    if adapter.layout != "PEFT":
        return dict(tensors)
    network = "unet" if adapter.fits == ("unet",) else "transformer"
    return {
        f"{network}.{name.removeprefix('base_model.model.').removeprefix(f'{network}.')}".replace(
            ".default.", "."
        ): value
        for name, value in tensors.items()
    }


def _networks(pipe: Any) -> list[nn.Module]:
    return [part for part in pipe.components.values() if isinstance(part, nn.Module)]


def _has_lora(network: nn.Module) -> bool:
    return any(".lora_" in name for name, _ in network.named_parameters())


def _pipeline_of(backbone: Backbone) -> Any:
    """The model's own parts as a pipeline, which knows how LoRA files are read."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    with quiet_libraries():
        return StableDiffusionPipeline(
            vae=backbone.vae,
            text_encoder=backbone.text_encoder,
            tokenizer=backbone.tokenizer,
            unet=backbone.unet,
            scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )


def word_of(adapter: AdapterFile) -> str:
    """The word that a textual inversion is called by in prompts."""
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in adapter.path.stem.lower())[:48]
    return f"<{name}>"


def with_word(prompt: str, adapter: AdapterFile | None) -> str:
    """``prompt`` with the word of a textual inversion, at its end where a person has not put it elsewhere."""
    if adapter is None or adapter.kind != "textual inversion" or word_of(adapter) in prompt:
        return prompt
    return f"{prompt} {word_of(adapter)}"


def placeholder_of(adapter: AdapterFile) -> Placeholder:
    """The learned word of a textual inversion of one text encoder."""
    from safetensors.torch import load_file

    (vectors,) = load_file(adapter.path).values()
    return Placeholder(word_of(adapter), vectors.float().reshape(-1, vectors.shape[-1]))
