"""The inner steps on a GPU that is not there: PyTorch's fake tensors know device and dtype, and refuse to mix them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from core.diffusion.attention import attention_control
from core.diffusion.backbone import Backbone, model_output, predict_noise
from core.diffusion.conditioning import Conditioning
from core.diffusion.inpainting import blended_hooks, latent_mask
from core.diffusion.loading import load_backbone
from core.diffusion.noise_schedule import VariancePreserving
from core.diffusion.prompt_encoding import encode_ids
from core.diffusion.sampling import classifier_free_guidance, draw_noise, make_schedule, sample
from core.diffusion.tokens import Placeholder, with_placeholders
from core.diffusion.word_attention import AttentionReweight, AttentionStore
from core.methods.dual_ano_diff.interaction import BCM, SaimController, interleaved, predict_pairs
from core.methods.graft.reference_reading import ReferenceReading
from core.training.low_rank import unet_adapter
from core.training.spatial_embedding import make_encoder
from core.training.training_samples import masked_loss
from tests.diffusion.editor_toys import write_sd_inpainting
from tests.diffusion.toy import write_sdxl

CUDA = torch.device("cuda")
DTYPES = pytest.mark.parametrize(
    "dtype",
    [
        torch.float16,
        pytest.param(torch.float32, marks=pytest.mark.thorough),
        pytest.param(torch.bfloat16, marks=pytest.mark.thorough),
    ],
    ids=str,
)


def _replaced(module: nn.Module, change: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """``nn.Module._apply`` by new tensors: it would swap their insides, which fake tensors cannot."""
    for part in module.modules():
        for name, value in part._parameters.items():
            if value is not None:
                part._parameters[name] = nn.Parameter(change(value.detach()), value.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = change(buffer)
    return module


@pytest.fixture
def mode(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTensorMode]:
    monkeypatch.setattr(nn.Module, "_apply", _replaced)
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        yield fake


@pytest.fixture
def on_fake_gpu() -> Callable[[Backbone, torch.dtype], Backbone]:
    """A model on the GPU that is not there; to be called while fake tensors are on."""

    def moved(model: Backbone, dtype: torch.dtype) -> Backbone:
        with CUDA:
            parts = {name: type(part)(**_config(part)) for name, part in model.networks.items()}
        for part in parts.values():
            part.to(dtype).eval().requires_grad_(False)
        return replace(model, device=CUDA, dtype=dtype, **parts)

    return moved


@pytest.fixture
def gpu(toy: Backbone, on_fake_gpu: Callable[..., Backbone]) -> Callable[[torch.dtype], Backbone]:
    """The toy model there."""
    return lambda dtype: on_fake_gpu(toy, dtype)


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> tuple[Backbone, Backbone]:
    """Stable Diffusion XL and an inpainting model, at toy width."""
    folder = tmp_path_factory.mktemp("models")
    return (
        load_backbone(str(write_sdxl(folder / "xl")), "cpu"),
        load_backbone(str(write_sd_inpainting(folder / "inpainting")), "cpu"),
    )


def _config(part: nn.Module) -> dict[str, object]:
    config = part.config
    if isinstance(config, dict):
        return {name: value for name, value in config.items() if not name.startswith("_")}
    return {"config": config}


def on_gpu(value: Tensor, dtype: torch.dtype = torch.float32) -> bool:
    return isinstance(value, FakeTensor) and value.device.type == "cuda" and value.dtype == dtype


def prompts(backbone: Backbone, count: int) -> Conditioning:
    return encode_ids(backbone, torch.zeros((count, backbone.max_tokens), dtype=torch.int64))


def test_mixing_devices_is_refused_here(mode: FakeTensorMode) -> None:
    with pytest.raises(RuntimeError, match="device"):
        torch.zeros(2, device="cuda") + torch.zeros(2)


@DTYPES
def test_predicting(mode: FakeTensorMode, gpu: Callable[..., Backbone], dtype: torch.dtype) -> None:
    backbone = gpu(dtype)
    noise = predict_noise(backbone, torch.zeros(2, 4, 8, 8), 500, prompts(backbone, 2))
    assert on_gpu(noise) and noise.shape == (2, 4, 8, 8)
    assert on_gpu(prompts(backbone, 1).states)


@DTYPES
def test_what_xl_and_inpainting_models_read_more(
    mode: FakeTensorMode, on_fake_gpu: Callable[..., Backbone], families: tuple[Backbone, Backbone], dtype: torch.dtype
) -> None:
    xl, inpainter = (on_fake_gpu(family, dtype) for family in families)
    told = encode_ids(xl, torch.full((2, xl.max_tokens), xl.tokenizer.eos_token_id))
    assert on_gpu(told.states) and told.pooled is not None and on_gpu(told.pooled)
    assert on_gpu(predict_noise(xl, torch.zeros(2, 4, 8, 8), 500, told))
    told = prompts(inpainter, 1)
    assert on_gpu(predict_noise(inpainter, torch.zeros(1, 4, 8, 8), 500, told))
    seen = replace(told, surroundings=torch.zeros(1, 5, 8, 8))
    assert on_gpu(predict_noise(inpainter, torch.zeros(1, 4, 8, 8), 500, seen))


@DTYPES
@pytest.mark.parametrize("method", ["ddim", pytest.param("dpmpp_2m", marks=pytest.mark.thorough)])
def test_drawing_into_a_mask_with_attention_controllers(
    mode: FakeTensorMode, gpu: Callable[..., Backbone], dtype: torch.dtype, method: str
) -> None:
    backbone = gpu(dtype)
    schedule = sampled_outside(backbone)
    z0 = torch.zeros(1, 4, 8, 8, device=CUDA)
    noise = draw_noise(z0.shape, torch.Generator(), z0)
    region = latent_mask(np.ones((64, 64), np.bool_), (8, 8))
    before, after = blended_hooks(z0, region, noise)
    seen = AttentionStore((1, 2), rows=slice(-1, None))
    model = classifier_free_guidance(backbone, prompts(backbone, 1), prompts(backbone, 1), 3.0)
    weight = AttentionReweight((1,), torch.ones(8, 8), rows=slice(-1, None))
    eta = 0.5 if method == "ddim" else 0.0
    with attention_control(backbone.unet, weight, seen):
        x = sample(model, noise, schedule, method=method, eta=eta, generator=torch.Generator(),  # type: ignore[arg-type]
                   before=[before], after=[after])  # fmt: skip
    assert on_gpu(x)
    assert all(total.device.type == "cuda" for total, _ in seen._sums.values())


def sampled_outside(backbone: Backbone):  # type: ignore[no-untyped-def]
    """A schedule's numbers are read off real tensors, as loading does before anything is drawn."""
    from torch._subclasses.fake_tensor import unset_fake_temporarily

    with unset_fake_temporarily():
        return make_schedule(VariancePreserving(torch.linspace(0.999, 0.01, 1000)), 3)


