"""The parts that the shipped model's training is made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tools.mini_model import bank, captions, pictures
from tools.mini_model.autoencoder import distance, psnr
from tools.mini_model.denoiser import attention_loss, importance
from tools.mini_model.sizes import SIZES, TOKENS, autoencoder, write_tokenizer
from tools.mini_model.surfaces import surface
from tools.mini_model.training import Average, Muon, rate
from tools.mini_model.words import WORDS


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> object:
    from transformers import CLIPTokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return CLIPTokenizer.from_pretrained(str(folder))


def test_every_word_is_one_token_and_others_are_spelt(tokenizer) -> None:  # type: ignore[no-untyped-def]
    for word in WORDS:
        assert len(tokenizer(word, add_special_tokens=False).input_ids) == 1, word
    assert len(tokenizer("zyxwv", add_special_tokens=False).input_ids) == 5


def test_captions_fit_with_room_for_a_concept(tokenizer) -> None:  # type: ignore[no-untyped-def]
    longest = max(len(tokenizer(e.caption).input_ids) for e in bank.examples(0, 0, 60))
    assert longest + 12 <= TOKENS


def test_an_example_is_the_same_every_time_and_its_words_are_said(tokenizer) -> None:  # type: ignore[no-untyped-def]
    for a, b in zip(bank.examples(3, 1, 12), bank.examples(3, 1, 12), strict=True):
        assert np.array_equal(a.image, b.image) and a.caption == b.caption
        row = tokenizer(a.caption).input_ids
        for word, mask in a.masks.items():
            if mask.any() and " with " in a.caption:
                assert any(i in row for i in captions.spoken(word, tokenizer)), (word, a.caption)


def test_rewording_keeps_what_is_said() -> None:
    caption = "a fastener tray with a bolt, two washers and a cap"
    for seed in range(30):
        said = captions.reworded(caption, np.random.default_rng(seed))
        assert {"a bolt", "two washers", "a cap"} == {w for w in ("a bolt", "two washers", "a cap") if w in said}


def test_a_surface_says_what_was_drawn_on_it() -> None:
    for seed in range(20):
        drawn = surface(np.random.default_rng(seed), 128)
        assert drawn.image.shape == (128, 128, 3) and drawn.image.dtype == np.uint8
        assert all(name in drawn.caption and mask.dtype == np.bool_ for name, mask in drawn.flaws.items())


def test_crops_are_of_every_source_and_in_range() -> None:
    x = pictures.batch(np.random.default_rng(0), 64, 24, each=1)
    assert x.shape == (24, 3, 64, 64) and x.dtype == np.float32 and x.min() >= -1 and x.max() <= 1
    assert np.array_equal(x, pictures.batch(np.random.default_rng(0), 64, 24, each=1))


def test_attention_loss_is_least_where_words_look_at_what_they_name() -> None:
    masks = torch.zeros(1, 2, 16, 16)
    masks[0, 0, :4, :4] = 1
    places = torch.tensor([[3, 0]])
    right = torch.zeros(1, 2, 256, 8)
    inside = masks[0, 0].flatten().bool()
    right[:, :, inside, 3] = 1
    right[:, :, ~inside, 0] = 1
    even = torch.full((1, 2, 256, 8), 1 / 8)
    assert float(attention_loss([right], masks, places)) < 1e-3
    assert float(attention_loss([even], masks, places)) > 0.2
    assert float(attention_loss([even], masks, torch.zeros(1, 2, dtype=torch.int64))) == 0


def test_muon_moves_along_an_orthogonal_matrix() -> None:
    weight = nn.Parameter(torch.zeros(6, 4))
    gradient = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    weight.grad = gradient.clone()
    Muon([weight], lr=1.0, momentum=0.0).step()
    moved = -weight.detach() / (6 / 4) ** 0.5
    singular = torch.linalg.svdvals(moved)
    assert singular.min() > 0.6 and singular.max() < 1.3
    assert float((moved * gradient).sum()) > 0


def test_average_forgets_the_start_and_follows() -> None:
    model = nn.Linear(2, 2)
    average = Average(model, decay=0.9)
    with torch.no_grad():
        model.weight.fill_(5.0)
    for _ in range(200):
        average.update(model)
    assert torch.allclose(average.weights["weight"], torch.full((2, 2), 5.0), atol=1e-3)


def test_rate_warms_up_and_falls() -> None:
    values = [rate(s, 1000, warm=50) for s in range(1000)]
    assert values[0] < values[49] and max(values) <= 1 and values[-1] == 0.01
    assert all(a >= b for a, b in zip(values[50:], values[51:], strict=False))


def test_distance_sees_a_wrong_hue() -> None:
    grey = torch.zeros(1, 3, 32, 32)
    darker, tinted = grey - 0.1, grey.clone()
    tinted[:, 1] += 0.1
    assert float(distance(grey, grey)) == 0
    assert float(distance(tinted, grey)) > float(distance(darker, grey))
    assert psnr(grey + 0.02, grey) == pytest.approx(40, abs=1e-3)


def test_the_autoencoder_starts_nearly_without_noise() -> None:
    torch.manual_seed(0)
    posterior = autoencoder(SIZES["narrow"]).encode(torch.zeros(1, 3, 64, 64)).latent_dist
    assert posterior.mean.shape == (1, 4, 8, 8)
    assert float(posterior.std.detach().mean()) < 0.2


def test_shards_hold_what_was_rendered(tmp_path: Path, tokenizer) -> None:  # type: ignore[no-untyped-def]
    from safetensors.torch import load_file

    torch.manual_seed(0)
    bank.write_shard(tmp_path / "shard000.safetensors", autoencoder(SIZES["narrow"]).eval(), tokenizer, 0, 0, 3)
    parts = load_file(tmp_path / "shard000.safetensors")
    assert parts["latents"].shape == (3, 4, 32, 32) and parts["ids"].shape == (3, TOKENS)
    for row, one in enumerate(bank.examples(0, 0, 3)):
        said = [p for p in parts["places"][row].tolist() if p]
        seen = [w for w, m in one.masks.items() if m.any()]
        assert len(said) <= len(seen) and all(parts["masks"][row, k].any() for k in range(len(said)))


def test_close_views_say_what_is_in_view() -> None:
    rng_of = np.random.default_rng
    for seed in range(12):
        view = bank.close_view(rng_of(seed))
        assert view.image.shape == (256, 256, 3) and "part of a" in view.caption
        for word, mask in view.masks.items():
            assert mask.shape == (256, 256) and mask.any() and word in view.caption


def test_sparse_scenes_lack_most_parts() -> None:
    usual = [len(e.masks) for e in bank.examples(0, 0, 40)]
    sparse = [len(e.masks) for e in bank.examples(0, bank.USUAL, 40)]
    assert np.mean(sparse) < 0.6 * np.mean(usual)


def test_small_named_things_weigh_more() -> None:
    masks = torch.zeros(1, 2, 16, 16)
    masks[0, 0, 0, 0], masks[0, 1, 8:, :] = 1, 1
    weight = importance(masks, 32)
    assert weight.shape == (1, 1, 32, 32) and float(weight.mean()) == pytest.approx(1)
    assert float(weight[0, 0, 0, 0]) > 4 * float(weight[0, 0, 20, 20]) > 4 * float(weight[0, 0, 4, 20])
    assert torch.equal(importance(torch.zeros(1, 2, 16, 16), 32), torch.ones(1, 1, 32, 32))
