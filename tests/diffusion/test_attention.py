"""Controllers act where they say, and leave no trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from core.device import torch_generator
from core.diffusion.attention import (
    AttentionController,
    AttentionSite,
    attention_control,
    attention_layers,
    cross_attention_levels,
)
from core.diffusion.backbone import Backbone, predict_noise
from core.diffusion.sampling import draw_noise
from core.diffusion.tokens import encode_text, token_positions
from core.diffusion.word_attention import AttentionReweight, AttentionStore
from core.errors import InputError

PROMPT = "a photo of a metal plate with a scratch"


@pytest.fixture(scope="module")
def run(toy: Backbone) -> Callable[..., Tensor]:
    def call(prompt: str = PROMPT, shape: tuple[int, int] = (8, 8), **_: object) -> Tensor:
        with torch.no_grad():
            return predict_noise(toy, draw_noise((1, 4, *shape), torch_generator(0)), 400, encode_text(toy, [prompt]))

    return call


class Open(AttentionController):
    """Idle, but has the probabilities computed in the open."""

    def probs(self, site: AttentionSite, probs: Tensor) -> Tensor:
        return probs


class Fused(AttentionController):
    """Idle, on the fused path."""

    def qkv(self, site: AttentionSite, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return q, k, v

    def out(self, site: AttentionSite, out: Tensor) -> Tensor:
        return out


@pytest.mark.parametrize("idle", [AttentionController, Fused])
def test_idle_controllers_leave_every_bit(
    toy: Backbone, run: Callable[..., Tensor], idle: type[AttentionController]
) -> None:
    before = run()
    with attention_control(toy.unet, idle()):
        assert torch.equal(run(), before)
    assert torch.equal(run(), before)


def test_the_open_path_differs_by_rounding_only(toy: Backbone, run: Callable[..., Tensor]) -> None:
    before = run()
    with attention_control(toy.unet, Open()):
        inside = run()
    assert float((inside - before).abs().max()) < 1e-4 * float(before.abs().max())
    assert torch.equal(run(), before)


def test_restored_after_an_exception(toy: Backbone, run: Callable[..., Tensor]) -> None:
    class Fails(AttentionController):
        def out(self, site: AttentionSite, out: Tensor) -> Tensor:
            raise ZeroDivisionError

    before, processors = run(), [layer.processor for _, layer in attention_layers(toy.unet)]
    with pytest.raises(ZeroDivisionError), attention_control(toy.unet, Fails()):
        run()
    after = [layer.processor for _, layer in attention_layers(toy.unet)]
    assert all(a is b for a, b in zip(after, processors, strict=True))
    assert not toy.unet._forward_pre_hooks
    assert torch.equal(run(), before)


def test_restored_when_a_controller_cannot_be_installed(toy: Backbone) -> None:
    class Undecided(AttentionController):
        def wants(self, site: AttentionSite) -> bool:
            if site.place == "up":
                raise ZeroDivisionError
            return True

    processors = [layer.processor for _, layer in attention_layers(toy.unet)]
    with pytest.raises(ZeroDivisionError), attention_control(toy.unet, Undecided()):
        pass
    assert [layer.processor for _, layer in attention_layers(toy.unet)] == processors


def test_installed_only_where_wanted(toy: Backbone) -> None:
    class Middle(AttentionController):
        def wants(self, site: AttentionSite) -> bool:
            return site.place == "mid" and not site.cross

    before = {name: layer.processor for name, layer in attention_layers(toy.unet)}
    with attention_control(toy.unet, Middle()):
        changed = [name for name, layer in attention_layers(toy.unet) if layer.processor is not before[name]]
    assert len(changed) == 1 and changed[0].startswith("mid_block") and changed[0].endswith("attn1")


@pytest.mark.parametrize("point", ["qkv", "logits", "probs", "out"])
def test_each_point_is_reached_with_the_shapes_it_says(toy: Backbone, run: Callable[..., Tensor], point: str) -> None:
    seen: list[tuple[AttentionSite, tuple[int, ...]]] = []

    def act(self: AttentionController, site: AttentionSite, first: Tensor, *rest: Tensor) -> object:
        seen.append((site, tuple(first.shape)))
        return (first, rest[0], rest[1] * 0) if point == "qkv" else first * 0

    before = run()
    with attention_control(toy.unet, type("Zero", (AttentionController,), {point: act})()):
        assert not torch.allclose(run(), before)
    assert len(seen) == len(attention_layers(toy.unet))
    for site, shape in seen:
        n = site.shape[0] * site.shape[1]
        assert site.shape in ((8, 8), (4, 4)) and shape[0] == 1
        if point == "out":
            assert shape[1] == n
        else:
            assert shape[1:3] == (site.heads, n)
        if point in ("logits", "probs"):
            assert shape[3] == (77 if site.cross else n)


def test_nested_controllers_all_act(toy: Backbone, run: Callable[..., Tensor]) -> None:
    order: list[str] = []

    class Named(AttentionController):
        def __init__(self, name: str) -> None:
            self.name = name

        def wants(self, site: AttentionSite) -> bool:
            return site.place == "mid" and site.cross

        def probs(self, site: AttentionSite, probs: Tensor) -> Tensor:
            order.append(self.name)
            return probs

    before = run()
    with attention_control(toy.unet, Named("outer")):
        with attention_control(toy.unet, Named("first"), Named("second")):
            run()
        run()
    assert order == ["outer", "first", "second", "outer"]
    assert torch.equal(run(), before)


def test_record_averages_maps_that_sum_to_one(toy: Backbone, run: Callable[..., Tensor]) -> None:
    every = AttentionStore()
    with attention_control(toy.unet, every):
        run()
        run()
    maps = every.maps()
    assert maps.shape == (77, 8, 8) and torch.allclose(maps.sum(0), torch.ones(8, 8), atol=1e-5)
    where = token_positions(toy, PROMPT, "scratch")
    coarse = AttentionStore(where, sides=(4,))
    with attention_control(toy.unet, coarse):
        run()
    assert coarse.maps().shape == (1, 4, 4) and float(coarse.maps().min()) > 0
    assert coarse.maps((8, 8)).shape == (1, 8, 8)


def test_record_is_the_mean_over_heads_layers_and_calls(toy: Backbone, run: Callable[..., Tensor]) -> None:
    kept: list[Tensor] = []

    class Keep(AttentionController):
        def wants(self, site: AttentionSite) -> bool:
            return site.cross

        def probs(self, site: AttentionSite, probs: Tensor) -> Tensor:
            if site.shape == (4, 4):
                kept.append(probs.mean(dim=(0, 1)).T.reshape(77, 4, 4))
            return probs

    record = AttentionStore(sides=(4,))
    with attention_control(toy.unet, Keep(), record):
        run()
        run("a dent")
    assert len(kept) > 2
    assert torch.allclose(record.maps(), torch.stack(kept).mean(0), atol=1e-6)


def test_record_looks_at_its_rows_alone(toy: Backbone) -> None:
    x = draw_noise((1, 4, 8, 8), torch_generator(0))
    texts = encode_text(toy, ["", PROMPT])
    second, alone = AttentionStore(rows=slice(1, None)), AttentionStore()
    with attention_control(toy.unet, second):
        predict_noise(toy, torch.cat([x, x]), 400, texts)
    with attention_control(toy.unet, alone):
        predict_noise(toy, x, 400, texts.rows([1]))
    assert torch.allclose(second.maps(), alone.maps(), atol=1e-5)


def test_maps_of_oblong_latents_keep_their_form(toy: Backbone, run: Callable[..., Tensor]) -> None:
    record = AttentionStore(sides=(12,))
    with attention_control(toy.unet, record):
        run(shape=(6, 12))
    assert record.maps().shape == (77, 6, 12)


def test_nothing_recorded_is_said(toy: Backbone, run: Callable[..., Tensor]) -> None:
    record = AttentionStore(sides=(16,))
    with attention_control(toy.unet, record):
        run()
    with pytest.raises(InputError, match="16"):
        record.maps()


@pytest.mark.parametrize("how", ["probs", "logits", "share"])
def test_weight_one_changes_nothing_but_rounding(toy: Backbone, run: Callable[..., Tensor], how: str) -> None:
    before = run()
    with attention_control(toy.unet, AttentionReweight([1, 2], 1.0, how)):  # type: ignore[arg-type]
        assert torch.allclose(run(), before, atol=1e-4 * float(before.abs().max()))


@pytest.mark.parametrize(("how", "total"), [("probs", None), ("share", 1.0)])
def test_more_weight_is_more_attention(
    toy: Backbone, run: Callable[..., Tensor], how: str, total: float | None
) -> None:
    where = token_positions(toy, PROMPT, "scratch")
    shares = []
    for weight in (0.5, 1.0, 4.0):
        record = AttentionStore()
        with attention_control(toy.unet, AttentionReweight(where, weight, how), record):  # type: ignore[arg-type]
            run()
        shares.append(float(record.maps()[list(where)].mean()))
        if total is not None:
            assert torch.allclose(record.maps().sum(0), torch.ones(8, 8), atol=1e-5)
    assert shares == sorted(shares) and shares[2] > 2 * shares[0]


def test_a_map_weights_places(toy: Backbone, run: Callable[..., Tensor]) -> None:
    where, half = token_positions(toy, PROMPT, "scratch"), torch.ones(16, 16)
    half[:, 8:] = 5.0
    plain, heavy = AttentionStore(where, (8,)), AttentionStore(where, (8,))

    class First(AttentionReweight):
        """In the first layer alone, before what it changes shows in others."""

        def wants(self, site: AttentionSite) -> bool:
            return site.name.startswith("down_blocks.0") and site.cross

    plain.wants = heavy.wants = lambda site: site.name.startswith("down_blocks.0") and site.cross  # type: ignore
    with attention_control(toy.unet, plain):
        run()
    with attention_control(toy.unet, First(where, half, "probs"), heavy):
        run()
    ratio = (heavy.maps() / plain.maps())[0]
    assert torch.allclose(ratio[:, :3], torch.ones(8, 3), atol=1e-3)
    assert torch.allclose(ratio[:, 5:], torch.full((8, 3), 5.0), atol=1e-3)


@pytest.mark.parametrize(
    ("config", "levels"),
    [
        ({}, (0, 1, 2, 3)),
        (
            {
                "block_out_channels": (320, 640, 1280),
                "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            },
            (1, 2),
        ),
    ],
    ids=["Stable Diffusion 1.5", "XL"],
)
def test_where_a_model_reads_the_prompt(config: dict[str, Any], levels: tuple[int, ...]) -> None:
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(attention_head_dim=8, **config)
    assert cross_attention_levels(unet) == levels
