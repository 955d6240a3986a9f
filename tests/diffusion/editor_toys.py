"""Inpainting and editing models of every family at toy width, written in the layout of their real folders.

The weights are random, from a seed; nothing is fetched. Pictures are of 64 pixels and latents of 8x8.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.diffusion.toy import _byte_letters, write_sdxl, write_tokenizer, write_toy

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")


def _vae(channels: int = 4, **given: Any) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=1, norm_num_groups=4, sample_size=64,
        latent_channels=channels, **given,
    )  # fmt: skip


def _flow(**given: Any) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**given)


def _clip(folder: Path, projected: bool = False) -> tuple[Any, Any]:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    if not folder.exists():
        write_tokenizer(folder)
    tokenizer = CLIPTokenizer.from_pretrained(str(folder))
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=77, projection_dim=16,
    )  # fmt: skip
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config), tokenizer


def _t5() -> tuple[Any, Any]:
    from transformers import T5Config, T5EncoderModel, T5TokenizerFast

    letters = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -2.0)]
    letters += [(chr(c), -3.0) for c in range(33, 127)]
    tokenizer = T5TokenizerFast(vocab=letters, extra_ids=0, model_max_length=77)
    config = T5Config(vocab_size=len(letters), d_model=32, d_kv=8, d_ff=32, num_layers=2, num_heads=4)
    return T5EncoderModel(config), tokenizer


def _qwen_tokenizer() -> Any:
    from transformers import Qwen2TokenizerFast

    vocabulary = {token: i for i, token in enumerate([*_byte_letters(), *_SPECIAL])}
    tokenizer = Qwen2TokenizerFast(
        vocab=vocabulary, merges=[], additional_special_tokens=list(_SPECIAL[1:]), model_max_length=2048
    )
    tokenizer.chat_template = CHAT
    return tokenizer


def _qwen3(layers: int, lm: bool) -> Any:
    from transformers import Qwen3Config, Qwen3ForCausalLM, Qwen3Model

    config = Qwen3Config(
        vocab_size=256 + len(_SPECIAL), hidden_size=16, intermediate_size=32, num_hidden_layers=layers,
        num_attention_heads=2, num_key_value_heads=2, head_dim=8, max_position_embeddings=2048,
    )  # fmt: skip
    return (Qwen3ForCausalLM if lm else Qwen3Model)(config)


def _qwen_vl() -> Any:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    rope = {"type": "default", "mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 10000.0}
    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 2, "rope_scaling": rope, "rope_parameters": rope, "rope_theta": 10000.0,
            "vocab_size": 256 + len(_SPECIAL),
        },
        vision_config={
            "depth": 2, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16,
            "fullatt_block_indexes": [1],
        },
        hidden_size=16, vocab_size=256 + len(_SPECIAL), vision_start_token_id=259, vision_end_token_id=260,
        image_token_id=261,
    )  # fmt: skip
    return Qwen2_5_VLForConditionalGeneration(config)


def _qwen_vl_processor() -> Any:
    from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    pictures = Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=4 * 28 * 28)
    return Qwen2VLProcessor(pictures, _qwen_tokenizer(), video_processor=Qwen2VLVideoProcessor(), chat_template=CHAT)


def _flux_transformer(channels: int = 16, out: int | None = None) -> Any:
    from diffusers import FluxTransformer2DModel

    return FluxTransformer2DModel(
        patch_size=1, in_channels=channels, out_channels=out, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=32, pooled_projection_dim=16, axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )  # fmt: skip


def _flux(folder: Path, kind: str, channels: int = 16, out: int | None = None) -> Path:
    import diffusers

    clip, words = _clip(folder / "tokenizer")
    t5, words_2 = _t5()
    getattr(diffusers, kind)(
        scheduler=_flow(), vae=_vae(shift_factor=0.1, scaling_factor=0.4, use_quant_conv=False,
        use_post_quant_conv=False), text_encoder=clip, tokenizer=words, text_encoder_2=t5, tokenizer_2=words_2,
        transformer=_flux_transformer(channels, out),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def write_flux(folder: Path) -> Path:
    return _flux(folder, "FluxPipeline")


def write_flux_fill(folder: Path) -> Path:
    return _flux(folder, "FluxFillPipeline", channels=16 + 16 + 64 * 4, out=16)


def write_kontext(folder: Path) -> Path:
    return _flux(folder, "FluxKontextPipeline")


def write_klein(folder: Path, distilled: bool = True) -> Path:
    from diffusers import AutoencoderKLFlux2, Flux2KleinPipeline, Flux2Transformer2DModel

    vae = AutoencoderKLFlux2(
        block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4, latent_channels=4, sample_size=64
    )
    transformer = Flux2Transformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=48, timestep_guidance_channels=16, axes_dims_rope=(4, 4, 4, 4), guidance_embeds=False,
    )  # fmt: skip
    Flux2KleinPipeline(
        scheduler=_flow(), vae=vae, text_encoder=_qwen3(28, lm=True), tokenizer=_qwen_tokenizer(),
        transformer=transformer, is_distilled=distilled,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def write_z_image(folder: Path) -> Path:
    from diffusers import ZImagePipeline, ZImageTransformer2DModel

    transformer = ZImageTransformer2DModel(
        in_channels=4, dim=32, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=16,
        axes_dims=[4, 4, 8], axes_lens=[1024, 128, 128],
    )  # fmt: skip
    ZImagePipeline(
        scheduler=_flow(shift=3.0), vae=_vae(shift_factor=0.1, scaling_factor=0.4), text_encoder=_qwen3(2, lm=False),
        tokenizer=_qwen_tokenizer(), transformer=transformer,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def write_sd3(folder: Path) -> Path:
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline

    first, words = _clip(folder / "tokenizer", projected=True)
    second, words_2 = _clip(folder / "tokenizer_2", projected=True)
    t5, words_3 = _t5()
    transformer = SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=16, out_channels=16, num_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=32, caption_projection_dim=32, pooled_projection_dim=32,
    )  # fmt: skip
    StableDiffusion3Pipeline(
        transformer=transformer, scheduler=_flow(shift=3.0), vae=_vae(16, shift_factor=0.1, scaling_factor=1.5),
        text_encoder=first, tokenizer=words, text_encoder_2=second, tokenizer_2=words_2, text_encoder_3=t5,
        tokenizer_3=words_3,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def _qwen_parts() -> dict[str, Any]:
    from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel

    vae = AutoencoderKLQwenImage(base_dim=4, z_dim=4, num_res_blocks=1, latents_mean=[0.0] * 4, latents_std=[1.0] * 4)
    transformer = QwenImageTransformer2DModel(
        patch_size=2, in_channels=16, out_channels=4, num_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=16, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
    return {"vae": vae, "transformer": transformer, "scheduler": _flow(), "text_encoder": _qwen_vl(),
            "tokenizer": _qwen_tokenizer()}  # fmt: skip


def write_qwen_image(folder: Path) -> Path:
    from diffusers import QwenImagePipeline

    QwenImagePipeline(**_qwen_parts()).save_pretrained(folder)
    return folder


def write_qwen_edit(folder: Path, kind: str = "QwenImageEditPipeline") -> Path:
    import diffusers

    getattr(diffusers, kind)(**_qwen_parts(), processor=_qwen_vl_processor()).save_pretrained(folder)
    return folder


def write_qwen_edit_plus(folder: Path) -> Path:
    return write_qwen_edit(folder, "QwenImageEditPlusPipeline")


def _with_unet_of(folder: Path, channels: int, name: str) -> Path:
    """The toy U-Net model ``folder`` with another number of input channels, called ``name`` in its index."""
    import json

    from diffusers import UNet2DConditionModel

    config = {**UNet2DConditionModel.load_config(str(folder / "unet")), "in_channels": channels}
    UNet2DConditionModel.from_config(config).save_pretrained(folder / "unet")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": name}))
    return folder


def write_sd_inpainting(folder: Path) -> Path:
    return _with_unet_of(write_toy(folder), 9, "StableDiffusionInpaintPipeline")


def write_sdxl_inpainting(folder: Path) -> Path:
    return _with_unet_of(write_sdxl(folder), 9, "StableDiffusionXLInpaintPipeline")


def write_pix2pix(folder: Path) -> Path:
    return _with_unet_of(write_toy(folder), 8, "StableDiffusionInstructPix2PixPipeline")


WRITERS: dict[str, Callable[[Path], Path]] = {
    "sd-inpainting": write_sd_inpainting,
    "sd-instruct": write_pix2pix,
    "sdxl": write_sdxl,
    "sdxl-inpainting": write_sdxl_inpainting,
    "sd3": write_sd3,
    "flux": write_flux,
    "flux-fill": write_flux_fill,
    "flux-kontext": write_kontext,
    "flux2-klein": write_klein,
    "qwen-image": write_qwen_image,
    "qwen-image-edit": write_qwen_edit,
    "qwen-image-edit-plus": write_qwen_edit_plus,
    "z-image": write_z_image,
}
"""By the family's name."""


def write_editor(family: str, folder: Path) -> Path:
    """The toy model of ``family``, the same weights each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return WRITERS[family](folder)
