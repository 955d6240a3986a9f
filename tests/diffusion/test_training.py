"""The loop learns, stops, goes on where it was, and touches nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.diffusion.backbone import Backbone, model_output
from core.diffusion.conditioning import Conditioning
from core.diffusion.noise_schedule import VariancePreserving
from core.diffusion.tokens import Placeholder, encode_text, initial_vectors, with_placeholders
from core.errors import Cancelled, InputError, Unavailable
from core.training.loop import Trainable, TrainingPlan, TrainingResult, prompt_conditioning, train
from core.training.training_samples import PromptSamples, TrainingSample, encode_samples, masked_loss

ALPHAS = torch.linspace(0.999, 0.004, 1000, dtype=torch.float64)
PLAN = TrainingPlan(steps=5, batch=2, lr=0.05, seed=3, checkpoint_every=2)


def spot(size: int = 10) -> np.ndarray:
    mask = np.zeros((64, 64), np.bool_)
    mask[20 : 20 + size, 30 : 30 + size] = True
    return mask


@pytest.fixture
def invert(toy: Backbone, plate: np.ndarray) -> Callable[..., tuple[Tensor, TrainingResult]]:
    """Textual inversion of a spot on two plates; gives the vectors and how the run went."""

    def run(plan: TrainingPlan = PLAN, **given: Any) -> tuple[Tensor, TrainingResult]:
        vectors = nn.Parameter(initial_vectors(toy, "damage", 2))
        with with_placeholders(toy, [Placeholder("<spot>", vectors)]) as known:
            images = (plate, plate[::-1])
            samples = encode_samples(known, [TrainingSample(i, "a <spot>", spot()) for i in images], text_frozen=False)
            held_out = encode_samples(known, [TrainingSample(plate[:, ::-1], "a <spot>", spot())], text_frozen=False)
            checking = {"validation": held_out} if plan.validate_every else {}
            trained = train(
                Trainable(known, {"<spot>": vectors}, prompt_conditioning(known)), samples, plan, **checking, **given
            )
        return vectors.detach(), trained

    return run


def test_masked_loss_is_the_mean_of_the_weighted_square() -> None:
    out, wanted = torch.zeros(2, 4, 8, 8), torch.full((2, 4, 8, 8), 2.0)
    mask = torch.zeros(2, 1, 8, 8)
    mask[0, 0, 0, 0] = 1
    mask[1, 0, :4] = 1
    plain = masked_loss(out, wanted, mask, area_weight=False)
    assert torch.allclose(plain, torch.tensor([4 / 64, 2.0]))
    assert torch.allclose(masked_loss(out, wanted, mask), torch.tensor([4.0, 4.0]))
    both = masked_loss(out, wanted, mask, area_weight=False, background=0.5)
    assert torch.allclose(both, torch.tensor([4 / 64 + 4 * 63 / 128, 3.0]))


@pytest.mark.parametrize(("side", "weight"), [(8, 64.0), (16, 100.0), (1, 1.0)])
def test_the_area_weight_stays_within_its_bounds(side: int, weight: float) -> None:
    mask = torch.zeros(1, 1, side, side)
    mask[..., 0, 0] = 1
    out, wanted = torch.zeros(1, 4, side, side), torch.ones(1, 4, side, side)
    ratio = masked_loss(out, wanted, mask) / masked_loss(out, wanted, mask, area_weight=False)
    assert float(ratio) == pytest.approx(weight)


def test_samples_are_encoded_once(toy: Backbone, plate: np.ndarray) -> None:
    samples = [TrainingSample(plate, "a plate", spot(1)), TrainingSample(plate, "a plate")]
    frozen = encode_samples(toy, samples, text_frozen=True)
    assert frozen.latents.shape == (2, 4, 8, 8) and frozen.masks.sum(dim=(1, 2, 3)).tolist() == [1, 64]
    assert frozen.conditioning is not None
    assert torch.equal(frozen.conditioning.states[1:], encode_text(toy, ["a plate"]).states)
    assert encode_samples(toy, samples, text_frozen=False).conditioning is None
    with pytest.raises(InputError, match="one size"):
        encode_samples(toy, [TrainingSample(plate, ""), TrainingSample(plate[:32], "")], text_frozen=True)
    with pytest.raises(InputError, match="at least one"):
        encode_samples(toy, [], text_frozen=True)


def test_inversion_lowers_the_loss_and_leaves_the_model(
    toy: Backbone, invert: Callable[..., tuple[Tensor, TrainingResult]]
) -> None:
    before = {k: v.clone() for k, v in (toy.unet.state_dict() | toy.text_encoder.state_dict()).items()}
    start = initial_vectors(toy, "damage", 2)
    plan = replace(PLAN, steps=24, validate_every=8, validate_draws=8)
    vectors, trained = invert(plan)
    assert trained.validation[-1][1] < trained.validation[0][1] < trained.losses[0] * 3
    assert not torch.allclose(vectors, start) and trained.steps == 24
    after = toy.unet.state_dict() | toy.text_encoder.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[k], before[k]) for k in before)
    assert not any(p.requires_grad for p in [*toy.unet.parameters(), *toy.text_encoder.parameters()])


def test_same_seed_same_bits(invert: Callable[..., tuple[Tensor, TrainingResult]]) -> None:
    one, again, other = invert()[0], invert()[0], invert(replace(PLAN, seed=4))[0]
    assert torch.equal(one, again) and not torch.equal(one, other)


@pytest.mark.parametrize("asked", range(2, 12, 4))
def test_a_stopped_run_goes_on_to_the_same_bits(
    invert: Callable[..., tuple[Tensor, TrainingResult]], tmp_path: Path, asked: int
) -> None:
    plan, path = replace(PLAN, validate_every=2, validate_draws=1), tmp_path / "run.pt"
    whole, trained = invert(plan)
    times = 0

    def stop() -> bool:
        nonlocal times
        times += 1
        return times == asked

    with pytest.raises(Cancelled):
        invert(plan, checkpoint=path, cancelled=stop)
    vectors, resumed = invert(plan, checkpoint=path)
    assert torch.equal(vectors, whole) and resumed == trained


def test_a_run_can_be_made_longer(invert: Callable[..., tuple[Tensor, TrainingResult]], tmp_path: Path) -> None:
    invert(replace(PLAN, steps=3), checkpoint=tmp_path / "run.pt")
    steps: list[int] = []
    vectors, _ = invert(checkpoint=tmp_path / "run.pt", progress=lambda done, of, loss: steps.append(done))
    assert steps == [4, 5] and torch.equal(vectors, invert()[0])


def test_another_or_a_broken_checkpoint_is_refused(
    invert: Callable[..., tuple[Tensor, TrainingResult]], tmp_path: Path
) -> None:
    path = tmp_path / "run.pt"
    invert(replace(PLAN, steps=1), checkpoint=path)
    with pytest.raises(InputError, match="other settings"):
        invert(replace(PLAN, lr=0.1), checkpoint=path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(Unavailable, match="broken"):
        invert(checkpoint=path)


def test_it_stops_early_and_keeps_the_best(toy: Backbone, plate: np.ndarray) -> None:
    """A scale on the prediction that starts at its best and is driven off by a far too high rate."""
    samples = encode_samples(toy, [TrainingSample(plate, "a plate")], text_frozen=True)
    scale = nn.Parameter(torch.zeros(()))

    def predictor(x: Tensor, t: Tensor, told: Conditioning) -> Tensor:
        return x * scale

    plan = TrainingPlan(steps=200, batch=1, lr=2.0, clip=0, validate_every=5, patience=3)
    trainable = Trainable(toy, {"scale": scale}, prompt_conditioning(toy), predictor)
    trained = train(trainable, samples, plan, validation=samples)
    losses = [loss for _, loss in trained.validation]
    assert trained.stopped_early and trained.steps < 200
    assert losses.index(min(losses)) == len(losses) - 1 - plan.patience
    again = train(trainable, samples, replace(plan, steps=5, lr=0.0), validation=samples)
    assert again.validation[0][1] == pytest.approx(min(losses))


def test_a_lora_like_set_of_parameters_learns(toy: Backbone, plate: np.ndarray) -> None:
    """A low-rank addition to one layer, put there by a hook of the caller's."""
    layer = toy.unet.mid_block.attentions[0].transformer_blocks[0].attn2.to_v
    down, up = nn.Parameter(torch.randn(2, 16) * 0.1), nn.Parameter(torch.zeros(32, 2))
    hook = layer.register_forward_hook(lambda module, args, out: out + args[0] @ down.T @ up.T)
    try:
        samples = encode_samples(toy, [TrainingSample(plate, "a plate")], text_frozen=True)
        plan = TrainingPlan(steps=24, batch=1, lr=0.02, validate_every=12, validate_draws=8)
        trained = train(
            Trainable(toy, {"down": down, "up": up}, prompt_conditioning(toy)), samples, plan, validation=samples
        )
    finally:
        hook.remove()
    assert trained.validation[-1][1] < trained.validation[0][1] and float(up.detach().abs().max()) > 0
    assert up.requires_grad and up.grad is None