@DTYPES
def test_a_learning_step_of_a_word(mode: FakeTensorMode, gpu: Callable[..., Backbone], dtype: torch.dtype) -> None:
    backbone = gpu(dtype)
    vectors = nn.Parameter(torch.zeros(2, 16, device=CUDA))
    with with_placeholders(backbone, [Placeholder("<new>", vectors)]) as known:
        loss = learning_loss(known, lambda x, t, told: model_output(known, x, t, told), 2)
    assert loss.requires_grad


@DTYPES
def test_a_learning_step_of_a_lora(mode: FakeTensorMode, gpu: Callable[..., Backbone], dtype: torch.dtype) -> None:
    backbone = gpu(dtype)
    with unet_adapter(backbone, 2, 0) as parameters:
        for value in parameters.values():
            value.requires_grad_(True)
        loss = learning_loss(backbone, lambda x, t, told: model_output(backbone, x, t, told), 2)
        assert loss.requires_grad and all(value.device.type == "cuda" for value in parameters.values())


def learning_loss(backbone: Backbone, predict: Callable[..., Tensor], count: int) -> Tensor:
    """The loss of a step as core.training.loop has it; no gradient of it, since autograd asks for a real device."""
    schedule = backbone.noise_schedule
    x0, t = torch.zeros(count, 4, 8, 8).to(CUDA), torch.zeros(count, dtype=torch.int64)
    noise = torch.randn(x0.shape, generator=torch.Generator()).to(CUDA)
    out = predict(schedule.add_noise(x0, noise, t), t, prompts(backbone, count))
    loss = masked_loss(out, schedule.training_target(x0, noise, t), torch.ones(count, 1, 8, 8), area_weight=True)
    assert on_gpu(loss)
    return loss.mean()


@pytest.mark.thorough  # each of a hundred new layers is drawn from a seed, which fake tensors are slow at
@pytest.mark.parametrize(("reads", "dtype"), [("input", torch.bfloat16), ("output", torch.float16)], ids=str)
def test_two_branches_with_saim_and_bcm(
    mode: FakeTensorMode, gpu: Callable[..., Backbone], dtype: torch.dtype, reads: str
) -> None:
    backbone = gpu(dtype)
    saim = SaimController(backbone.unet, 3, seed=0)
    bcm = BCM(backbone.unet, seed=0, reads=reads)  # type: ignore[arg-type]
    for layers in (saim.layers, bcm.layers):
        layers.to(dtype)
    rows = interleaved(*(torch.zeros(1, 4, 8, 8, device=CUDA) for _ in range(3)))
    with attention_control(backbone.unet, saim, bcm):
        pairs = predict_pairs(backbone, rows.reshape(1, 12, 8, 8), 500, prompts(backbone, 3), 3)
    assert on_gpu(pairs) and pairs.shape == (1, 12, 8, 8)


def test_the_mask_encoder(mode: FakeTensorMode) -> None:
    encoder = make_encoder("small", torch.zeros(4, 16), 0).to(CUDA)  # type: ignore[arg-type]
    tokens = encoder(torch.zeros(2, 1, 64, 64, device=CUDA))
    assert tokens.device.type == "cuda" and tokens.shape[0] == 2


@DTYPES
def test_reading_references(mode: FakeTensorMode, gpu: Callable[..., Backbone], dtype: torch.dtype) -> None:
    backbone = gpu(dtype)
    inside, anomaly = torch.ones(1, 1, 8, 8, device=CUDA), torch.ones(2, 1, 8, 8, device=CUDA)
    reading = ReferenceReading(inside, anomaly)
    # Where the anomalies lie decides how many keys are read, which fake tensors do not know.
    reading._read_positions = lambda shape: torch.arange(shape[0] * shape[1])  # type: ignore[method-assign]
    with attention_control(backbone.unet, reading):
        noise = predict_noise(backbone, torch.zeros(4, 4, 8, 8), 500, prompts(backbone, 4))
    assert on_gpu(noise) and noise.shape == (4, 4, 8, 8)
