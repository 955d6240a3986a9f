"""Adapters: nothing at first, what was trained afterwards, and the model as it was."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from core.diffusion.attention import attention_control, attention_layers
from core.diffusion.backbone import Backbone, model_output
from core.diffusion.tokens import encode_text
from core.diffusion.word_attention import AttentionStore
from core.errors import Unavailable
from core.training.low_rank import LORA_TARGETS, merged_adapter, unet_adapter


def out(backbone: Backbone) -> Tensor:
    with torch.no_grad():
        x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        return model_output(backbone, x, 500, encode_text(backbone, ["a dent"]))


def trained(toy: Backbone) -> tuple[dict[str, Tensor], Tensor]:
    """An adapter's tensors with something in them, and the model's output under it."""
    with unet_adapter(toy, 2, 0) as parameters:
        generator = torch.Generator().manual_seed(1)
        for value in parameters.values():
            value.data += 0.1 * torch.randn(value.shape, generator=generator)
        return {name: value.detach().clone() for name, value in parameters.items()}, out(toy)


def test_a_new_adapter_changes_nothing_and_leaves_nothing(toy: Backbone) -> None:
    before, names = out(toy), [n for n, _ in toy.unet.named_modules()]
    with unet_adapter(toy, 2, 0) as parameters:
        assert len(parameters) == 2 * len(LORA_TARGETS) * len(attention_layers(toy.unet))
        assert torch.equal(out(toy), before)
        assert all(not p.requires_grad for p in parameters.values())
    assert [n for n, _ in toy.unet.named_modules()] == names and torch.equal(out(toy), before)


def test_same_seed_same_adapter(toy: Backbone) -> None:
    found = []
    for seed in (1, 1, 2):
        with unet_adapter(toy, 2, seed) as parameters:
            found.append({name: p.detach().clone() for name, p in parameters.items()})
    assert all(torch.equal(found[0][n], found[1][n]) for n in found[0])
    assert any(not torch.equal(found[0][n], found[2][n]) for n in found[0])


def test_merged_weights_give_what_the_adapter_gave_and_go_without_a_trace(toy: Backbone) -> None:
    before = {name: value.clone() for name, value in toy.unet.state_dict().items()}
    plain = out(toy)
    tensors, wanted = trained(toy)
    assert not torch.allclose(plain, wanted, atol=1e-4)
    with pytest.raises(ZeroDivisionError), merged_adapter(toy, {**tensors, "anomaly.<a>": torch.zeros(2, 16)}):
        assert torch.allclose(out(toy), wanted, atol=1e-4)
        raise ZeroDivisionError
    after = toy.unet.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[n], before[n]) for n in before)


def test_controllers_see_an_adapted_model(toy: Backbone) -> None:
    record = AttentionStore()
    with unet_adapter(toy, 2, 0), attention_control(toy.unet, record):
        out(toy)
    assert record.maps().shape[0] == toy.max_tokens


def test_an_adapter_of_another_model_is_refused(toy: Backbone) -> None:
    layer = "mid_block.attentions.0.transformer_blocks.0.attn2.to_q"
    before = {name: value.clone() for name, value in toy.unet.state_dict().items()}
    good = {f"lora.{layer}.a": torch.ones(2, 32), f"lora.{layer}.b": torch.ones(32, 2)}
    for bad in (
        {**good, "lora.up_blocks.9.to_q.a": torch.ones(2, 8), "lora.up_blocks.9.to_q.b": torch.ones(8, 2)},
        {**good, f"lora.{layer}.b": torch.ones(7, 2)},
    ):
        with pytest.raises(Unavailable, match="learn"), merged_adapter(toy, bad):
            pass
    assert all(torch.equal(value, before[name]) for name, value in toy.unet.state_dict().items())
