"""Low-rank adapters on a UNet's attention (LoRA, Hu et al. 2021): trained through peft, used by adding them up.

W' = W + (alpha / r) B A for the projections of every attention layer; A (r, in) starts at random, B (out, r) at zero.
The only file that imports peft.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from core.diffusion.backbone import Backbone
from core.errors import Unavailable

LORA_PREFIX = "lora."
"""How the names of an adapter's tensors begin."""
LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
_NAME = "concept"


@contextmanager
def unet_adapter(backbone: Backbone, rank: int, seed: int) -> Iterator[dict[str, nn.Parameter]]:
    """The UNet with a new adapter of ``rank``, and its parameters by name; without it when the block ends.

    As long as nothing is learned the model's output is what it was.
    """
    with low_rank_adapters(backbone.unet, LORA_TARGETS, rank, {_NAME: seed}) as found:
        yield {f"{LORA_PREFIX}{name}": value for name, value in found[_NAME].items()}


@contextmanager
def low_rank_adapters(
    module: nn.Module, targets: Sequence[str], rank: int, seeds: Mapping[str, int]
) -> Iterator[dict[str, dict[str, nn.Parameter]]]:
    """``module`` with new adapters by name, each from its seed, and their parameters: ``<layer>.a`` and ``<layer>.b``.

    The first is at work in every call but where ``adapters_by_row`` says otherwise; without any of them when the
    block ends.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
        from peft.tuners.lora import LoraLayer
    except ImportError as error:
        raise Unavailable("adapting to a product needs peft; run: pip install peft") from error
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=list(targets))
    try:
        found: dict[str, dict[str, nn.Parameter]] = {}
        for adapter_name, seed in seeds.items():
            with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.manual_seed(seed)
                inject_adapter_in_model(config, module, adapter_name=adapter_name)
            ending = f".{adapter_name}.weight"
            named = {n.removesuffix(ending): p for n, p in module.named_parameters() if n.endswith(ending)}
            for value in named.values():
                value.requires_grad_(False)
            found[adapter_name] = {_short(name): value for name, value in named.items()}
        yield found
    finally:
        for name, layer in list(module.named_modules()):
            if isinstance(layer, LoraLayer):
                parent, _, last = name.rpartition(".")
                setattr(module.get_submodule(parent), last, layer.base_layer)
        if hasattr(module, "peft_config"):
            del module.peft_config


@contextmanager
def adapters_by_row(module: nn.Module, names: Sequence[str]) -> Iterator[None]:
    """Row i of every batch goes through the adapter ``names[i % len(names)]`` while the block runs.

    peft mixes adapters in a batch at inference only, by a check of its model; its layers do so in training as well.
    """
    from peft.tuners.lora import LoraLayer

    def choose(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return args, {**kwargs, "adapter_names": [names[i % len(names)] for i in range(len(args[0]))]}

    layers = [m for m in module.modules() if isinstance(m, LoraLayer)]
    watches = [layer.register_forward_pre_hook(choose, with_kwargs=True) for layer in layers]
    try:
        yield
    finally:
        for watch in watches:
            watch.remove()


def _short(name: str) -> str:
    """``<layer>.a`` and ``<layer>.b`` of peft's names."""
    layer, _, kind = name.rpartition(".lora_")
    return f"{layer}.{kind.lower()}"


@contextmanager
def merged_adapter(backbone: Backbone, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """The UNet with the adapter in ``tensors`` added to its weights; its own, to the last bit, when the block ends.

    Tensors of other names are passed over. Unavailable where a layer is missing or has another shape.
    """
    layers = sorted({name[len(LORA_PREFIX) : -2] for name in tensors if name.startswith(LORA_PREFIX)})
    before: list[tuple[Any, Tensor]] = []
    try:
        with torch.no_grad():
            for layer in layers:
                weight = _weight(backbone, layer)
                down, up = tensors[f"{LORA_PREFIX}{layer}.a"], tensors[f"{LORA_PREFIX}{layer}.b"]
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
