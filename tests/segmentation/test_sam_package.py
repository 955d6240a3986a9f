"""Is ``segment-anything`` of the registry what its name says? It computes what another team's SAM computes."""

from __future__ import annotations

import re
from functools import partial

import pytest

torch = pytest.importorskip("torch")
modeling = pytest.importorskip("segment_anything.modeling")

SIDE, PATCH, WIDTH, HEADS, OUT = 64, 16, 16, 2, 16
NAMES = (
    (r"(iou_prediction_head|output_hypernetworks_mlps\.\d+)\.layers\.0", r"\1.proj_in"),
    (r"(iou_prediction_head|output_hypernetworks_mlps\.\d+)\.layers\.2", r"\1.proj_out"),
    (r"(iou_prediction_head|output_hypernetworks_mlps\.\d+)\.layers\.1", r"\1.layers.0"),
    (r"output_upscaling\.0", "upscale_conv1"),
    (r"output_upscaling\.1", "upscale_layer_norm"),
    (r"output_upscaling\.3", "upscale_conv2"),
    (r"mask_downscaling\.0", "mask_embed.conv1"),
    (r"mask_downscaling\.1", "mask_embed.layer_norm1"),
    (r"mask_downscaling\.3", "mask_embed.conv2"),
    (r"mask_downscaling\.4", "mask_embed.layer_norm2"),
    (r"mask_downscaling\.6", "mask_embed.conv3"),
    (r"point_embeddings", "point_embed"),
    (r"pe_layer\.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
    (r"image_encoder", "vision_encoder"),
    (r"neck\.0", "neck.conv1"),
    (r"neck\.1", "neck.layer_norm1"),
    (r"neck\.2", "neck.conv2"),
    (r"neck\.3", "neck.layer_norm2"),
    (r"patch_embed\.proj", "patch_embed.projection"),
    (r"\.norm", ".layer_norm"),
    (r"vision_encoder\.blocks", "vision_encoder.layers"),
)
"""Names of weights in Meta's SAM ↔ in transformers' SamModel."""


def small_sam():
    """SAM of the package, of a width that takes no time, with weights drawn from a seed."""
    norm = partial(torch.nn.LayerNorm, eps=1e-6)
    encoder = modeling.ImageEncoderViT(
        img_size=SIDE, patch_size=PATCH, embed_dim=WIDTH, depth=2, num_heads=HEADS, out_chans=OUT, norm_layer=norm,
        use_rel_pos=True, window_size=2, global_attn_indexes=(1,),
    )  # fmt: skip
    grid = SIDE // PATCH
    prompts = modeling.PromptEncoder(OUT, (grid, grid), (SIDE, SIDE), mask_in_chans=16)
    way = modeling.TwoWayTransformer(depth=2, embedding_dim=OUT, mlp_dim=32, num_heads=HEADS)
    decoder = modeling.MaskDecoder(transformer_dim=OUT, transformer=way, iou_head_hidden_dim=OUT)
    sam = modeling.Sam(encoder, prompts, decoder).eval()
    generator = torch.Generator().manual_seed(3)
    for value in [*sam.parameters(), prompts.pe_layer.positional_encoding_gaussian_matrix]:
        value.data = torch.randn(value.shape, generator=generator) * 0.3
    return sam


def same_in_transformers(sam):
    """transformers' SamModel with the weights of ``sam``."""
    from transformers import SamConfig, SamModel

    vision = {
        "hidden_size": WIDTH, "output_channels": OUT, "num_hidden_layers": 2, "num_attention_heads": HEADS,
        "image_size": SIDE, "patch_size": PATCH, "window_size": 2, "global_attn_indexes": [1], "mlp_ratio": 4.0,
        "mlp_dim": 4 * WIDTH, "num_pos_feats": OUT // 2,
    }  # fmt: skip
    prompt = {"hidden_size": OUT, "image_size": SIDE, "patch_size": PATCH, "mask_input_channels": 16}
    decoder = {
        "hidden_size": OUT, "mlp_dim": 32, "num_hidden_layers": 2, "num_attention_heads": HEADS,
        "iou_head_hidden_dim": OUT,
    }  # fmt: skip
    config = SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
    model = SamModel(config).eval()
    weights = {}
    for name, value in sam.state_dict().items():
        for here, there in NAMES:
            name = re.sub(here, there, name)
        weights[name] = value
    weights["shared_image_embedding.positional_embedding"] = weights[
        "prompt_encoder.shared_embedding.positional_embedding"
    ]
    wanted = model.state_dict().keys()
    model.load_state_dict({name: value for name, value in weights.items() if name in wanted}, strict=True)
    return model


@torch.no_grad()
def test_the_package_computes_what_transformers_sam_does() -> None:
    sam = small_sam()
    other = same_in_transformers(sam)
    photo = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(4))
    point = torch.tensor([[[20.0, 33.0], [50.0, 9.0]]])
    label = torch.tensor([[1, 0]])
    features = sam.image_encoder(photo)
    sparse, dense = sam.prompt_encoder(points=(point, label), boxes=None, masks=None)
    masks, scores = sam.mask_decoder(features, sam.prompt_encoder.get_dense_pe(), sparse, dense, multimask_output=True)
    told = other(pixel_values=photo, input_points=point[None], input_labels=label[None], multimask_output=True)
    torch.testing.assert_close(other.get_image_embeddings(photo), features, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(told.pred_masks[0], masks, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(told.iou_scores[0], scores, atol=1e-4, rtol=1e-3)
    assert masks.std() > 0.01
