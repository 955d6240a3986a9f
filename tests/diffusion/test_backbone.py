"""Finding a model, loading it, and what comes out of its parts."""

from __future__ import annotations

import json
import pickle
import shutil
import threading
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.device import torch_generator
from core.diffusion.backbone import (
    Backbone,
    decode,
    encode_image,
    exclusive,
    model_output,
    predict_noise,
)
from core.diffusion.conditioning import Conditioning
from core.diffusion.loading import forget_backbones, load_backbone
from core.diffusion.model_sources import KNOWN_MODELS, locate, present_folder
from core.diffusion.noise_schedule import VariancePreserving
from core.diffusion.sampling import draw_noise
from core.diffusion.tokens import encode_text
from core.errors import Cancelled, InputError, Unavailable
from core.weights import models_dir
from tests.diffusion.editor_toys import WRITERS
from tests.diffusion.toy import write_sdxl, write_toy


@pytest.fixture
def copy(toy_folder: Path, tmp_path: Path) -> Path:
    """A copy of the toy to be damaged."""
    return Path(shutil.copytree(toy_folder, tmp_path / "copy"))


def parts_as(copy: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    """The UNet's weights as an old-style pickle of what ``change`` makes of them."""
    from safetensors.torch import load_file

    safe = copy / "unet" / "diffusion_pytorch_model.safetensors"
    old = safe.with_suffix(".bin")
    torch.save(change(load_file(safe)), old)
    safe.unlink()
    return old


class Malice:
    """Runs when it is unpickled by a reader that trusts."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("pwned"),))


def test_what_the_toy_is(toy: Backbone) -> None:
    assert (toy.vae_scale_factor, toy.side, toy.multiple, toy.channels, toy.max_tokens) == (8, 64, 16, 4, 77)
    assert (
        toy.vae_scaling_factor == 0.18215 and toy.noise_schedule.prediction == "epsilon" and toy.dtype == torch.float32
    )
    a = torch.tensor([toy.noise_schedule.level(t).signal for t in range(len(toy.noise_schedule))], dtype=torch.float64)
    assert a.shape == (1000,) and bool((a[1:] < a[:-1]).all())
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    assert torch.allclose(a, (1 - betas).cumprod(0), rtol=1e-4)


def test_diffusers_loads_it_and_gives_the_same_noise(toy: Backbone, toy_folder: Path) -> None:
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import logging

    logging.disable_progress_bar()
    pipe = StableDiffusionPipeline.from_pretrained(str(toy_folder))
    prompt = "a photo of a metal plate with a scratch"
    text = pipe.encode_prompt(prompt, torch.device("cpu"), 1, False)[0]
    conditioning = encode_text(toy, [prompt])
    assert torch.equal(conditioning.states, text) and conditioning.pooled is None
    x = draw_noise((1, 4, 8, 8), torch_generator(0))
    with torch.no_grad():
        assert torch.equal(
            predict_noise(toy, x, 321, conditioning), pipe.unet(x, 321, encoder_hidden_states=text).sample
        )


def test_images_to_latents_and_back(toy: Backbone, plate: np.ndarray) -> None:
    z = encode_image(toy, plate)
    assert z.shape == (1, 4, 8, 8) and z.dtype == torch.float32
    assert torch.equal(z, encode_image(toy, plate))
    drawn = encode_image(toy, plate, torch_generator(0))
    assert not torch.equal(z, drawn) and torch.equal(drawn, encode_image(toy, plate, torch_generator(0)))
    with torch.no_grad():
        x = torch.tensor(plate.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        assert torch.allclose(z, toy.vae.encode(x).latent_dist.mean * 0.18215)
    pictures = decode(toy, torch.cat([z, z]))
    assert [p.shape for p in pictures] == [(64, 64, 3)] * 2 and pictures[0].dtype == np.uint8
    assert np.array_equal(pictures[0], pictures[1])
    with pytest.raises(InputError, match="multiples of 8"):
        encode_image(toy, plate[:60])


@pytest.mark.parametrize(("kind", "advice"), [(torch.float32, "verify"), (torch.float16, "FLAWSMITH_DTYPE=bfloat16")])
def test_what_is_not_finite_is_told_and_never_a_black_picture(toy: Backbone, kind: torch.dtype, advice: str) -> None:
    latents = torch.zeros(1, toy.channels, 8, 8)
    latents[0, 0, 0, 0] = torch.nan
    with pytest.raises(InputError, match=f"toy: expected finite numbers, it drew NaN.*{advice}"):
        decode(replace(toy, dtype=kind), latents)


def test_an_autoencoder_that_overflows_in_half_precision_works_in_float32(toy: Backbone, plate: np.ndarray) -> None:
    half = replace(toy, vae=deepcopy(toy.vae).to(torch.bfloat16), dtype=torch.bfloat16)

    def overflow(module: torch.nn.Module, given: object, found: torch.Tensor) -> torch.Tensor:
        return found if found.dtype == torch.float32 else found * torch.inf

    half.vae.decoder.conv_in.register_forward_hook(overflow)
    half.vae.encoder.conv_in.register_forward_hook(overflow)
    latents = encode_image(half, plate)
    assert torch.isfinite(latents).all()
    (picture,) = decode(half, latents)
    (wanted,) = decode(toy, encode_image(toy, plate))
    assert np.abs(picture.astype(int) - wanted).mean() < 2  # weights that were bfloat16 have lost some digits
    assert next(half.vae.parameters()).dtype == torch.bfloat16  # as it was


@pytest.mark.parametrize("prediction", ["v", "x0"])
def test_any_prediction_becomes_noise(toy: Backbone, prediction: str) -> None:
    """A model that predicts perfectly gives the noise, whatever it predicts."""
    alphas = torch.linspace(0.999, 0.004, 1000, dtype=torch.float64)
    schedule = VariancePreserving(alphas, prediction)  # type: ignore[arg-type]
    x0, noise = torch.randn(2, 2, 4, 8, 8, generator=torch_generator(1))
    t = torch.tensor([10, 700])
    perfect = schedule.training_target(x0, noise, t)

    class Perfect(torch.nn.Module):
        config = toy.unet.config
        weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, *_: object, **__: object) -> object:
            return type("Out", (), {"sample": perfect})

    named = replace(toy, unet=Perfect(), noise_schedule=schedule)
    found = predict_noise(named, schedule.add_noise(x0, noise, t), t, Conditioning(torch.zeros(2, 77, 16)))
    assert torch.allclose(found, noise, atol=2e-4)


def test_a_velocity_model_loads_as_one(tmp_path: Path) -> None:
    loaded = load_backbone(str(write_toy(tmp_path / "v", "v_prediction")), "cpu")
    x, text = draw_noise((1, 4, 8, 8), torch_generator(0)), encode_text(loaded, [""])
    a = loaded.noise_schedule.level(500).signal
    with torch.no_grad():
        v = model_output(loaded, x, 500, text)
        assert loaded.noise_schedule.prediction == "v"
        assert torch.allclose(predict_noise(loaded, x, 500, text), a**0.5 * v + (1 - a) ** 0.5 * x, atol=1e-6)


def test_a_model_of_another_family_is_told_as_one_and_not_as_a_broken_one(tmp_path: Path) -> None:
    folder = WRITERS["sd3"](tmp_path / "sd3")
    with pytest.raises(Unavailable, match="it is Stable Diffusion 3, which only") as caught:
        load_backbone(str(folder), "cpu")
    assert "fetch" not in str(caught.value) and "\n" not in str(caught.value)
    (folder / "model_index.json").write_text("{}")
    with pytest.raises(Unavailable, match="expected the name of a pipeline under _class_name"):
        load_backbone(str(folder), "cpu")
    other = tmp_path / "other"
    other.mkdir()
    (other / "model_index.json").write_text('{"_class_name": "SanaPipeline", "transformer": ["diffusers", "T"]}')
    with pytest.raises(Unavailable, match="it is a SanaPipeline, a family that is not known"):
        locate(str(other))


def test_folders_of_different_models_are_still_told(copy: Path, tmp_path: Path) -> None:
    write_sdxl(tmp_path / "xl")
    shutil.rmtree(copy / "unet")
    shutil.copytree(tmp_path / "xl" / "unet", copy / "unet")
    with pytest.raises(Unavailable, match="of different models"):
        load_backbone(str(copy), "cpu")


def test_a_unet_that_reads_pooled_prompts_and_sizes_is_told_them(toy: Backbone, tmp_path: Path) -> None:
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel.from_pretrained(str(write_sdxl(tmp_path / "xl") / "unet")).eval()
    x, states, pooled = torch.randn(2, 4, 8, 8), torch.randn(2, 7, 32), torch.randn(2, 16)
    sizes = torch.tensor([[64.0, 64, 0, 0, 64, 64]]).repeat(2, 1)
    told = Conditioning(states, pooled, {"time_ids": sizes})
    with torch.no_grad():
        own = unet(x, 300, states, added_cond_kwargs={"text_embeds": pooled, "time_ids": sizes}).sample
        assert torch.equal(model_output(replace(toy, unet=unet), x, 300, told), own)


def test_a_prediction_that_nobody_knows_is_told(copy: Path) -> None:
    config = copy / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"prediction_type": "flow_prediction"}))
    with pytest.raises(Unavailable, match="predicts 'flow_prediction'; expected epsilon, v_prediction, sample"):
        load_backbone(str(copy), "cpu")


@pytest.mark.thorough
def test_models_are_kept_warm_until_they_change(copy: Path) -> None:
    first = load_backbone(str(copy), "cpu")
    assert load_backbone(str(copy), "cpu") is first
    assert load_backbone(str(copy), "cpu", dtype="bfloat16").dtype == torch.bfloat16
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    weights.touch()
    assert load_backbone(str(copy), "cpu") is not first
    again = load_backbone(str(copy), "cpu")
    forget_backbones()
    assert load_backbone(str(copy), "cpu") is not again


def test_saving_memory_changes_nothing_but_rounding(toy: Backbone, toy_folder: Path) -> None:
    x, text = draw_noise((1, 4, 8, 8), torch_generator(0)), encode_text(toy, ["a dent"])
    for memory in ("slicing", "offload"):
        spare = load_backbone(str(toy_folder), "cpu", memory=memory)  # type: ignore[arg-type]
        with torch.no_grad():
            assert torch.allclose(predict_noise(spare, x, 300, text), predict_noise(toy, x, 300, text), atol=1e-5)
        assert np.abs(decode(spare, x)[0].astype(int) - decode(toy, x)[0]).max() <= 1


def test_half_precision_files_of_the_hub_are_found(copy: Path, toy: Backbone) -> None:
    for weights in [*copy.glob("*/diffusion_pytorch_model.safetensors"), copy / "text_encoder" / "model.safetensors"]:
        weights.rename(weights.with_name(weights.name.replace(".safetensors", ".fp16.safetensors")))
    loaded = load_backbone(str(copy), "cpu")
    assert torch.equal(encode_text(loaded, ["a bolt"]).states, encode_text(toy, ["a bolt"]).states)


def test_a_plain_pickle_is_read_and_one_that_runs_is_refused(
    copy: Path, toy: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old = parts_as(copy, lambda weights: weights)
    x, text = draw_noise((1, 4, 8, 8), torch_generator(0)), encode_text(toy, [""])
    with torch.no_grad():
        assert torch.equal(predict_noise(load_backbone(str(copy), "cpu"), x, 9, text), predict_noise(toy, x, 9, text))
    with old.open("wb") as file:
        pickle.dump({"weight": Malice()}, file, protocol=2)
    with pytest.raises(Unavailable, match="refused"):
        load_backbone(str(copy), "cpu")
    assert not Path("pwned").exists()


def damaged_unet(copy: Path) -> None:
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def without_vae(copy: Path) -> None:
    shutil.rmtree(copy / "vae")


def without_weights(copy: Path) -> None:
    (copy / "vae" / "diffusion_pytorch_model.safetensors").unlink()


def upscaling(copy: Path) -> None:
    config = json.loads((copy / "unet" / "config.json").read_text())
    from diffusers import UNet2DConditionModel

    shutil.rmtree(copy / "unet")
    UNet2DConditionModel.from_config(config | {"in_channels": 7}).save_pretrained(copy / "unet")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damaged_unet, "it is cut off"),
        (without_vae, "vae is missing"),
        (without_weights, "no weights"),
        (upscaling, "reads 7 channels and its VAE gives 4; use a text-to-image or inpainting model"),
    ],
)
def test_a_damaged_model_is_one_clear_line(copy: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(copy)
    with pytest.raises(Unavailable, match=words) as caught:
        load_backbone(str(copy), "cpu")
    assert "\n" not in str(caught.value) and str(copy) in str(caught.value)


def test_nothing_there_says_what_to_fetch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FLAWSMITH_BACKBONE", raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("core.diffusion.model_sources.SHIPPED", tmp_path)
    for wanted in ("auto", "sd15"):
        with pytest.raises(Unavailable, match=r"2\.1 GB, CreativeML") as caught:
            locate(wanted)
        assert str(models_dir()) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(Unavailable, match="hf download some/model"):
        locate("some/model")
    with pytest.raises(Unavailable, match="no such file"):
        locate(str(tmp_path / "x.safetensors"))
    with pytest.raises(InputError, match="diffusers' layout"):
        locate("nonsense")
    for impossible in ("x" * 5000, "~nobody_here/x", "a\0b"):
        with pytest.raises(InputError, match="can't be a path|diffusers' layout"):
            locate(impossible)


def test_where_models_are_looked_for(toy_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FLAWSMITH_BACKBONE", raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("FLAWSMITH_MODELS", str(tmp_path / "mine"))
    monkeypatch.setattr("core.diffusion.model_sources.SHIPPED", tmp_path / "shipped")
    shutil.copytree(toy_folder, tmp_path / "shipped" / "mini")
    assert locate().name == "mini"
    shutil.copytree(toy_folder, tmp_path / "hub" / "models--who--what" / "snapshots" / "abc")
    assert locate("who/what").path.name == "abc"
    shutil.copytree(toy_folder, tmp_path / "mine" / KNOWN_MODELS["sd15"].folder)
    assert (
        locate().name == "sd15"
        and present_folder(KNOWN_MODELS["sd15"]) == tmp_path / "mine" / KNOWN_MODELS["sd15"].folder
    )
    assert locate("mini").path == tmp_path / "shipped" / "mini"
    monkeypatch.setenv("FLAWSMITH_BACKBONE", str(toy_folder))
    assert locate().path == toy_folder


def test_one_job_at_a_time_has_the_model(toy: Backbone) -> None:
    outcome: list[str] = []

    def other() -> None:
        try:
            with exclusive(toy, lambda: True):
                outcome.append("in")
        except Cancelled:
            outcome.append("stopped")

    with exclusive(toy), exclusive(toy):
        waiting = threading.Thread(target=other)
        waiting.start()
        waiting.join()
    with exclusive(toy, lambda: True):
        outcome.append("free")
    assert outcome == ["stopped", "free"]
