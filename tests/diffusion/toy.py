"""Models of Stable Diffusion's make written in its own folder layout: toy width, or 1.5's configuration.

The weights are random, from a seed; nothing is fetched. The vocabulary is built here: all bytes, and merges for a few
words, so that those are one token each and any other word is spelt.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

WORDS = ("a", "photo", "of", "with", "metal", "plate", "scratch", "dent", "bolt", "nut", "washer", "defect", "damage")
_START, _END = "<|startoftext|>", "<|endoftext|>"


def write_tokenizer(folder: Path, pad_to: int = 0) -> int:
    """A CLIP tokenizer's files in ``folder``; ``pad_to`` fills the vocabulary up. Returns its size."""
    letters = _byte_letters()
    tokens = letters + [f"{c}</w>" for c in letters]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            pair = (parts[0], parts[1])
            merges += [pair] if pair not in merges else []
            parts = ["".join(pair), *parts[2:]]
    tokens += dict.fromkeys("".join(pair) for pair in merges)
    tokens += [f"unused{i}</w>" for i in range(pad_to - len(tokens) - 2)] + [_START, _END]
    special = {"bos_token": _START, "eos_token": _END, "unk_token": _END, "pad_token": _END}
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(m) for m in merges) + "\n")
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return len(tokens)


def _byte_letters() -> list[str]:
    """The 256 letters by which CLIP's byte-level encoding writes bytes, in byte order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    odd = [b for b in range(256) if b not in printable]
    return [chr(b) if b in printable else chr(256 + odd.index(b)) for b in range(256)]


def write_toy(folder: Path, prediction: str = "epsilon", seed: int = 0) -> Path:
    """A model of about 200,000 weights: 64-pixel images, 8x8 latents, attention at 8x8 and 4x4, text of width 16."""
    unet = {
        "sample_size": 8,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 16,
        "attention_head_dim": 2,
        "norm_num_groups": 8,
    }
    vae = {
        "block_out_channels": (8, 8, 8, 8),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "sample_size": 64,
    }
    text = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return _write(folder, unet, vae, text, 0, prediction, seed, torch.float32)


def write_sd15(folder: Path, seed: int = 0) -> Path:
    """Stable Diffusion 1.5's configuration, 1,066 million random weights in float16: 2.1 GB."""
    unet = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}
    vae = {
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
        "sample_size": 512,
    }
    text = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    return _write(folder, unet, vae, text, 49408, "epsilon", seed, torch.float16)


def write_sdxl(folder: Path, second: int = 16) -> Path:
    """A folder as Stable Diffusion XL's are, at toy width: two text encoders, the ``second`` so wide, and a UNet that
    reads both, the second one's pooled prompt and the picture's sizes."""
    from diffusers import EulerDiscreteScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    write_toy(folder)
    size = write_tokenizer(folder / "tokenizer_2")
    config = CLIPTextConfig(
        vocab_size=size, hidden_size=second, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=77, projection_dim=second,
        eos_token_id=2,  # as in the real folder, where it means that pooling takes the highest id
    )  # fmt: skip
    CLIPTextModelWithProjection(config).save_pretrained(folder / "text_encoder_2")
    UNet2DConditionModel(
        sample_size=8, block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=8, attention_head_dim=(2, 4),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16 + second, use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=8, projection_class_embeddings_input_dim=6 * 8 + second,
    ).save_pretrained(folder / "unet")  # fmt: skip
    EulerDiscreteScheduler().save_pretrained(folder / "scheduler")
    index = json.loads((folder / "model_index.json").read_text())
    both = {"text_encoder_2": ["transformers", "CLIPTextModelWithProjection"]}
    both["tokenizer_2"] = ["transformers", "CLIPTokenizer"]
    index |= {"_class_name": "StableDiffusionXLPipeline", "scheduler": ["diffusers", "EulerDiscreteScheduler"], **both}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def _write(
    folder: Path,
    unet: dict[str, Any],
    vae: dict[str, Any],
    text: dict[str, Any],
    vocabulary: int,
    prediction: str,
    seed: int,
    dtype: torch.dtype,
) -> Path:
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    size = write_tokenizer(folder / "tokenizer", vocabulary)
    ends = {"bos_token_id": size - 2, "eos_token_id": size - 1, "pad_token_id": size - 1}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = {"unet": UNet2DConditionModel(**unet), "vae": AutoencoderKL(**vae, latent_channels=4)}
        config = CLIPTextConfig(vocab_size=size, max_position_embeddings=77, hidden_act="quick_gelu", **ends, **text)
        parts["text_encoder"] = CLIPTextModel(config)
        for name, part in parts.items():
            (part if dtype == torch.float32 else part.to(dtype)).save_pretrained(folder / name)
    DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction,
    ).save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder
