"""A model folder as the one file that CompVis' code would have saved: the names of diffusers, taken back."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from core.diffusion.backbone import Backbone

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}


_OPEN_CLIP = {
    "embeddings.token_embedding": "token_embedding",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm": "ln_final",
    "encoder.layers": "transformer.resblocks",
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


def write_single_file(model: Backbone, path: Path) -> Path:
    """``model`` as a checkpoint with CompVis' names: safetensors, or a pickle where ``path`` ends in .ckpt."""
    from safetensors.torch import save_file

    layers = int(model.unet.config.layers_per_block)
    levels = len(model.vae.config.block_out_channels)
    state = {f"model.diffusion_model.{_unet(k, layers)}": v for k, v in model.unet.state_dict().items()}
    state |= {f"first_stage_model.{_vae(k, levels)}": _as_conv(k, v) for k, v in model.vae.state_dict().items()}
    xl = model.second_text_encoder is not None
    first = "conditioner.embedders.0.transformer" if xl else "cond_stage_model.transformer"
    for key, value in model.text_encoder.state_dict().items():
        state[f"{first}.text_model.{key.removeprefix('text_model.')}"] = value
    if xl:
        state |= {f"conditioner.embedders.1.model.{k}": v for k, v in _open_clip(model.second_text_encoder).items()}
    if path.suffix == ".ckpt":
        torch.save({"state_dict": state}, path)
    else:
        save_file({k: v.contiguous() for k, v in state.items()}, path)
    return path


def _open_clip(encoder: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A text encoder in OpenCLIP's names, which keep queries, keys and values in one tensor."""
    state = {key.removeprefix("text_model."): value for key, value in encoder.state_dict().items()}
    found = {"text_projection": state.pop("text_projection.weight").T}
    for key, value in state.items():
        if ".q_proj." in key:
            kind = key.rpartition(".")[2]
            parts = [state[key.replace("q_proj", f"{one}_proj")] for one in "qkv"]
            layer = key.split(".")[2]
            found[f"transformer.resblocks.{layer}.attn.in_proj_{kind}"] = torch.cat(parts)
        elif ".k_proj." not in key and ".v_proj." not in key:
            for ours, theirs in _OPEN_CLIP.items():
                key = key.replace(ours, theirs)
            found[key] = value
    return found


def _unet(key: str, layers: int) -> str:
    for ours, theirs in _ENDS.items():
        if key.startswith(f"{ours}."):
            key = theirs + key.removeprefix(ours)
    if found := re.match(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.", key):
        way, block, kind, layer = found[1], int(found[2]), found[3], int(found[4])
        rest, side = key[found.end() :], "input" if way == "down" else "output"
        first = block * (layers + 1) + (way == "down")
        if kind == "downsamplers":
            key = f"input_blocks.{first + layers}.0.{rest.replace('conv.', 'op.')}"
        elif kind == "upsamplers":
            key = f"output_blocks.{first + layers}.2.{rest}"
        else:
            key = f"{side}_blocks.{first + layer}.{0 if kind == 'resnets' else 1}.{rest}"
    if "transformer_blocks" in key:
        return key
    return re.sub(r"\.(norm1|conv1|time_emb_proj|norm2|conv2|conv_shortcut)\.", lambda m: f".{_RESNET[m[1]]}.", key)


def _vae(key: str, levels: int) -> str:
    key = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", key)
    key = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(r"up_blocks\.(\d+)\.resnets\.", lambda m: f"up.{levels - 1 - int(m[1])}.block.", key)
    key = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", key)
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
    key = key.replace("mid_block.attentions.0", "mid.attn_1").replace("conv_shortcut", "nin_shortcut")
    for ours, theirs in {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}.items():
        key = key.replace(f"attn_1.{ours}.", f"attn_1.{theirs}.")
    return key.replace("conv_norm_out", "norm_out")


def _as_conv(key: str, value: torch.Tensor) -> torch.Tensor:
    """The VAE's attention was convolutions of one pixel."""
    linear = "attentions" in key and key.endswith("weight") and value.ndim == 2
    return value[:, :, None, None] if linear else value
