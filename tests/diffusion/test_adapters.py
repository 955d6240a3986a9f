"""LoRA and textual-inversion files of other tools: told by their tensors, and put on a model for a drawing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from app.cli import run
from core.diffusion.adapter_files import AdapterFile, find_adapter, read_adapter
from core.diffusion.adapters import adapted, lora_on, word_of
from core.diffusion.backbone import Backbone, predict_noise
from core.diffusion.editor.families import find_editor
from core.diffusion.editor.loading import load_editor
from core.diffusion.model_sources import find_model
from core.diffusion.tokens import encode_text
from core.engines.api import Context
from core.engines.registry import engine
from core.errors import InputError, Unavailable
from core.types import NormalImage, Request, Sample
from tests.diffusion.editor_toys import write_editor

RANK = 4
CROSS = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
TEXT = "encoder.layers.0.self_attn.q_proj"
Tensors = dict[str, torch.Tensor]


def pair(out: int, into: int, names: tuple[str, str], module: str, seed: int = 0) -> Tensors:
    drawn = torch.randn(out + into, RANK, generator=torch.Generator().manual_seed(seed))
    return {f"{module}.{names[0]}": drawn[:into].T.contiguous(), f"{module}.{names[1]}": drawn[into:].contiguous()}


def kohya(module: str, out: int, into: int, network: str = "unet") -> Tensors:
    name = f"lora_{network}_{module.replace('.', '_')}"
    return pair(out, into, ("lora_down.weight", "lora_up.weight"), name) | {f"{name}.alpha": torch.tensor(float(RANK))}


def diffusers(module: str, out: int, into: int, network: str = "unet") -> Tensors:
    return pair(out, into, ("lora_A.weight", "lora_B.weight"), f"{network}.{module}")


def peft(module: str, out: int, into: int) -> Tensors:
    return pair(out, into, ("lora_A.weight", "lora_B.weight"), f"base_model.model.{module}")


def saved(path: Path, tensors: Mapping[str, torch.Tensor]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(dict(tensors), path)
    return path


def read(path: Path) -> AdapterFile:
    found = read_adapter(path)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("tensors", "layout", "of_model"),
    [
        (kohya(CROSS, 320, 768), "kohya", "Stable Diffusion 1.5"),
        (kohya(CROSS.replace("0.attn2", "1.attn2"), 640, 2048), "kohya", "Stable Diffusion XL"),
        (diffusers(CROSS, 320, 1024), "diffusers", "Stable Diffusion 2"),
        (peft(CROSS, 320, 768), "PEFT", "Stable Diffusion 1.5"),
        (kohya("double_blocks_0_img_attn_qkv", 9216, 3072), "kohya", "FLUX.1"),
        (diffusers("single_transformer_blocks.0.attn.to_q", 3072, 3072, "transformer"), "diffusers", "FLUX.1"),
        (diffusers("single_transformer_blocks.0.attn.to_qkv_mlp_proj", 27648, 3072, "transformer"), "diffusers",
         "FLUX.2"),
        (pair(27648, 3072, ("lora_A.weight", "lora_B.weight"), "diffusion_model.single_blocks.0.linear1"), "ComfyUI",
         "FLUX.2"),
        (pair(21504, 3072, ("lora_A.weight", "lora_B.weight"), "diffusion_model.single_blocks.0.linear1"), "ComfyUI",
         "FLUX.1"),
        (pair(3840, 3840, ("lora_A.weight", "lora_B.weight"), "diffusion_model.layers.0.attention.to_q"), "ComfyUI",
         "Z-Image"),
        (diffusers("transformer_blocks.0.img_mlp.net.2", 3072, 12288, "transformer"), "diffusers", "Qwen-Image"),
        ({"emb_params": torch.zeros(3, 768)}, "embedding", "Stable Diffusion 1.5"),
        ({"<scratch>": torch.zeros(1024)}, "embedding", "Stable Diffusion 2"),
        ({"clip_l": torch.zeros(2, 768), "clip_g": torch.zeros(2, 1280)}, "embedding", "Stable Diffusion XL"),
    ],
)  # fmt: skip
def test_a_file_is_told_by_its_tensors(tmp_path: Path, tensors: Tensors, layout: str, of_model: str) -> None:
    found = read(saved(tmp_path / "some.safetensors", tensors))
    assert (found.layout, found.of_model) == (layout, of_model)
    assert found.kind == ("textual inversion" if layout == "embedding" else "LoRA")


def test_what_is_no_adapter_is_none(tmp_path: Path) -> None:
    assert read_adapter(saved(tmp_path / "model.safetensors", {"conv_in.weight": torch.zeros(4, 4, 3, 3)})) is None
    assert read_adapter(saved(tmp_path / "lone.safetensors", {"a.lora_A.weight": torch.zeros(4, 4)})) is None
    with pytest.raises(Unavailable, match="neither; give another file"):
        find_adapter(str(tmp_path / "model.safetensors"))
    with pytest.raises(InputError, match="there is no such file"):
        find_adapter("nothing")


def test_given_as_a_model_it_is_named_for_what_it_is(tmp_path: Path) -> None:
    path = saved(tmp_path / "style.safetensors", kohya(CROSS, 320, 768))
    with pytest.raises(Unavailable, match=r"it is a LoRA for Stable Diffusion 1\.5, no model; name it in the setting"):
        find_model(str(path))
    saved(tmp_path / "folder" / "pytorch_lora_weights.safetensors", kohya(CROSS, 320, 768))
    with pytest.raises(Unavailable, match="it is a LoRA"):
        find_model(str(tmp_path / "folder"))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(Unavailable, match="it is cut off"):
        find_model(str(path))


def both_layouts(tmp_path: Path) -> list[Path]:
    """One LoRA of the toy U-Net, in the names of three tools."""
    folder = tmp_path / "peft"
    saved(folder / "adapter_model.safetensors", peft(CROSS, 16, 16))
    (folder / "adapter_config.json").write_text(json.dumps({"r": RANK, "lora_alpha": RANK}))
    return [
        saved(tmp_path / "kohya.safetensors", kohya(CROSS, 16, 16)),
        saved(tmp_path / "diffusers.safetensors", diffusers(CROSS, 16, 16)),
        folder,
    ]


def test_the_same_lora_of_three_tools_acts_the_same_and_leaves_no_trace(toy: Backbone, tmp_path: Path) -> None:
    x, text = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)), encode_text(toy, ["a scratch"])
    before = {name: value.clone() for name, value in toy.unet.state_dict().items()}
    plain = predict_noise(toy, x, 500, text)
    seen = []
    for path in both_layouts(tmp_path):
        with lora_on(toy, read(path), 1.0):
            seen.append(predict_noise(toy, x, 500, text))
        with lora_on(toy, read(path), 0.0):
            assert torch.equal(predict_noise(toy, x, 500, text), plain)
    assert all(torch.equal(one, seen[0]) for one in seen) and not torch.allclose(seen[0], plain, atol=1e-4)
    after = toy.unet.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)
    assert torch.equal(predict_noise(toy, x, 500, text), plain)


def test_a_failure_within_leaves_no_trace(toy: Backbone, tmp_path: Path) -> None:
    path = both_layouts(tmp_path)[0]
    with pytest.raises(RuntimeError, match="stop"), lora_on(toy, read(path), 1.0):
        raise RuntimeError("stop")
    assert not any("lora" in name for name in toy.unet.state_dict())


def test_a_learned_word_of_another_tool_is_understood(toy: Backbone, tmp_path: Path) -> None:
    word = read(saved(tmp_path / "My Dent.safetensors", {"emb_params": torch.randn(2, 16)}))
    assert word_of(word) == "<my_dent>"
    with adapted(toy, word, 1.0) as known:
        assert not torch.equal(encode_text(known, ["a <my_dent>"]).states, encode_text(toy, ["a "]).states)
    with pytest.raises(InputError, match="<my_dent> is not loaded"):
        encode_text(toy, ["a <my_dent>"])


def make(model: Path, **params: object) -> Sample:
    pixels = np.random.default_rng(0).normal((130, 120, 100), 8, (96, 96, 3)).clip(0, 255).astype(np.uint8)
    mask = np.zeros(pixels.shape[:2], np.bool_)
    mask[30:60, 30:70] = True
    request = Request(
        normal=NormalImage("n", "part.png", pixels), seed=1, label="scratch", mask=mask,
        params={"steps": 2, "guidance": 2.0, "side": 64, "backbone": str(model), **params},
    )  # fmt: skip
    return next(engine("inpaint").generate(request, Context(device="cpu")))


def test_inpaint_draws_with_adapters(toy_folder: Path, tmp_path: Path) -> None:
    plain = make(toy_folder).image
    lora = both_layouts(tmp_path)[0]
    assert not np.array_equal(make(toy_folder, adapter=str(lora)).image, plain)
    assert np.array_equal(make(toy_folder, adapter=str(lora), adapter_weight=0.0).image, plain)
    word = saved(tmp_path / "word.safetensors", {"emb_params": torch.randn(2, 16)})
    assert not np.array_equal(make(toy_folder, adapter=str(word)).image, plain)
    few = saved(tmp_path / "hyper-8steps-lora.safetensors", kohya(CROSS, 16, 16))
    recipe = make(toy_folder, adapter=str(few), steps=0, guidance=0.0).recipe
    assert (recipe.params["steps"], recipe.params["guidance"]) == (8, 1.0)
    other = saved(tmp_path / "xl.safetensors", kohya(CROSS, 320, 2048))
    with pytest.raises(
        InputError, match=r"it is a LoRA for Stable Diffusion XL, and .* reads text of width 16; choose"
    ):
        make(toy_folder, adapter=str(other))
    nothing = saved(
        tmp_path / "no.safetensors", kohya("down_blocks.9.attentions.7.transformer_blocks.0.attn2.to_k", 16, 16)
    )
    with pytest.raises(InputError, match="none of its tensors belongs to this model|it cannot be put on this model"):
        make(toy_folder, adapter=str(nothing))


LORAS: dict[str, Tensors] = {
    "sdxl": diffusers("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k", 32, 32),
    "sd-inpainting": kohya(CROSS, 16, 16),
    "sd3": diffusers("transformer_blocks.0.attn.to_q", 32, 32, "transformer"),
    "flux": diffusers("single_transformer_blocks.0.attn.to_q", 32, 32, "transformer"),
    "flux-kontext": diffusers("single_transformer_blocks.0.attn.to_q", 32, 32, "transformer"),
    "flux2-klein": diffusers("single_transformer_blocks.0.attn.to_qkv_mlp_proj", 288, 32, "transformer"),
    "qwen-image": diffusers("transformer_blocks.0.img_mlp.net.0.proj", 128, 32, "transformer"),
    "z-image": diffusers("layers.0.attention.to_q", 32, 32, "transformer"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("family", LORAS)
def test_a_lora_acts_on_every_family(family: str, tmp_path: Path) -> None:
    folder = write_editor(family, tmp_path / family)
    lora = saved(tmp_path / "lora.safetensors", LORAS[family])
    plain = make(folder).image
    assert not np.array_equal(make(folder, adapter=str(lora)).image, plain)
    assert np.array_equal(make(folder).image, plain)
    found = find_editor(folder)
    assert found is not None
    kept = load_editor(found, "mask", "cpu").pipe.components.values()
    assert not any("lora" in name for part in kept if isinstance(part, torch.nn.Module) for name in part.state_dict())


def test_they_are_listed_for_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLAWSMITH_MODELS", str(tmp_path))
    saved(tmp_path / "xl_lightning_8step_lora.safetensors", kohya(CROSS, 320, 2048))
    saved(tmp_path / "word.safetensors", {"emb_params": torch.zeros(3, 768)})
    cut = saved(tmp_path / "cut.safetensors", kohya(CROSS, 320, 768))
    cut.write_bytes(cut.read_bytes()[:-1])
    assert run(["models", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out.splitlines()[-1])["models"]}
    lightning, word = rows["xl_lightning_8step_lora.safetensors"], rows["word.safetensors"]
    assert lightning["kind"] == "adapter" and lightning["title"].startswith("LoRA for Stable Diffusion XL")
    assert lightning["purpose"] == "A LoRA in the names of kohya, draws in 8 steps without guidance."
    assert word["title"].startswith("Textual inversion for Stable Diffusion 1.5")
    assert rows["cut.safetensors"]["state"] == "incomplete" and "cut off" in rows["cut.safetensors"]["problems"][0]
