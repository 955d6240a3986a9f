"""How large the shipped model is, and its empty parts: autoencoder, text encoder, tokenizer, denoiser, schedule."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.mini_model.words import WORDS

SIDE, LATENT = 256, 32
"""Sides of the pictures and of their latents."""

TOKENS = 48
"""Length of the padded prompt; a caption has at most 28 tokens, the rest is room for learned concepts."""

_START, _END = "<|startoftext|>", "<|endoftext|>"


@dataclass(frozen=True)
class Size:
    """Channels of each level; ``text`` is the width of the text encoder, ``head`` that of an attention head."""

    autoencoder: tuple[int, int, int, int]
    denoiser: tuple[int, int, int]
    layers: int
    text: int
    text_layers: int
    head: int = 32
    text_only_at_32: bool = False
    """Attention at 32x32 looks at the prompt alone, twice; the maps' own attention there costs a third of a step."""


SIZES = {
    "narrow": Size((16, 32, 64, 128), (48, 96, 160), 1, 128, 2, head=16, text_only_at_32=True),
    "broad": Size((32, 64, 128, 192), (96, 160, 224), 1, 192, 4),
}
"""``narrow`` learns the demo products on one CPU core in hours; ``broad`` is for a GPU. Both stay below 40 MB."""


def autoencoder(size: Size) -> Any:
    """AutoencoderKL: (N, 3, 256, 256) in -1..1 to and from (N, 4, 32, 32).

    Its residual branches start at nothing and its latents nearly without noise, which saves the first thousand steps.
    Few groups: a group of two channels would normalise a picture's own colour away.
    """
    from diffusers import AutoencoderKL

    model = AutoencoderKL(
        block_out_channels=size.autoencoder,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=2,
        latent_channels=4,
        sample_size=SIDE,
    )
    for name, weight in model.named_parameters():
        if name.endswith(("conv2.weight", "conv2.bias", "to_out.0.weight", "to_out.0.bias")):
            weight.data.zero_()
    model.quant_conv.bias.data[4:] = -5.0
    return model


def denoiser(size: Size) -> Any:
    """UNet2DConditionModel on (N, 4, 32, 32) with cross-attention at 32x32, 16x16 and 8x8."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=LATENT,
        block_out_channels=size.denoiser,
        layers_per_block=size.layers,
        down_block_types=("CrossAttnDownBlock2D",) * 3,
        up_block_types=("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=size.text,
        attention_head_dim=tuple(width // size.head for width in size.denoiser),
        only_cross_attention=(size.text_only_at_32, False, False),
        norm_num_groups=16,
    )


def text_encoder(size: Size, vocabulary: int) -> Any:
    """CLIPTextModel of TOKENS positions."""
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=vocabulary,
        max_position_embeddings=TOKENS,
        hidden_size=size.text,
        intermediate_size=4 * size.text,
        num_hidden_layers=size.text_layers,
        num_attention_heads=size.text // 32,
        hidden_act="quick_gelu",
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )
    return CLIPTextModel(config)


def scheduler() -> Any:
    """Stable Diffusion's noise schedule; the model predicts v, which small models learn more evenly than noise."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )


def write_tokenizer(folder: Path) -> int:
    """A CLIP tokenizer's files: all bytes, and one token for each of WORDS. Returns the size of the vocabulary."""
    letters = _byte_letters()
    tokens = letters + [f"{c}</w>" for c in letters]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        parts = _merged([*word[:-1], f"{word[-1]}</w>"], merges)
        while len(parts) > 1:
            # Behind all others, so that the words before are read as before.
            merges.append((parts[0], parts[1]))
            parts = ["".join(parts[:2]), *parts[2:]]
    tokens += [t for t in dict.fromkeys("".join(pair) for pair in merges) if t not in tokens]
    tokens += [_START, _END]
    special = {"bos_token": _START, "eos_token": _END, "unk_token": _END, "pad_token": _END}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": TOKENS, "do_lower_case": True, **special}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(m) for m in merges) + "\n")
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return len(tokens)


def _merged(parts: list[str], merges: list[tuple[str, str]]) -> list[str]:
    """``parts`` as byte-pair encoding joins them: always the pair that was merged earliest."""
    rank = {pair: i for i, pair in enumerate(merges)}
    while True:
        pairs = [(rank[pair], i) for i, pair in enumerate(zip(parts, parts[1:], strict=False)) if pair in rank]
        if not pairs:
            return parts
        at = min(pairs)[1]
        parts = [*parts[:at], parts[at] + parts[at + 1], *parts[at + 2 :]]


def _byte_letters() -> list[str]:
    """The 256 letters by which CLIP's byte-level encoding writes bytes, in byte order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    odd = [b for b in range(256) if b not in printable]
    return [chr(b) if b in printable else chr(256 + odd.index(b)) for b in range(256)]
