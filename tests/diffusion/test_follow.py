"""Prompt-to-prompt control: what is followed, what is left alone, and what comes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from core.diffusion.attention import AttentionController, AttentionSite, attention_control
from core.diffusion.backbone import Backbone, encode_image, predict_noise
from core.diffusion.prompt_to_prompt import (
    AttentionReplace,
    InvertedPhoto,
    PhotoAttention,
    PromptToPromptEdit,
    TokenMap,
    moved,
    read_component_maps,
    read_photo_attention,
)
from core.diffusion.sampling import classifier_free_guidance, invert, make_schedule, sample
from core.diffusion.tokens import encode_text, token_positions, token_spans
from core.diffusion.word_attention import AttentionStore
from core.errors import InputError

CROSS, SELF = AttentionSite("a", True, "down", 2, (4, 4)), AttentionSite("b", False, "down", 2, (4, 4))
PROMPT = "a metal plate with a bolt and a nut"


def probs(rows: int = 3, tokens: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, 2, 16, tokens, generator=torch.Generator().manual_seed(seed)).softmax(dim=-1)


PHOTO = probs(1, seed=9)[0]
STILL = PhotoAttention(tuple(range(6)), {"a": PHOTO})


def follow(*links: TokenMap) -> AttentionReplace:
    return AttentionReplace(links, STILL)


def test_a_linked_word_looks_where_the_other_looks_and_all_still_adds_up() -> None:
    seen = probs()
    out = follow(TokenMap((2,), (InvertedPhoto((4,)),))).probs(CROSS, seen)
    assert torch.equal(out[:-1], seen[:-1])
    assert torch.allclose(out[-1, ..., 2], PHOTO[..., 4], atol=1e-6)
    assert torch.allclose(out.sum(dim=-1), torch.ones(3, 2, 16), atol=1e-5)
    others = [0, 1, 3, 4, 5]
    ratio = out[-1][..., others] / seen[-1][..., others]
    assert torch.allclose(ratio, ratio[..., :1].expand_as(ratio), atol=1e-4)


def test_a_place_that_is_struck_out_gets_none_and_a_copy_goes_where_it_is_moved() -> None:
    seen, keep = probs(), torch.zeros(1, 1, 4, 4)
    keep[..., :2] = 1
    only = follow(TokenMap((2,), (InvertedPhoto((4,), keep),))).probs(CROSS, seen)[-1, ..., 2].reshape(2, 4, 4)
    assert not only[..., 2:].any() and torch.allclose(only[..., :2], PHOTO[..., 4].reshape(2, 4, 4)[..., :2])
    both = follow(TokenMap((2, 3), (InvertedPhoto((4,), keep), InvertedPhoto((4,), keep, (0.25, 0.5))))).probs(
        CROSS, seen
    )
    pair = both[-1, ..., [2, 3]].sum(dim=-1).reshape(2, 4, 4)
    assert torch.allclose(pair, only + moved(only, 1, 2), atol=1e-6)


def test_weights_multiply_and_never_exceed_a_place() -> None:
    seen = probs()
    half = follow(TokenMap((2,), (InvertedPhoto((2,)),), 0.5)).probs(CROSS, seen)
    assert torch.allclose(half[-1, ..., 2], 0.5 * PHOTO[..., 2], atol=1e-6)
    most = follow(TokenMap((2,), (InvertedPhoto((2,)),), 1000.0)).probs(CROSS, seen)
    assert torch.allclose(most[-1, ..., 2], torch.ones(2, 16), atol=1e-4)
    assert torch.allclose(most.sum(dim=-1), torch.ones(3, 2, 16), atol=1e-5)


def test_structure_is_the_photos_only_while_it_is_asked_for() -> None:
    one, seen = follow(), probs(tokens=16)
    assert torch.equal(one.probs(SELF, seen), seen) and torch.equal(one.probs(CROSS, seen), seen)
    one.structure = True
    assert all(torch.equal(row, seen[0]) for row in one.probs(SELF, seen))
    large = AttentionSite("c", False, "down", 2, (32, 32))
    assert torch.equal(one.probs(large, seen), seen)
    one = follow(TokenMap((2,), (InvertedPhoto((4,)),)))
    one.active = False
    assert torch.equal(one.probs(CROSS, seen), seen)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, 0), (-2, 1), (3, -3), (9, 0)])
def test_moving_is_a_roll_without_what_comes_round(down: int, right: int) -> None:
    maps = torch.arange(1.0, 17).reshape(1, 4, 4)
    out, padded = moved(maps, down, right), torch.zeros(1, 28, 28)
    padded[:, 12 + down : 16 + down, 12 + right : 16 + right] = maps
    assert torch.equal(out, padded[:, 12:16, 12:16])


def photo_of(toy: Backbone, plate: np.ndarray) -> tuple[Any, list[torch.Tensor], torch.Tensor, PhotoAttention]:
    """A picture that the toy drew itself, so that the way there is known to the bit."""
    schedule, path = make_schedule(toy.noise_schedule, 5), list[torch.Tensor]()
    text = encode_text(toy, [PROMPT])
    start = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(4))

    def note(x: torch.Tensor, step: Any) -> torch.Tensor:
        path.append(x)
        return x

    path.append(sample(classifier_free_guidance(toy, text), start, schedule, before=[note]))
    words = sorted(token_positions(toy, PROMPT, "bolt") + token_positions(toy, PROMPT, "nut"))
    return schedule, path, text, read_photo_attention(toy, path, text, words, schedule.timesteps[-1])


def run(edit: PromptToPromptEdit, schedule: Any, start: torch.Tensor) -> torch.Tensor:
    before, after = edit.hooks()
    with attention_control(edit.backbone.unet, edit.controller):
        return sample(edit.model, start, schedule, before=before, after=after)


def test_outside_the_region_the_latents_are_the_photos(toy: Backbone, plate: np.ndarray) -> None:
    schedule, path, text, still = photo_of(toy, plate)
    region = torch.zeros(1, 1, 8, 8)
    region[..., 2:5, 3:7] = 1
    links = [TokenMap(token_positions(toy, PROMPT, "bolt"), (InvertedPhoto(token_positions(toy, PROMPT, "nut")),))]
    edit = PromptToPromptEdit(toy, path, still, region, text, text, links)
    out = run(edit, schedule, torch.randn(path[0].shape, generator=torch.Generator().manual_seed(1)))
    outside = region.expand_as(out) == 0
    assert torch.equal(out[outside], path[-1][outside]) and not torch.allclose(out[~outside], path[-1][~outside])
    nothing = run(PromptToPromptEdit(toy, path, still, region * 0, text, text, links), schedule, path[0])
    assert torch.equal(nothing, path[-1])


def test_an_edit_that_follows_nothing_is_the_photo_again(toy: Backbone, plate: np.ndarray) -> None:
    schedule, path, text, still = photo_of(toy, plate)
    edit = PromptToPromptEdit(toy, path, still, torch.ones(1, 1, 8, 8), text, text, [], guidance=1.0, structure=1.0)
    assert torch.allclose(run(edit, schedule, path[0]), path[-1], atol=1e-3)


def test_what_stands_still_is_what_the_last_step_sees(toy: Backbone, plate: np.ndarray) -> None:
    schedule, path, text, still = photo_of(toy, plate)
    at, seen = token_positions(toy, PROMPT, "nut"), AttentionStore(None, (8,))
    with attention_control(toy.unet, seen), torch.no_grad():
        predict_noise(toy, path[-2], schedule.timesteps[-1], text)
    maps = [
        still.total(AttentionSite(name, True, "up", 2, (8, 8)), at)
        for name in still.maps
        if still.maps[name].shape[1] == 64
    ]
    mean = torch.stack([m.mean(dim=0).reshape(8, 8) for m in maps]).mean(dim=0)
    assert torch.allclose(mean, seen.maps()[list(at)].sum(dim=0), atol=2e-3)
    assert still.nbytes == sum(m.numel() * 2 for m in still.maps.values())


def test_the_photo_runs_along_only_while_its_shapes_are_kept(toy: Backbone, plate: np.ndarray) -> None:
    schedule, path, text, still = photo_of(toy, plate)
    rows: list[int] = []

    class Count(AttentionController):
        def wants(self, site: AttentionSite) -> bool:
            return site.cross

        def out(self, site: AttentionSite, out: torch.Tensor) -> torch.Tensor:
            rows.append(len(out))
            return out

    edit = PromptToPromptEdit(toy, path, still, torch.ones(1, 1, 8, 8), text, text, [], structure=0.4)
    with attention_control(toy.unet, Count()):
        run(edit, schedule, path[0])
    calls = rows[:: len(rows) // 5]
    assert calls == [3, 3, 2, 2, 2]


def test_maps_of_components_are_those_of_their_words(toy: Backbone, plate: np.ndarray) -> None:
    schedule, z0 = make_schedule(toy.noise_schedule, 5), encode_image(toy, plate)
    pieces = [("a metal plate with a ", None), ("bolt", 0), (" and a ", None), ("nut", 1)]
    maps = read_component_maps(toy, z0, pieces, schedule)
    assert maps.shape == (2, 8, 8) and float(maps.min()) >= 0 and float(maps.sum(dim=0).max()) <= 1 + 1e-5
    text, t = encode_text(toy, [PROMPT]), schedule.timesteps[-1]
    last = make_schedule(toy.noise_schedule, 5)
    x = invert(classifier_free_guidance(toy, text), z0, type(last)(last.timesteps[-1:], last.levels[-2:]), rounds=1)
    seen = AttentionStore(token_positions(toy, PROMPT, "nut"), (8,))
    with attention_control(toy.unet, seen), torch.no_grad():
        predict_noise(toy, x, t, text)
    assert torch.allclose(maps[1], seen.maps().sum(dim=0), atol=1e-6)
    seen = AttentionStore(token_positions(toy, PROMPT, "nut"), (8,))
    with attention_control(toy.unet, seen), torch.no_grad():
        predict_noise(toy, z0, 0, text)
    exactly = read_component_maps(toy, z0, pieces, None)
    assert torch.allclose(exactly[1], seen.maps().sum(dim=0), atol=1e-6), "without a schedule, the picture itself"
    assert not torch.allclose(exactly, maps)


def test_spans_tell_the_same_word_twice_apart(toy: Backbone) -> None:
    pieces = ["a ", "bolt", " and a ", "bolt"]
    first, second = token_spans(toy, pieces)[1], token_spans(toy, pieces)[3]
    assert token_positions(toy, "".join(pieces), "bolt") == (*first, *second) and set(first).isdisjoint(second)
    with pytest.raises(InputError, match="separate words"):
        token_spans(toy, ["bo", "lt"])
