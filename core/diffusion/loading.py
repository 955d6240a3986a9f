"""Loads a latent diffusion model: a folder in diffusers' layout, a fetched hub id, or a single-file checkpoint.

What comes out is a core.diffusion.backbone.Backbone; core.diffusion.editor.loading loads what is none.
"""

from __future__ import annotations

import gc
import os
import pickle
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from core.device import choose_device
from core.diffusion.backbone import Backbone, MemoryMode, encode_image
from core.diffusion.editor.families import read_index
from core.diffusion.joint_denoiser import JointDenoiser
from core.diffusion.model_sources import (
    UNWEIGHTED_PARTS,
    ModelSource,
    has_second_encoder,
    locate,
    missing_library,
    parts_of,
)
from core.diffusion.noise_schedule import NoiseSchedule, RectifiedFlow, VariancePreserving
from core.diffusion.part_loading import load_part, quiet_libraries, short_words
from core.diffusion.prompt_encoding import question_around
from core.errors import InputError, Unavailable
from core.memory_budget import WarmCache

MemorySetting = Literal["auto", "full", "slicing", "offload"]
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_PREDICTIONS: dict[str, Literal["epsilon", "v", "x0"]] = {"epsilon": "epsilon", "v_prediction": "v", "sample": "x0"}
"""What a model predicts, by diffusers' names."""
_KEPT = 2
"""Models kept warm, however much memory there is: a GPU's is not counted, and more would crowd out the work itself."""


def load_backbone(
    wanted: str = "auto", device: str = "auto", dtype: str = "auto", memory: MemorySetting = "auto"
) -> Backbone:
    """The model ``wanted`` (see core.diffusion.model_sources), ready to use and kept warm for the next time.

    ``dtype`` auto is what FLAWSMITH_DTYPE says, else float16 on a GPU (bfloat16 for transformers) and float32
    elsewhere; train with float32 or bfloat16. ``memory``: ``slicing``
    computes attention and the decoder in slices; ``offload`` also keeps on the device only the part at work; auto
    chooses by what is free. Unavailable, in one line, when the model is missing, truncated or of another family.
    """
    if (reason := missing_library()) is not None:
        raise Unavailable(f"diffusion: {reason}")
    if dtype == "auto":
        dtype = os.environ.get("FLAWSMITH_DTYPE", "").strip() or "auto"
    if dtype != "auto" and dtype not in DTYPES:
        raise InputError(f"dtype {dtype!r}: expected auto, {', '.join(DTYPES)}; FLAWSMITH_DTYPE sets it")
    source, place = locate(wanted), choose_device(device)
    kind = DTYPES[dtype] if dtype != "auto" else _own_dtype(source, place)
    stamp = max(p.stat().st_mtime_ns for p in _weight_files(source))
    key = (source, str(place), kind, memory, stamp)
    with _cache_lock:
        if (warm := _cache.peek(key)) is not None:
            return warm
        for old in [k for k in _cache.keys() if k[:4] == key[:4]]:
            _cache.drop(old)
        _cache.shrink(_KEPT - 1)
        gc.collect()
        return _cache.put(key, _load(source, place, kind, memory))


def _own_dtype(source: ModelSource, device: torch.device) -> torch.dtype:
    """float32 on a CPU; elsewhere the half precision that the model takes: transformers overflow in float16."""
    if device.type == "cpu":
        return torch.float32
    return torch.bfloat16 if "transformer" in parts_of(source.path) else torch.float16


def forget_backbones() -> None:
    """Let go of every warm model and give its memory back."""
    with _cache_lock:
        _cache.clear()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _main_memory(backbone: Backbone) -> int:
    """Bytes of the model's weights that do not lie on a GPU now."""
    parts = backbone.networks.values()
    return sum(p.nbytes for part in parts for p in part.parameters() if p.device.type == "cpu")


_cache: WarmCache[tuple[Any, ...], Backbone] = WarmCache(_main_memory)
_cache_lock = threading.Lock()
"""One model is loaded at a time: two would need the room of both."""


