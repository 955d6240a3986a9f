"""The mask encoder and the word that stands for its tokens."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.diffusion.backbone import Backbone
from core.diffusion.tokens import (
    Placeholder,
    encode_text,
    initial_vectors,
    padded_ids,
    token_positions,
    with_placeholders,
)
from core.errors import InputError
from core.training.spatial_embedding import (
    ENCODER_SIDES,
    PerPromptEmbedding,
    encode_with_spatial,
    encoder_input,
    load_encoder,
    make_encoder,
    spatial_word,
)


def corner(top: bool, size: int = 100) -> np.ndarray:
    mask = np.zeros((size, size), np.bool_)
    mask[(slice(5, 20) if top else slice(80, 95)), 10:40] = True
    return mask


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["small", "fpn"])
def test_tokens_start_at_words_and_tell_masks_apart_once_learned(kind: str) -> None:
    start = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    encoder = make_encoder(kind, start, 1)  # type: ignore[arg-type]
    masks = torch.cat([encoder_input(encoder.kind, corner(top)) for top in (True, False)])
    assert masks.shape == (2, 1, ENCODER_SIDES[encoder.kind], ENCODER_SIDES[encoder.kind])
    with torch.no_grad():
        tokens = encoder(masks)
    assert tokens.shape == (2, 4, 16)
    assert torch.allclose(tokens, start.expand(2, 4, 16), atol=0.3)
    wanted = torch.stack([start + 1, start - 1])
    optimizer = torch.optim.Adam(encoder.parameters(), lr=3e-3)
    losses = []
    for _ in range(12 if kind == "small" else 3):
        optimizer.zero_grad()
        loss = (encoder(masks) - wanted).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < (0.7 if kind == "small" else 1.0) * losses[0]


def test_an_encoder_comes_back_from_its_tensors_and_its_seed() -> None:
    start = torch.randn(4, 16)
    before = torch.random.get_rng_state()
    one, twin, other = (make_encoder("small", start, seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    mask = encoder_input("small", corner(True))
    assert torch.equal(one(mask), twin(mask)) and not torch.equal(one(mask), other(mask))
    assert torch.equal(load_encoder("small", dict(other.state_dict()))(mask), other(mask))


@pytest.mark.parametrize("shape", [(40, 40), (700, 300), (30, 1000)])
def test_thin_lines_are_seen_at_every_size(shape: tuple[int, int]) -> None:
    mask = np.zeros(shape, np.bool_)
    mask[shape[0] // 2] = True
    seen = encoder_input("small", mask)[0, 0]
    assert set(seen.unique().tolist()) == {0.0, 1.0}
    rows = seen.any(dim=1).nonzero().flatten()
    assert abs(float(rows.float().mean()) - 31.5) <= 1.5
    assert seen.any(dim=0).sum() >= min(64, 64 * shape[1] // max(shape)) - 1


def test_each_prompt_of_a_batch_gets_its_own_tokens(toy: Backbone) -> None:
    own = toy.text_encoder.get_input_embeddings()
    prompt = "a photo of <spot> <where>"
    tokens = torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(0)) * 0.02
    with with_placeholders(toy, [Placeholder("<spot>", initial_vectors(toy, "dent", 2))]) as named:
        with spatial_word(named, "<where>", 3) as (known, table):
            ids = padded_ids(known, [prompt, prompt])
            assert len(token_positions(known, prompt, "<where>")) == 3
            both = encode_with_spatial(known, ids, table, tokens).states
            alone = encode_with_spatial(known, ids[1:], table, tokens[1:]).states
            assert torch.equal(both[1:], alone) and not torch.allclose(both[0], both[1])
            assert torch.equal(encode_with_spatial(known, ids, table, tokens[:1]).states[1], both[0])
            with pytest.raises(InputError, match="encode a mask first"):
                encode_text(known, [prompt])
            plain = encode_text(known, ["a photo of metal"]).states
        fixed = [Placeholder("<where>", tokens[1])]
        with with_placeholders(named, fixed) as same:
            assert torch.allclose(encode_text(same, [prompt]).states, both[1:], atol=1e-6)
    assert toy.text_encoder.get_input_embeddings() is own
    assert torch.equal(plain, encode_text(toy, ["a photo of metal"]).states)


def test_gradients_flow_through_the_text_to_the_encoder(toy: Backbone) -> None:
    encoder = make_encoder("small", initial_vectors(toy, "dent", 4), 0)
    with spatial_word(toy, "<where>", 4) as (known, table):
        tokens = encoder(encoder_input("small", corner(True)))
        encode_with_spatial(known, padded_ids(known, ["a <where>"]), table, tokens).states.square().mean().backward()
    heads = [head.weight.grad for head in encoder.heads]
    assert all(grad is not None and float(grad.abs().max()) > 0 for grad in heads)
    assert all(p.grad is None for p in toy.text_encoder.parameters())


def test_a_row_embedding_extends_any_table() -> None:
    table = PerPromptEmbedding(torch.nn.Embedding(5, 2), 2)
    table.rows = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    out = table(torch.tensor([[0, 5, 6], [6, 1, 5]]))
    assert out[0, 1].tolist() == out[1, 2].tolist() == [1, 2] and out[0, 2].tolist() == out[1, 0].tolist() == [3, 4]
    assert table.num_embeddings == 7 and torch.equal(out[0, 0], table.base(torch.tensor(0)))
