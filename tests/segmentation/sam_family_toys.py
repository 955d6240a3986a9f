"""Models of the SAM family at toy width with random weights, in the layouts that transformers reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WIDTH = 32
HEAD = {
    "hidden_size": WIDTH,
    "mlp_dim": 32,
    "num_attention_heads": 2,
    "iou_head_hidden_dim": 16,
    "num_hidden_layers": 1,
}


def _prompts(side: int, patch: int = 16) -> dict[str, Any]:
    return {"hidden_size": WIDTH, "image_size": side, "patch_size": patch, "mask_input_channels": 4}


def _padding_processor(name: str) -> Any:
    import transformers

    sizes = {"size": {"longest_edge": 64}, "pad_size": {"height": 64, "width": 64}}
    masks = {"mask_size": {"longest_edge": 16}, "mask_pad_size": {"height": 16, "width": 16}}
    return getattr(transformers, name)(transformers.SamImageProcessor(**sizes, **masks))


def _sam_like(kind: str) -> tuple[Any, Any]:
    import transformers

    vision = {
        "hidden_size": 32, "output_channels": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2,
        "image_size": 64, "patch_size": 16, "window_size": 2, "global_attn_indexes": [1], "num_pos_feats": WIDTH // 2,
        "mlp_dim": 32,
    }  # fmt: skip
    head = HEAD | ({"vit_dim": 32} if kind == "SamHQ" else {})
    config = getattr(transformers, f"{kind}Config")(
        vision_config=vision,
        prompt_encoder_config=_prompts(64) | {"image_embedding_size": 4},
        mask_decoder_config=head,
    )
    return getattr(transformers, f"{kind}Model")(config), _padding_processor(f"{kind}Processor")


def _stretching_processor(name: str, images: str, side: int) -> Any:
    import transformers

    size = {"height": side, "width": side}
    return getattr(transformers, name)(getattr(transformers, images)(size=size), target_size=side)


def _sam2() -> tuple[Any, Any]:
    import transformers

    backbone = {
        "model_type": "sam2_hiera_det_model", "hidden_size": 12, "image_size": [128, 128], "patch_kernel_size": [7, 7],
        "patch_stride": [4, 4], "patch_padding": [3, 3], "blocks_per_stage": [1, 2, 1, 1],
        "embed_dim_per_stage": [12, 24, 48, 96], "num_attention_heads_per_stage": [1, 2, 4, 8],
        "window_size_per_stage": [8, 4, 4, 4], "global_attention_blocks": [2],
        "window_positional_embedding_background_size": [7, 7],
    }  # fmt: skip
    vision = {
        "backbone_config": backbone, "backbone_channel_list": [96, 48, 24, 12], "fpn_hidden_size": WIDTH,
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
    }  # fmt: skip
    config = transformers.Sam2Config(
        vision_config=vision, prompt_encoder_config=_prompts(128), mask_decoder_config=HEAD
    )
    return transformers.Sam2Model(config), _stretching_processor("Sam2Processor", "Sam2ImageProcessor", 128)


def _sam3() -> tuple[Any, Any]:
    import transformers

    backbone = {
        "model_type": "sam3_vit_model", "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": 112, "patch_size": 14, "window_size": 4, "global_attn_indexes": [1],
        "pretrain_image_size": 112,
    }  # fmt: skip
    vision = {
        "model_type": "sam3_vision_model", "backbone_config": backbone, "fpn_hidden_size": WIDTH,
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
    }  # fmt: skip
    config = transformers.Sam3TrackerConfig(
        vision_config=vision, prompt_encoder_config=_prompts(112, 14), mask_decoder_config=HEAD
    )
    return (
        transformers.Sam3TrackerModel(config),
        _stretching_processor("Sam3TrackerProcessor", "Sam3ImageProcessor", 112),
    )


MAKERS = {
    "sam": lambda: _sam_like("Sam"),
    "sam_hq": lambda: _sam_like("SamHQ"),
    "sam2": _sam2,
    "sam3_tracker": _sam3,
}


def toy_folder(kind: str, folder: Path) -> Path:
    """A folder with a toy model of this kind."""
    import torch

    torch.manual_seed(5)
    model, processor = MAKERS[kind]()
    for parameter in model.parameters():  # the real initialisation of some is near zero, and would hide mistakes
        if parameter.ndim > 1 and parameter.numel() > 1 and parameter.std() < 1e-3:
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
