"""From nothing to a model folder at toy size: trained, stopped, gone on, published, loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tools.mini_model import autoencoder, bank, denoiser
from tools.mini_model.publish import publish
from tools.mini_model.sizes import Size, write_tokenizer

pytestmark = pytest.mark.thorough

TOY = Size((8, 8, 8, 16), (16, 16, 32), 1, 32, 1, head=16, text_only_at_32=True)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import CLIPTokenizer

    folder = tmp_path_factory.mktemp("mini")
    write_tokenizer(folder / "tokenizer")
    autoencoder.train(TOY, folder, 3, 2, 4, 64, 0, "cpu")
    model = autoencoder.autoencoder(TOY).eval()
    tokenizer = CLIPTokenizer.from_pretrained(str(folder / "tokenizer"))
    bank.write_shard(folder / "shard000.safetensors", model, tokenizer, 0, 0, 12)
    return folder


def vocabulary(work: Path) -> int:
    return write_tokenizer(work / "tokenizer")


def weights(work: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(work / "denoiser.pt", weights_only=True)["model"]
    return state


def test_a_run_that_stopped_ends_as_one_that_did_not(work: Path, tmp_path: Path) -> None:
    for name in ("once", "twice"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shard000.safetensors").write_bytes((work / "shard000.safetensors").read_bytes())
    denoiser.train(TOY, vocabulary(work), tmp_path / "once", 4, 4, 0, "cpu")
    # The rate falls towards the planned end, so the stop is a copy of the plan's first half.
    whole = denoiser.rate
    try:
        denoiser.rate = lambda step, steps, warm: whole(step, 4, warm)  # type: ignore[attr-defined]
        denoiser.train(TOY, vocabulary(work), tmp_path / "twice", 2, 4, 0, "cpu")
        denoiser.train(TOY, vocabulary(work), tmp_path / "twice", 4, 4, 0, "cpu")
    finally:
        denoiser.rate = whole  # type: ignore[attr-defined]
    one, two = weights(tmp_path / "once"), weights(tmp_path / "twice")
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_what_is_published_loads_with_plain_diffusers_and_here(work: Path, tmp_path: Path) -> None:
    from diffusers import StableDiffusionPipeline

    from core.diffusion.backbone import decode, encode_image
    from core.diffusion.loading import load_backbone

    denoiser.train(TOY, vocabulary(work), work, 2, 4, 0, "cpu")
    size = publish(TOY, work, tmp_path / "mini", {"token_iou": 0.5})
    assert size == sum(f.stat().st_size for f in (tmp_path / "mini").rglob("*") if f.is_file())
    assert "| token_iou | 0.5 |" in (tmp_path / "mini" / "README.md").read_text()
    pipe = StableDiffusionPipeline.from_pretrained(str(tmp_path / "mini"))
    pipe.set_progress_bar_config(disable=True)
    drawn = pipe("a gear unit", num_inference_steps=2, output_type="np", generator=torch.Generator().manual_seed(0))
    assert drawn.images.shape == (1, 256, 256, 3) and np.isfinite(drawn.images).all()
    backbone = load_backbone(str(tmp_path / "mini"), "cpu")
    latents = encode_image(backbone, np.zeros((256, 256, 3), np.uint8))
    assert backbone.noise_schedule.prediction == "v" and decode(backbone, latents)[0].shape == (256, 256, 3)


def test_the_same_words_and_the_loss_falls(work: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    unet, text = denoiser.denoiser(TOY), denoiser.text_encoder(TOY, vocabulary(work))
    shards, alphas = denoiser.Shards(work), denoiser.scheduler().alphas_cumprod
    both = torch.nn.ModuleDict({"unet": unet, "text": text})
    optimiser = denoiser.Pair(*denoiser._sorted(both), 0.01, 1e-3)

    def value(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        return denoiser.losses(unet, text, shards, alphas, shards.scale(), 8, np.random.default_rng(step), "cpu")

    before = sum(float(sum(value(k)).detach()) for k in range(3))
    for step in range(12):
        loss, drawn = value(step)
        (loss + drawn).backward()
        optimiser.step(1.0)
    assert sum(float(sum(value(k)).detach()) for k in range(3)) < before