def _load(source: ModelSource, device: torch.device, dtype: torch.dtype, memory: MemorySetting) -> Backbone:
    _refuse_unsafe(source)
    try:
        with quiet_libraries():
            parts = _from_file(source, dtype) if source.layout == "file" else _from_folder(source, dtype)
    except Unavailable:
        raise
    except Exception as error:
        # The libraries raise whatever a foreign or broken file makes them trip over.
        raise Unavailable(
            f"{source.path}: cannot be loaded as a Stable Diffusion model ({short_words(error)}); give a model of the "
            "family of Stable Diffusion 1.5, 2 or XL"
        ) from error
    _check_family(source, parts)
    networks = [part.eval().requires_grad_(False) for part in parts.values() if isinstance(part, nn.Module)]
    if memory == "auto":
        memory = _memory_for(networks, device)
    if memory != "offload":
        for network in networks:
            network.to(device)
    if memory in ("slicing", "offload"):
        parts["vae"].enable_slicing()
        parts["vae"].enable_tiling()
        if not isinstance(parts["unet"], JointDenoiser):  # whose attention is always fused
            parts["unet"].set_attention_slice("auto")
    schedule = _noise_schedule(source, parts.pop("scheduler"))
    backbone = Backbone(
        source.name,
        **parts,
        noise_schedule=schedule,
        device=device,
        dtype=dtype,
        memory=memory,
    )
    if not backbone.reads_surroundings:
        return backbone
    grey = np.full((backbone.side, backbone.side, 3), 128, np.uint8)
    return replace(backbone, blank_latents=encode_image(backbone, grey))


def _noise_schedule(source: ModelSource, scheduler: Any) -> NoiseSchedule:
    """What the scheduler's configuration says of how the model was taught."""
    if "shift" in scheduler.config:
        return RectifiedFlow(scheduler.config.num_train_timesteps, scheduler.config.shift)
    if (predicts := scheduler.config.prediction_type) not in _PREDICTIONS:
        raise Unavailable(
            f"{source.path}: its scheduler says that it predicts {predicts!r}; expected {', '.join(_PREDICTIONS)}; "
            "give a model of the family of Stable Diffusion 1.5, 2 or XL"
        )
    return VariancePreserving(scheduler.alphas_cumprod, _PREDICTIONS[predicts])


def _from_folder(source: ModelSource, dtype: torch.dtype) -> dict[str, Any]:
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    folder = source.path
    if (folder / "transformer").is_dir():
        return _from_joint_folder(folder, dtype)
    return {
        "unet": load_part(UNet2DConditionModel, folder / "unet", dtype, pickles=True),
        "vae": load_part(AutoencoderKL, folder / "vae", dtype, pickles=True),
        "text_encoder": load_part(CLIPTextModel, folder / "text_encoder", dtype, pickles=True),
        "tokenizer": load_part(CLIPTokenizer, folder / "tokenizer", dtype),
        "scheduler": load_part(DDIMScheduler, folder / "scheduler", dtype),
        **(_second_encoder(folder, dtype) if has_second_encoder(folder) else {}),
    }


def _from_joint_folder(folder: Path, dtype: torch.dtype) -> dict[str, Any]:
    """Z-Image: a transformer, and a chat model that reads the prompt as a question."""
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImageTransformer2DModel
    from transformers import AutoTokenizer, Qwen3Model

    tokenizer = load_part(AutoTokenizer, folder / "tokenizer", dtype)
    vae = load_part(AutoencoderKL, folder / "vae", dtype)
    transformer = load_part(ZImageTransformer2DModel, folder / "transformer", dtype)
    side = vae.config.sample_size // 2 ** (len(vae.config.block_out_channels) - 1)
    return {
        "unet": JointDenoiser(transformer, side),
        "vae": vae,
        "text_encoder": load_part(Qwen3Model, folder / "text_encoder", dtype),
        "tokenizer": tokenizer,
        "question": question_around(tokenizer),
        "scheduler": load_part(FlowMatchEulerDiscreteScheduler, folder / "scheduler", dtype),
    }


def _second_encoder(folder: Path, dtype: torch.dtype) -> dict[str, Any]:
    """What Stable Diffusion XL has more; Unavailable where its two encoders would read a word by different ids."""
    from transformers import CLIPTextModelWithProjection

    encoder = load_part(CLIPTextModelWithProjection, folder / "text_encoder_2", dtype, pickles=True)
    return {"second_text_encoder": encoder, **_second_reading(folder)}


