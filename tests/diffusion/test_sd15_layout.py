"""Every path on Stable Diffusion 1.5's own configuration, with random weights: the real ones are then a setting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from core.diffusion.attention import attention_control, attention_layers
from core.diffusion.backbone import Backbone, encode_image
from core.diffusion.inpainting import DrawingSettings, InpaintingHooks, InpaintTask, inpaint
from core.diffusion.loading import forget_backbones, load_backbone
from core.diffusion.model_crop import CropSettings
from core.diffusion.sampling import classifier_free_guidance, invert, make_schedule, sample
from core.diffusion.tokens import Placeholder, encode_text, initial_vectors, token_positions, with_placeholders
from core.diffusion.word_attention import AttentionReweight, AttentionStore
from core.training.loop import Trainable, TrainingPlan, prompt_conditioning, train
from core.training.training_samples import TrainingSample, encode_samples
from tests.diffusion.toy import write_sd15

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def sd15(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backbone]:
    folder: Path = write_sd15(tmp_path_factory.mktemp("models") / "sd15")
    yield load_backbone(str(folder), "cpu")
    forget_backbones()


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.random.default_rng(0).normal(128, 20, (128, 128, 3)).clip(0, 255).astype(np.uint8)


def test_it_is_of_that_size(sd15: Backbone) -> None:
    assert (sd15.side, sd15.multiple, sd15.vae_scale_factor, sd15.max_tokens) == (512, 64, 8, 77)
    assert sum(p.numel() for p in sd15.unet.parameters()) == 859_520_964
    assert len(sd15.tokenizer) == 49408 and encode_text(sd15, ["a scratch"]).states.shape == (1, 77, 768)
    assert len(attention_layers(sd15.unet)) == 32


def test_inpainting_with_controllers(sd15: Backbone, photo: np.ndarray) -> None:
    mask = np.zeros((128, 128), np.bool_)
    mask[40:70, 50:90] = True
    words = token_positions(sd15, "a scratch", "scratch")
    record = AttentionStore(words, sides=(16, 8), rows=slice(-1, None))
    (out,) = inpaint(
        sd15,
        [InpaintTask(photo, mask, "a scratch", 0)],
        look=DrawingSettings(steps=2, guidance=3.0, method="dpmpp_2m"),
        frame=CropSettings(side=128),
        guide=lambda scene: InpaintingHooks(controllers=[AttentionReweight(words, 2.0), record]),
    )
    assert np.array_equal(out[~mask], photo[~mask]) and not np.array_equal(out, photo)
    assert record.maps().shape == (len(words), 16, 16)


def test_inversion_and_back(sd15: Backbone, photo: np.ndarray) -> None:
    z0, schedule = encode_image(sd15, photo), make_schedule(sd15.noise_schedule, 3)
    model = classifier_free_guidance(sd15, encode_text(sd15, [""]))
    before = model(z0, 500)
    with attention_control(sd15.unet, AttentionStore()):
        noise = invert(model, z0, schedule, rounds=3)
    assert torch.equal(model(z0, 500), before) and bool(sample(model, noise, schedule).isfinite().all())


def test_a_placeholder_learns(sd15: Backbone, photo: np.ndarray) -> None:
    vectors = nn.Parameter(initial_vectors(sd15, "damage", 4))
    start = vectors.detach().clone()
    with with_placeholders(sd15, [Placeholder("<new>", vectors)]) as known:
        samples = encode_samples(known, [TrainingSample(photo, "a <new>")], text_frozen=False)
        trainable = Trainable(known, {"<new>": vectors}, prompt_conditioning(known))
        trained = train(trainable, samples, TrainingPlan(steps=1, batch=1))
    assert trained.steps == 1 and not torch.equal(vectors.detach(), start)