def test_the_target_fits_what_the_model_predicts(toy: Backbone, plate: np.ndarray) -> None:
    """Whatever is predicted, a perfect prediction has no loss."""
    samples = encode_samples(toy, [TrainingSample(plate, "a plate")], text_frozen=True)
    nothing = nn.Parameter(torch.zeros(()))
    for prediction in ("epsilon", "v", "x0"):
        schedule = VariancePreserving(ALPHAS, prediction)  # type: ignore[arg-type]
        named = replace(toy, noise_schedule=schedule)

        def oracle(x: Tensor, t: Tensor, told: Conditioning, kind: str = prediction) -> Tensor:
            a, x0 = ALPHAS[t].float().reshape(-1, 1, 1, 1), samples.latents
            noise = (x - a.sqrt() * x0) / (1 - a).sqrt()
            known = {"epsilon": noise, "x0": x0, "v": a.sqrt() * noise - (1 - a).sqrt() * x0}
            return known[kind] + 0 * nothing

        trained = train(
            Trainable(named, {"nothing": nothing}, prompt_conditioning(named), oracle), samples,
            TrainingPlan(steps=3, batch=1),
        )  # fmt: skip
        assert max(trained.losses) < 1e-6


def test_what_cannot_be_trained_is_said(toy: Backbone, plate: np.ndarray) -> None:
    samples: PromptSamples = encode_samples(toy, [TrainingSample(plate, "")], text_frozen=True)
    nothing = {"nothing": nn.Parameter(torch.zeros(()))}
    trainable = lambda model: Trainable(model, nothing, prompt_conditioning(model))  # noqa: E731
    with pytest.raises(InputError, match="float16"):
        train(trainable(replace(toy, dtype=torch.float16)), samples, PLAN)
    with pytest.raises(InputError, match="validate_every"):
        train(trainable(toy), samples, replace(PLAN, validate_every=2))
    assert model_output(toy, samples.latents, 3, encode_text(toy, [""])).shape == (1, 4, 8, 8)