def _second_reading(config: Path) -> dict[str, Any]:
    """How the second encoder reads ids, by the tokenizers and the index in the folder ``config``."""
    from transformers import CLIPTokenizer

    first, second = (load_part(CLIPTokenizer, config / name, torch.float32) for name in ("tokenizer", "tokenizer_2"))
    if first.get_vocab() != second.get_vocab():
        raise Unavailable(
            f"{config}: its two tokenizers have different vocabularies; take both folders from one model"
        )
    zeros = bool(read_index(config).get("force_zeros_for_empty_prompt", True))
    return {"second_pad_id": int(second.pad_token_id), "zero_empty_prompt": zeros}


def _from_file(source: ModelSource, dtype: torch.dtype) -> dict[str, Any]:
    from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline

    assert source.config is not None, "a single file comes with its configuration"
    xl = has_second_encoder(source.config)
    pipe = (StableDiffusionXLPipeline if xl else StableDiffusionPipeline).from_single_file(
        str(source.path), config=str(source.config), torch_dtype=dtype, local_files_only=True,
        **({} if xl else {"safety_checker": None}),
    )  # fmt: skip
    scheduler = DDIMScheduler.from_pretrained(str(source.config), subfolder="scheduler", local_files_only=True)
    parts = {name: getattr(pipe, name) for name in ("unet", "vae", "text_encoder", "tokenizer")}
    if xl:
        parts |= {"second_text_encoder": pipe.text_encoder_2, **_second_reading(source.config)}
    return {**parts, "scheduler": scheduler}


def _weight_files(source: ModelSource) -> list[Path]:
    if source.layout == "file":
        return [source.path]
    found = []
    for part in parts_of(source.path):
        if part in UNWEIGHTED_PARTS:
            continue
        inside = list((source.path / part).iterdir())
        weights = [p for p in inside if p.suffix == ".safetensors"] or [p for p in inside if p.suffix == ".bin"]
        if not weights:
            raise Unavailable(
                f"{source.path / part}: it holds no weights (.safetensors); copy them from where the model came"
            )
        found += weights
    return found


def _refuse_unsafe(source: ModelSource) -> None:
    """A pickle is refused unless it holds plain weights and nothing that would run."""
    for path in _weight_files(source):
        if path.suffix == ".safetensors":
            continue
        try:
            torch.load(path, map_location="meta", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError) as error:
            raise Unavailable(
                f"{path}: refused, it is a pickle that is broken or would run code; use the .safetensors file instead"
            ) from error


def _check_family(source: ModelSource, parts: dict[str, Any]) -> None:
    unet, vae = parts["unet"].config, parts["vae"].config
    texts = [parts[name].config for name in ("text_encoder", "second_text_encoder") if name in parts]
    if unet.in_channels not in (vae.latent_channels, 2 * vae.latent_channels + 1):
        raise Unavailable(
            f"{source.path}: its UNet reads {unet.in_channels} channels and its VAE gives {vae.latent_channels}; "
            "use a text-to-image or inpainting model, not an upscaling one"
        )
    if unet.cross_attention_dim != (width := sum(text.hidden_size for text in texts)):
        raise Unavailable(
            f"{source.path}: its UNet reads text of width {unet.cross_attention_dim}, its text encoder gives "
            f"{width}; the folders are of different models: take all of them from one"
        )


def _memory_for(networks: Sequence[nn.Module], device: torch.device) -> MemoryMode:
    """By what is free: everything and 3 GB to work in, or the largest part and 1.5 GB, or offload."""
    sizes = [_nbytes(network) for network in networks]
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    else:
        import psutil

        # On the CPU the weights are in memory already.
        free = psutil.virtual_memory().available + sum(sizes)
    if sum(sizes) < 500e6 or free > sum(sizes) + 3e9:
        return "full"
    return "slicing" if device.type != "cuda" or free > sum(sizes) + 1e9 else "offload"


def _nbytes(module: nn.Module) -> int:
    return sum(p.nbytes for p in module.parameters())
