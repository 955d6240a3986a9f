"""Two branches in one batch: joined and split, silent at zero, and the background heard by the whole alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from core.diffusion.attention import attention_control, attention_layers
from core.diffusion.backbone import Backbone, model_output
from core.diffusion.conditioning import Conditioning
from core.diffusion.tokens import encode_text
from core.errors import InputError
from core.methods.dual_ano_diff.interaction import (
    BCM,
    SAIM,
    SaimController,
    deinterleaved,
    interleaved,
    stacked_channels,
    trainable_parameters,
    unstacked_channels,
)
from core.methods.dual_ano_diff.learning_settings import PRESETS


def batch(toy: Backbone, group: int, pairs: int = 2, seed: int = 0) -> tuple[torch.Tensor, Conditioning]:
    torch.manual_seed(seed)
    text = encode_text(toy, ["a metal plate"] * (group * pairs))
    return torch.randn(group * pairs, 4, 8, 8), text


@torch.no_grad()
def run(toy: Backbone, x: torch.Tensor, text: Conditioning, *controllers: Any) -> torch.Tensor:
    with attention_control(toy.unet, *controllers):
        return model_output(toy, x, 300, text)


@pytest.mark.parametrize("group", [2, 3])
def test_split_and_join_are_inverse_and_keep_every_row_in_its_place(group: int) -> None:
    rows = [torch.randn(4, 3, 5, 5) for _ in range(group)]
    joined = interleaved(*rows)
    assert all(torch.equal(a, b) for a, b in zip(deinterleaved(joined, group), rows, strict=True))
    assert torch.equal(joined[group + 1], rows[1][1])
    assert torch.equal(unstacked_channels(stacked_channels(joined, group), group), joined)
    assert torch.equal(stacked_channels(joined, group)[2, 3:6], rows[1][2])
    with pytest.raises(InputError, match="rows a pair"):
        deinterleaved(joined[:-1], group)


@pytest.mark.parametrize("group", [2, 3])
def test_an_interaction_from_zero_changes_nothing(toy: Backbone, group: int) -> None:
    x, text = batch(toy, group)
    assert torch.equal(run(toy, x, text, SaimController(toy.unet, group, 0, zero=True)), run(toy, x, text))


def test_a_random_interaction_mixes_the_branches_of_a_pair_and_no_others(toy: Backbone) -> None:
    x, text = batch(toy, 3)
    saim = SaimController(toy.unet, 3, 0, zero=False)
    before = run(toy, x, text, saim)
    plain = run(toy, x, text)
    assert not torch.allclose(before[:2], plain[:2], atol=1e-4)
    # A background goes through as it would alone.
    assert torch.allclose(before[2::3], plain[2::3], atol=1e-5)
    x = x.clone()
    x[1] += 1  # the first pair's part
    after = run(toy, x, text, saim)
    assert (after[0] - before[0]).abs().max() > 1e-4
    assert torch.allclose(after[2:], before[2:], atol=1e-5)


def test_an_exchange_does_not_move_anything_in_space() -> None:
    torch.manual_seed(0)
    layer = SAIM(8, zero=False)
    pairs = torch.randn(1, 2, 6, 8)
    order = torch.randperm(6)
    assert torch.allclose(layer(pairs)[:, :, order], layer(pairs[:, :, order]), atol=1e-6)


def test_folded_matrices_are_equation_3_and_learn_alike() -> None:
    torch.manual_seed(0)
    layer = SAIM(8, zero=False)
    torch.nn.init.normal_(layer.norm.weight)
    few = torch.randn(1, 2, 5, 8)
    many = few.repeat(1, 1, 4, 1)

    def learned(pairs: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        layer.zero_grad()
        out = layer(pairs)
        (out[:, :, :5] ** 2).sum().backward()
        return out.detach()[:, :, :5], {n: p.grad.clone() for n, p in layer.named_parameters() if p.grad is not None}

    plain, plain_grads = learned(few)
    folded, folded_grads = learned(many)
    assert torch.allclose(plain, folded, atol=1e-5)
    # What is the same for both keys of a pair changes nothing.
    assert plain_grads.pop("key.bias").abs().max() < 1e-5
    assert plain_grads.keys() == folded_grads.keys() == dict(layer.named_parameters()).keys() - {"key.bias"}
    assert all(torch.allclose(plain_grads[n], folded_grads[n], rtol=1e-3, atol=1e-4) for n in plain_grads)


@pytest.mark.parametrize("how", ["add", "blend"])
def test_the_whole_alone_hears_the_background(toy: Backbone, how: Any) -> None:
    x, text = batch(toy, 3)
    plain = run(toy, x, text)
    silent = BCM(toy.unet, 0, scale=0.0, how=how)
    assert torch.allclose(run(toy, x, text, silent), plain, atol=1e-5)
    bcm = BCM(toy.unet, 0, scale=0.5, how=how, bent=how == "add")
    before = run(toy, x, text, bcm)
    assert (before[0] - plain[0]).abs().max() > 1e-4
    assert torch.allclose(before[1::3], plain[1::3], atol=1e-5)
    x = x.clone()
    x[2] += 1
    after = run(toy, x, text, bcm)
    assert (after[0] - before[0]).abs().max() > 1e-5
    assert torch.allclose(after[[1, 3, 4, 5]], before[[1, 3, 4, 5]], atol=1e-5)


def test_the_compensation_is_equation_5(toy: Backbone) -> None:
    bcm = BCM(toy.unet, 0, scale=0.3)
    name, module = next((n, m) for n, m in attention_layers(toy.unet) if not m.is_cross_attention)
    site = type("S", (), {"name": name, "cross": False})()
    h = torch.randn(3, 7, module.to_q.in_features)
    layer: Any = bcm.layers[name.replace(".", "-")]
    expected = h[0] + 0.3 * layer.up(torch.nn.functional.silu(layer.down(h[2])))
    found = bcm.context(site, h)  # type: ignore[arg-type]
    assert torch.allclose(found[0], expected, atol=1e-6) and torch.equal(found[1:], h[1:])


def test_the_compensation_reads_what_the_preset_says(toy: Backbone) -> None:
    """Eq. 5: c is what the background's self-attention gives; the released code takes what goes into it."""
    bcm = BCM(toy.unet, 0, scale=0.3, reads="output")
    name, module = next((n, m) for n, m in attention_layers(toy.unet) if not m.is_cross_attention)
    site = type("S", (), {"name": name, "cross": False})()
    h = torch.randn(3, 7, module.to_q.in_features)
    layer: Any = bcm.layers[name.replace(".", "-")]
    own = module(h)[2]
    expected = h[0] + 0.3 * layer.up(torch.nn.functional.silu(layer.down(own)))
    found = bcm.context(site, h)  # type: ignore[arg-type]
    assert torch.allclose(found[0], expected, atol=1e-5) and torch.equal(found[1:], h[1:])
    known = {name: preset.bcm_reads for name, preset in PRESETS.items()}
    assert known == {"flawsmith": "input", "paper": "output", "code": "input"}


def test_every_layer_of_both_takes_gradients(toy: Backbone) -> None:
    x, text = batch(toy, 3, 1)
    layers = {"saim": SaimController(toy.unet, 3, 0, zero=False), "bcm": BCM(toy.unet, 0, 0.1)}
    learned = trainable_parameters(layers)
    names = [n for n, _ in attention_layers(toy.unet)]
    assert {n.split(".")[1] for n in learned} == {n.replace(".", "-") for n in names}
    for value in learned.values():
        value.requires_grad_(True)
    with attention_control(toy.unet, *layers.values()):
        model_output(toy, x, 300, text)[:2].square().mean().backward()
    assert {name for name, value in learned.items() if value.grad is None} <= {n for n in learned if "key.bias" in n}
