"""Stable Diffusion XL and inpainting models: what they read beside the noise, as their own pipelines have it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from core.device import torch_generator
from core.diffusion.backbone import Backbone, encode_image, model_output, predict_noise
from core.diffusion.conditioning import Conditioning
from core.diffusion.inpainting import DrawingSettings, InpaintTask, inpaint, latent_surroundings
from core.diffusion.loading import load_backbone
from core.diffusion.sampling import classifier_free_guidance, draw_noise
from core.diffusion.tokens import (
    Placeholder,
    encode_text,
    initial_vectors,
    padded_ids,
    token_positions,
    with_placeholders,
)
from core.errors import Unavailable
from core.training.spatial_embedding import encode_with_spatial, spatial_word
from core.training.training_samples import TrainingSample, encode_samples
from tests.diffusion.editor_toys import write_sd_inpainting
from tests.diffusion.toy import write_sdxl, write_tokenizer

PROMPT = "a photo of a metal plate with a scratch"


@pytest.fixture(scope="module")
def xl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sdxl(tmp_path_factory.mktemp("models") / "xl")


@pytest.fixture(scope="module")
def xl(xl_folder: Path) -> Backbone:
    return load_backbone(str(xl_folder), "cpu")


@pytest.fixture(scope="module")
def inpainter(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return load_backbone(str(write_sd_inpainting(tmp_path_factory.mktemp("models") / "inpainting")), "cpu")


def test_xl_reads_prompt_and_size_as_diffusers_does(xl: Backbone, xl_folder: Path) -> None:
    from diffusers import StableDiffusionXLPipeline

    pipe = StableDiffusionXLPipeline.from_pretrained(str(xl_folder))
    pipe.set_progress_bar_config(disable=True)
    states, _, pooled, _ = pipe.encode_prompt(PROMPT, device="cpu", do_classifier_free_guidance=False)
    told = encode_text(xl, [PROMPT])
    assert torch.equal(told.states, states) and told.pooled is not None and torch.allclose(told.pooled, pooled)
    sizes = pipe._get_add_time_ids(
        (64, 64), (0, 0), (64, 64), torch.float32, pipe.text_encoder_2.config.projection_dim
    )
    x = draw_noise((1, 4, 8, 8), torch_generator(0))
    added = {"text_embeds": pooled, "time_ids": sizes}
    with torch.no_grad():
        wanted = pipe.unet(x, 321, encoder_hidden_states=states, added_cond_kwargs=added).sample
        assert torch.allclose(predict_noise(xl, x, 321, told), wanted, atol=1e-6)


def test_an_empty_prompt_of_xl_is_zeros_where_it_was_taught_so(xl: Backbone) -> None:
    told = encode_text(xl, ["", PROMPT])
    assert told.pooled is not None
    assert not told.states[0].any() and not told.pooled[0].any() and told.states[1].any() and told.pooled[1].any()
    said = encode_text(replace(xl, zero_empty_prompt=False), [""])
    assert said.pooled is not None and said.states.any() and said.pooled.any()


def test_a_learned_word_reads_in_both_encoders_as_the_word_it_began_with(xl: Backbone) -> None:
    vectors = initial_vectors(xl, "scratch", 1)
    assert vectors.shape == (1, 32)
    with with_placeholders(xl, [Placeholder("<new>", vectors)]) as known:
        told, own = encode_text(known, [PROMPT.replace("scratch", "<new>")]), encode_text(xl, [PROMPT])
        assert token_positions(known, "a <new>", "<new>") == (2,)
    # Also as a whole: the encoder's own pooling would take the highest id, which is the placeholder's.
    assert torch.equal(told.states, own.states)
    assert told.pooled is not None and own.pooled is not None and torch.equal(told.pooled, own.pooled)


def test_a_words_gradient_comes_from_both_encoders(xl: Backbone) -> None:
    vectors = nn.Parameter(initial_vectors(xl, "scratch", 2))
    before = [encoder.get_input_embeddings() for encoder in xl.text_encoders]
    with (
        with_placeholders(xl, [Placeholder("<new>", vectors)]) as known,
        spatial_word(known, "<at>", 2) as (seen, tables),
    ):
        tokens = torch.zeros(1, 2, 32, requires_grad=True)
        told = encode_with_spatial(seen, padded_ids(seen, ["a <new> <at>"]), tables, tokens)
        assert told.pooled is not None
        (told.states.square().mean() + told.pooled.square().mean()).backward()
    for grad in (vectors.grad, tokens.grad):
        assert grad is not None and grad[..., :16].any() and grad[..., 16:].any()
    assert [encoder.get_input_embeddings() for encoder in xl.text_encoders] == before


def test_two_vocabularies_in_one_folder_are_told(xl_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(xl_folder, tmp_path / "xl"))
    shutil.rmtree(folder / "tokenizer_2")
    write_tokenizer(folder / "tokenizer_2", 900)
    with pytest.raises(Unavailable, match="its two tokenizers have different vocabularies"):
        load_backbone(str(folder), "cpu")
    shutil.rmtree(folder / "tokenizer_2")
    with pytest.raises(Unavailable, match="tokenizer_2 is missing"):
        load_backbone(str(folder), "cpu")


def test_an_inpainting_model_sees_the_photo_around_the_mask(inpainter: Backbone, plate: np.ndarray) -> None:
    mask = np.zeros((64, 64), np.bool_)
    mask[16:40, 20:30] = True
    around = latent_surroundings(inpainter, [plate], [mask])
    assert around.shape == (1, 5, 8, 8) and set(around[:, 0].unique().tolist()) == {0.0, 1.0}
    grey = plate.copy()
    grey[mask] = 128
    assert torch.equal(around[:, 1:], encode_image(inpainter, grey))
    x, told = draw_noise((1, 4, 8, 8), torch_generator(0)), encode_text(inpainter, [PROMPT])
    seen = replace(told, surroundings=around)
    with torch.no_grad():
        wanted = inpainter.unet(torch.cat([x, around], 1), 500, encoder_hidden_states=told.states).sample
        assert torch.equal(model_output(inpainter, x, 500, seen), wanted)
        assert not torch.equal(model_output(inpainter, x, 500, told), wanted)
        blank = latent_surroundings(inpainter, [np.full((64, 64, 3), 128, np.uint8)], [np.ones((64, 64), np.bool_)])
        assert torch.equal(
            model_output(inpainter, x, 500, told), model_output(inpainter, x, 500, replace(told, surroundings=blank))
        )


def test_both_halves_of_guidance_see_the_same_photo(inpainter: Backbone, plate: np.ndarray) -> None:
    given: list[torch.Tensor] = []
    watch = inpainter.unet.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    mask = np.zeros((64, 64), np.bool_)
    mask[8:32, 8:32] = True
    try:
        inpaint(inpainter, [InpaintTask(plate, mask, PROMPT, 1)], look=DrawingSettings(steps=2, guidance=3.0))
    finally:
        watch.remove()
    for x in given:
        assert x.shape[:2] == (2, 9) and torch.equal(x[0, 4:], x[1, 4:])
        assert 0 < float(x[0, 4].mean()) < 1
    told = Conditioning.cat([encode_text(inpainter, [PROMPT])])
    model = classifier_free_guidance(inpainter, told, encode_text(inpainter, [""]), 3.0)
    assert model(torch.zeros(1, 4, 8, 8), 500).shape == (1, 4, 8, 8)


def test_an_anomaly_is_learned_from_what_lies_around_it(inpainter: Backbone, toy: Backbone, plate: np.ndarray) -> None:
    mask = np.zeros((64, 64), np.bool_)
    mask[16:40, 20:30] = True
    samples = [TrainingSample(plate, PROMPT, mask), TrainingSample(plate, PROMPT)]
    encoded = encode_samples(inpainter, samples, text_frozen=True)
    assert encoded.surroundings is not None and encoded.surroundings.shape == (2, 5, 8, 8)
    assert torch.equal(encoded.surroundings[:1], latent_surroundings(inpainter, [plate], [mask]))
    assert encoded.surroundings[1, 0].all()
    assert encode_samples(inpainter, samples[1:], text_frozen=True).surroundings is None
    assert encode_samples(toy, samples, text_frozen=True).surroundings is None
