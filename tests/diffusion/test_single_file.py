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
