"""The target reads the anomalies of the references inside the mask, and the photo outside."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from core.diffusion.attention import AttentionSite, attention_control
from core.diffusion.backbone import Backbone, predict_noise
from core.diffusion.tokens import encode_text
from core.methods.graft.reference_reading import ReferenceReading

SIDE = 4
SITE = AttentionSite("up.0", False, "up", 2, (SIDE, SIDE))


def corner(first: bool, share: float = 1.0) -> Tensor:
    mask = torch.zeros(1, 1, SIDE, SIDE)
    half = slice(None, 2) if first else slice(2, None)
    mask[..., half, half] = share
    return mask


def random(rows: int, seed: int) -> Tensor:
    return torch.randn(rows, 2, SIDE * SIDE, 5, generator=torch.Generator().manual_seed(seed))


def attended(reader: ReferenceReading, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(B, n, heads d): as an attention layer computes it, without its output layer."""
    q, k, v = reader.qkv(SITE, q, k, v)
    mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=0.3)
    return reader.out(SITE, mixed.transpose(1, 2).flatten(2))


def plain(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return ((0.3 * q @ k.transpose(-1, -2)).softmax(-1) @ v).transpose(0, 1).flatten(1)


@pytest.mark.parametrize("references", [1, 2])
def test_the_target_reads_the_anomalies_inside_the_mask_and_the_photo_outside(references: int) -> None:
    rows = references + 2
    q, k, v = (random(rows, seed) for seed in range(3))
    anomaly = torch.cat([corner(False), corner(True)])[:references]
    found = attended(ReferenceReading(corner(True), anomaly), q, k, v)
    inside = corner(True).flatten().bool()
    for row in range(rows - 1):
        assert torch.allclose(found[row], plain(q[row], k[row], v[row]), atol=1e-5)
    assert torch.allclose(found[-1][~inside], plain(q[-1], k[0], v[0])[~inside], atol=1e-5)
    seen = [mask.flatten().bool() for mask in anomaly]
    keys = torch.cat([k[1 + i][:, at] for i, at in enumerate(seen)], dim=1)
    values = torch.cat([v[1 + i][:, at] for i, at in enumerate(seen)], dim=1)
    assert torch.allclose(found[-1][inside], plain(q[-1], keys, values)[inside], atol=1e-5)


def test_a_cell_that_the_mask_covers_in_part_reads_both() -> None:
    q, k, v = (random(3, seed) for seed in range(3))
    half, whole, none = (
        attended(ReferenceReading(corner(True, share), corner(False)), q, k, v)[-1] for share in (0.5, 1.0, 0.0)
    )
    assert torch.allclose(half, (whole + none) / 2, atol=1e-5)


def test_a_reference_that_is_all_anomaly_is_read_whole() -> None:
    q, k, v = (random(4, seed) for seed in range(3))
    found = attended(ReferenceReading(torch.ones(1, 1, SIDE, SIDE), torch.ones(2, 1, SIDE, SIDE)), q, k, v)
    seen = plain(q[-1], k[1:3].transpose(0, 1).flatten(1, 2), v[1:3].transpose(0, 1).flatten(1, 2))
    assert torch.allclose(found[-1], seen, atol=1e-5)


def test_only_the_target_s_prediction_changes_and_the_model_is_as_before(toy: Backbone) -> None:
    x = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    words = encode_text(toy, [""]).expanded(3)
    before = predict_noise(toy, x, 500, words)
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4, :4] = 1
    with attention_control(toy.unet, ReferenceReading(mask, mask)):
        during = predict_noise(toy, x, 500, words)
    assert torch.allclose(during[:2], before[:2], atol=1e-4)
    assert not torch.allclose(during[2], before[2], atol=1e-4)
    assert torch.equal(predict_noise(toy, x, 500, words), before)
