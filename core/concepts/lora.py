"""Low-rank adapters on a UNet's attention (LoRA, Hu et al. 2021): trained through peft, used by adding them up.

W' = W + (alpha / r) B A for the projections of every attention layer; A (r, in) starts at random, B (out, r) at zero.
The only file that imports peft.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from core.diffusion.model import Backbone
from core.errors import Unavailable

PREFIX = "lora."
"""How the names of an adapter's tensors begin."""
TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
_NAME = "concept"


@contextmanager
def adapter(backbone: Backbone, rank: int, seed: int) -> Iterator[dict[str, nn.Parameter]]:
    """The UNet with a new adapter of ``rank``, and its parameters by name; without it when the block ends.

    As long as nothing is learned the model's output is what it was.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
        from peft.tuners.lora import LoraLayer
    except ImportError as error:
        raise Unavailable("adapting to a product needs peft; run: pip install peft") from error
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=list(TARGETS))
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            inject_adapter_in_model(config, backbone.unet, adapter_name=_NAME)
        found = {n: p for n, p in backbone.unet.named_parameters() if f".{_NAME}." in n}
        yield {_short(name): value.requires_grad_(False) for name, value in found.items()}
    finally:
        for name, module in list(backbone.unet.named_modules()):
            if isinstance(module, LoraLayer):
                parent, _, last = name.rpartition(".")
                setattr(backbone.unet.get_submodule(parent), last, module.base_layer)
        if hasattr(backbone.unet, "peft_config"):
            del backbone.unet.peft_config


def _short(name: str) -> str:
    """``lora.<layer>.a`` and ``lora.<layer>.b`` of peft's names."""
    layer, _, kind = name.removesuffix(f".{_NAME}.weight").rpartition(".lora_")
    return f"{PREFIX}{layer}.{kind.lower()}"


@contextmanager
def merged(backbone: Backbone, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """The UNet with the adapter in ``tensors`` added to its weights; its own, to the last bit, when the block ends.

    Tensors of other names are passed over. Unavailable where a layer is missing or has another shape.
    """
    layers = sorted({name[len(PREFIX) : -2] for name in tensors if name.startswith(PREFIX)})
    before: list[tuple[Any, Tensor]] = []
    try:
        with torch.no_grad():
            for layer in layers:
                weight = _weight(backbone, layer)
                down, up = tensors[f"{PREFIX}{layer}.a"], tensors[f"{PREFIX}{layer}.b"]
                change = up.float() @ down.float()
                if change.shape != weight.shape:
                    raise Unavailable(f"adapter: layer {layer} has another shape in {backbone.name}; learn it again")
                before.append((weight, weight.clone()))
                weight.add_(change.to(weight))
        yield
    finally:
        with torch.no_grad():
            for weight, own in before:
                weight.copy_(own)


def _weight(backbone: Backbone, layer: str) -> Any:
    try:
        return backbone.unet.get_submodule(layer).weight
    except AttributeError as error:
        raise Unavailable(f"adapter: {backbone.name} has no layer {layer}; learn the concept again on it") from error
