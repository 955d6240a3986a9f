"""Z-Image, a transformer of rectified flow for picture and prompt together, in our own sampling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.device import torch_generator
from core.diffusion.attention import AttentionController, AttentionSite, attention_control, cross_attention_levels
from core.diffusion.backbone import Backbone, decode, encode_image, predict_noise
from core.diffusion.inpainting import DrawingSettings, InpaintTask, inpaint
from core.diffusion.loading import load_backbone
from core.diffusion.prompt_encoding import encode_ids
from core.diffusion.sampling import classifier_free_guidance, draw_noise, invert, make_schedule, sample
from core.diffusion.tokens import (
    Placeholder,
    encode_text,
    initial_vectors,
    padded_ids,
    token_positions,
    token_spans,
    with_placeholders,
)
from core.diffusion.word_attention import AttentionReweight, AttentionStore
from core.errors import InputError
from tests.diffusion.editor_toys import write_editor

PROMPT = "a photo of a metal plate with a scratch"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_editor("z-image", tmp_path_factory.mktemp("models") / "z-image")


@pytest.fixture(scope="module")
def joint(folder: Path) -> Backbone:
    return load_backbone(str(folder), "cpu")


@pytest.fixture(scope="module")
def pipe(folder: Path):  # type: ignore[no-untyped-def]
    from diffusers import ZImagePipeline

    made = ZImagePipeline.from_pretrained(str(folder))
    made.set_progress_bar_config(disable=True)
    return made


def test_it_reads_prompts_as_diffusers_does(joint: Backbone, pipe) -> None:  # type: ignore[no-untyped-def]
    wanted = pipe._encode_prompt([PROMPT, ""], device="cpu")
    told = encode_text(joint, [PROMPT, ""])
    for row, states in enumerate(wanted):
        assert int(told.extras["valid"][row].sum()) == len(states)
        assert torch.allclose(told.states[row, : len(states)], states, atol=1e-5)
        assert not told.states[row, len(states) :].any()


def test_it_draws_what_diffusers_draws(joint: Backbone, pipe) -> None:  # type: ignore[no-untyped-def]
    x = draw_noise((1, 4, 8, 8), torch_generator(0))
    # With two steps the shifted times are whole training steps, 1000 and 750.
    wanted = pipe(PROMPT, 64, 64, 2, guidance_scale=3.0, latents=x.clone(), output_type="latent", return_dict=False)[0]
    # Diffusers adds scale times the difference to the prompt's own; ours to the empty prompt's.
    model = classifier_free_guidance(joint, encode_text(joint, [PROMPT]), None, 4.0)
    found = sample(model, x, make_schedule(joint.noise_schedule, 2))
    assert make_schedule(joint.noise_schedule, 2).timesteps == (999, 749)
    assert torch.allclose(found, wanted, atol=2e-3)


def test_pictures_to_latents_and_back(joint: Backbone, pipe, plate: np.ndarray) -> None:  # type: ignore[no-untyped-def]
    z = encode_image(joint, plate)
    x = torch.tensor(plate.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        assert torch.allclose(z, (pipe.vae.encode(x).latent_dist.mean - 0.1) * 0.4, atol=1e-6)
        back = pipe.vae.decode(z / 0.4 + 0.1).sample
    shown = ((back + 1) * 127.5).round().clamp(0, 255)[0].permute(1, 2, 0).numpy()
    assert np.abs(decode(joint, z)[0] - shown).max() <= 1


def test_a_photo_goes_to_noise_and_comes_back(joint: Backbone, plate: np.ndarray) -> None:
    z, told = encode_image(joint, plate), encode_text(joint, [PROMPT])
    model = classifier_free_guidance(joint, told)
    schedule = make_schedule(joint.noise_schedule, 20)
    back = sample(model, invert(model, z, schedule), schedule)
    assert float((back - z).abs().max()) < 0.02 * float(z.std())


def test_only_the_mask_is_drawn_in(joint: Backbone, plate: np.ndarray) -> None:
    mask = np.zeros((64, 64), np.bool_)
    mask[20:44, 20:44] = True
    (drawn,) = inpaint(joint, [InpaintTask(plate, mask, PROMPT, 1)], look=DrawingSettings(steps=3, guidance=2.0))
    assert np.array_equal(drawn[~mask], plate[~mask]) and not np.array_equal(drawn[mask], plate[mask])


def predicted(joint: Backbone, *controllers: AttentionController, prompts: tuple[str, ...] = (PROMPT,)) -> Tensor:
    x = draw_noise((len(prompts), 4, 8, 8), torch_generator(0))
    with torch.no_grad(), attention_control(joint.unet, *controllers):
        return predict_noise(joint, x, 400, encode_text(joint, prompts))


class Idle(AttentionController):
    """Has everything computed in the open, and changes nothing."""

    def __init__(self) -> None:
        self.seen: list[tuple[bool, tuple[int, ...]]] = []

    def logits(self, site: AttentionSite, logits: Tensor) -> Tensor:
        return logits

    def probs(self, site: AttentionSite, probs: Tensor) -> Tensor:
        assert torch.allclose(probs.sum(dim=-1), torch.ones(()), atol=1e-5)
        self.seen.append((site.cross, tuple(probs.shape)))
        return probs


def test_an_idle_controller_sees_both_kinds_and_changes_nothing(joint: Backbone) -> None:
    prompts, idle = (PROMPT, "a dent"), Idle()
    assert torch.allclose(predicted(joint, idle, prompts=prompts), predicted(joint, prompts=prompts), atol=1e-5)
    longest = int(encode_text(joint, prompts).extras["valid"].sum(dim=1).max())
    assert idle.seen == [(True, (2, 2, 16, longest)), (False, (2, 2, 16, 16))]
    assert cross_attention_levels(joint.unet) == (1,)


def test_where_a_word_looks_and_how_much_it_is_given(joint: Backbone) -> None:
    at = token_positions(joint, PROMPT, "scratch")
    seen, plain = AttentionStore(None), predicted(joint)
    assert torch.allclose(predicted(joint, seen), plain, atol=1e-5)
    maps = seen.maps()
    assert maps.shape[1:] == (4, 4) and torch.allclose(maps.sum(dim=0), torch.ones(4, 4), atol=1e-5)
    stronger, again = AttentionReweight(at, 5.0), AttentionStore(at)
    changed = predicted(joint, stronger, again)
    assert not torch.allclose(changed, plain)
    assert float(again.maps().sum()) > 2 * float(maps[list(at)].sum())
    assert torch.equal(predicted(joint), plain), "as before when the block ends"


def test_what_picture_and_prompt_share_cannot_be_changed_of_either_alone(joint: Backbone) -> None:
    class Keys(AttentionController):
        def qkv(self, site: AttentionSite, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return q, k, v

    with pytest.raises(InputError, match="picture and prompt are one sequence in this model, so qkv of either alone"):
        predicted(joint, Keys())


def test_words_are_found_in_the_question(joint: Backbone) -> None:
    ids = padded_ids(joint, [PROMPT])[0]
    for word in ("scratch", "plate", "metal plate"):
        at = token_positions(joint, PROMPT, word)
        assert joint.tokenizer.decode(ids[list(at)]).strip() == word
    pieces = ["a metal plate with ", "a bolt", ", ", "a nut", " and two washers"]
    spans = token_spans(joint, pieces)
    ids = padded_ids(joint, ["".join(pieces)])[0]
    assert [joint.tokenizer.decode(ids[list(at)]).strip() for at in spans] == [piece.strip() for piece in pieces]


def test_a_learned_word_reads_as_the_one_it_began_with_and_takes_gradients(joint: Backbone) -> None:
    vectors = nn.Parameter(initial_vectors(joint, "scratch", 7))
    with with_placeholders(joint, [Placeholder("<new>", vectors)]) as known:
        ids = padded_ids(known, ["a <new>"])
        told = encode_text(known, ["a <new>"])
        encode_ids(known, ids).states.square().mean().backward()
    assert vectors.grad is not None and vectors.grad.any()
    assert told.states.shape == (1, 512, 16)
