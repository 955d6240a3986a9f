"""A checkpoint of one file, in the names that Stable Diffusion was first published under."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from core.device import torch_generator
from core.diffusion.backbone import Backbone, decode, encode_image, predict_noise
from core.diffusion.loading import load_backbone
from core.diffusion.sampling import draw_noise
from core.diffusion.tokens import encode_text
from core.errors import Unavailable
from tests.diffusion.single_file import write_single_file
from tests.diffusion.toy import write_sdxl


def put_config(toy_folder: Path, beside: Path) -> None:
    """The folder without its weights: configuration and tokenizer."""
    shutil.copytree(toy_folder, beside, ignore=shutil.ignore_patterns("*.safetensors"))


@pytest.mark.parametrize("ending", [".safetensors", ".ckpt"])
def test_a_single_file_is_the_same_model(
    toy: Backbone, toy_folder: Path, tmp_path: Path, plate: np.ndarray, ending: str
) -> None:
    path = write_single_file(toy, tmp_path / f"model{ending}")
    put_config(toy_folder, tmp_path / "model")
    loaded = load_backbone(str(path), "cpu")
    x, text = draw_noise((1, 4, 8, 8), torch_generator(0)), encode_text(toy, ["a scratch"])
    assert torch.equal(encode_text(loaded, ["a scratch"]).states, text.states)
    with torch.no_grad():
        assert torch.allclose(predict_noise(loaded, x, 77, text), predict_noise(toy, x, 77, text), atol=1e-6)
    assert torch.allclose(encode_image(loaded, plate), encode_image(toy, plate), atol=1e-6)
    assert np.abs(decode(loaded, x)[0].astype(int) - decode(toy, x)[0]).max() <= 1
    for part in ("unet", "vae", "text_encoder"):
        here, there = getattr(loaded, part).state_dict(), getattr(toy, part).state_dict()
        assert here.keys() == there.keys() and all(torch.equal(here[k], there[k]) for k in there)


def test_a_single_file_of_xl_is_the_same_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Diffusers tells the two encoders in a file by their widths.
    folder = write_sdxl(tmp_path / "folder", second=24)
    xl = load_backbone(str(folder), "cpu")
    path = write_single_file(xl, tmp_path / "model.safetensors")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(Unavailable, match="hf download stabilityai/stable-diffusion-xl-base-1.0"):
        load_backbone(str(path), "cpu")
    put_config(folder, tmp_path / "model")
    loaded = load_backbone(str(path), "cpu")
    for part, network in xl.networks.items():
        here, there = loaded.networks[part].state_dict(), network.state_dict()
        assert here.keys() == there.keys() and all(torch.equal(here[k], there[k]) for k in there)
    assert loaded.second_pad_id == xl.second_pad_id and loaded.zero_empty_prompt
    told, same = encode_text(loaded, ["a scratch"]), encode_text(xl, ["a scratch"])
    assert told.pooled is not None and same.pooled is not None and torch.equal(told.pooled, same.pooled)


def test_a_single_file_of_xl_beside_the_configuration_of_another_family_is_told(
    toy_folder: Path, tmp_path: Path
) -> None:
    xl = load_backbone(str(write_sdxl(tmp_path / "folder", second=24)), "cpu")
    path = write_single_file(xl, tmp_path / "model.safetensors")
    put_config(toy_folder, tmp_path / "model")
    with pytest.raises(Unavailable, match="it is Stable Diffusion XL, and .* the configuration of another family"):
        load_backbone(str(path), "cpu")


def test_without_its_configuration_it_says_what_to_fetch(
    toy: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    path = write_single_file(toy, tmp_path / "model.safetensors")
    with pytest.raises(Unavailable, match="no tokenizer") as caught:
        load_backbone(str(path), "cpu")
    assert str(tmp_path / "model") in str(caught.value) and "\n" not in str(caught.value)


def test_of_another_kind_or_broken_is_one_line(toy_folder: Path, tmp_path: Path) -> None:
    put_config(toy_folder, tmp_path / "model")
    vae = (toy_folder / "vae" / "diffusion_pytorch_model.safetensors").read_bytes()
    for broken, words in ((b"", "no safetensors file"), (vae, "holds an autoencoder alone"), (vae[:-9], "is cut off")):
        (tmp_path / "model.safetensors").write_bytes(broken)
        with pytest.raises(Unavailable, match=words) as caught:
            load_backbone(str(tmp_path / "model.safetensors"), "cpu")
        assert "\n" not in str(caught.value)


def test_a_newer_family_in_one_file_is_not_taken_for_stable_diffusion(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "flux.safetensors"
    save_file({"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(Unavailable, match="its first tensor is model.diffusion_model.double_blocks.*give the folder"):
        load_backbone(str(path), "cpu")
