"""The solvers against a Gaussian, for which everything is known; the loop and its hooks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from core.device import torch_generator
from core.diffusion.backbone import Backbone
from core.diffusion.noise_schedule import CLEAN, NoiseLevel, VariancePreserving
from core.diffusion.sampling import (
    TCD_GAMMA,
    NoisePredictor,
    SamplingSchedule,
    SamplingStep,
    classifier_free_guidance,
    ddim_step,
    dpmpp_2m_step,
    draw_noise,
    invert,
    make_schedule,
    sample,
    tcd_step,
)
from core.diffusion.tokens import encode_text
from core.errors import Cancelled, InputError

SPREAD = 0.5
"""The data of these tests are N(0, SPREAD squared)."""


def deviation(level: NoiseLevel) -> float:
    """Of x_t: the root of a^2 SPREAD^2 + s^2."""
    return math.sqrt(level.signal * SPREAD**2 + level.noise)


def gaussian(schedule: SamplingSchedule) -> NoisePredictor:
    """The best noise prediction for that data: E[eps | x_t] = s x_t / var(x_t)."""
    levels = dict(zip(schedule.timesteps, schedule.levels, strict=False))
    return lambda x, t: levels[t].s * x / deviation(levels[t]) ** 2


def even(count: int, low: float = -3.0, high: float = 3.0) -> SamplingSchedule:
    """Even in lambda, which both solvers' orders are stated for; the training steps are mere names."""
    lam = np.linspace(low, high, count + 1)
    levels = tuple(NoiseLevel.preserving(float(1 / (1 + math.exp(-2 * v)))) for v in lam)
    return SamplingSchedule(tuple(range(count, 0, -1)), levels)


def error(method: str, count: int) -> float:
    """Of the ODE's end, whose exact value is x times the ratio of the deviations."""
    schedule = even(count)
    x = torch.tensor([[[[1.7]]]], dtype=torch.float64)
    exact = 1.7 * deviation(schedule.levels[-1]) / deviation(schedule.levels[0])
    return abs(float(double(gaussian(schedule), x, schedule, method)) - exact)


def double(model: NoisePredictor, x: Tensor, schedule: SamplingSchedule, method: str) -> Tensor:
    """The loop of ``sample`` in float64, so that rounding does not hide the order."""
    past: tuple[Tensor, NoiseLevel] | tuple[()] = ()
    for step in schedule.steps():
        noise = model(x, step.t)
        if method == "ddim":
            x = ddim_step(x, noise, step.level, step.after)
        else:
            x0 = step.level.predict_x0(x, noise)
            x, past = dpmpp_2m_step(x, x0, step.level, step.after, *past), (x0, step.level)
    return x


@pytest.mark.parametrize(("method", "order"), [("ddim", 1), ("dpmpp_2m", 2)])
def test_solvers_converge_at_their_order(method: str, order: int) -> None:
    errors = [error(method, count) for count in (20, 40, 80, 160)]
    rates = [math.log2(coarse / fine) for coarse, fine in zip(errors, errors[1:], strict=False)]
    assert abs(rates[-1] - order) < 0.1 and rates == sorted(rates, key=lambda r: abs(r - order), reverse=True)


@pytest.mark.parametrize("method", ["ddim", "dpmpp_2m"])
def test_the_loop_runs_the_steps_as_written(method: str) -> None:
    schedule = even(12)
    x = torch.linspace(-2, 2, 16).reshape(1, 1, 4, 4)
    looped = sample(gaussian(schedule), x, schedule, method=method)  # type: ignore[arg-type]
    assert torch.allclose(looped, double(gaussian(schedule), x.double(), schedule, method).float(), atol=1e-6)


def test_fresh_noise_keeps_the_distribution() -> None:
    """With eta 1 every step draws anew, and what comes out is spread as the data are."""
    schedule = even(100, -4, 4)
    generator = torch_generator(1)
    x = draw_noise((1, 1, 100, 100), generator) * deviation(schedule.levels[0])
    for eta in (0.0, 1.0):
        out = sample(gaussian(schedule), x, schedule, eta=eta, generator=generator)
        assert abs(float(out.std()) / deviation(schedule.levels[-1]) - 1) < 0.03
        start_shows = float(torch.corrcoef(torch.stack([x.flatten(), out.flatten()]))[0, 1])
        assert start_shows > 0.99 if eta == 0 else abs(start_shows) < 0.2


def test_lcm_draws_the_data_in_any_number_of_steps_from_a_consistency_model() -> None:
    """A consistency model gives the end of x_t's path: of this data x SPREAD over the deviation of x_t."""
    for count in (1, 2, 4, 8):
        levels = (*(NoiseLevel.preserving(signal) for signal in np.linspace(0.001, 0.8, count)), CLEAN)
        schedule = SamplingSchedule(tuple(range(count, 0, -1)), levels)
        at = dict(zip(schedule.timesteps, levels, strict=False))

        def model(x: Tensor, t: int, at: dict[int, NoiseLevel] = at) -> Tensor:
            return (x - at[t].a * x * SPREAD / deviation(at[t])) / at[t].s

        generator = torch_generator(1)
        x = draw_noise((1, 1, 100, 100), generator) * deviation(levels[0])
        out = sample(model, x, schedule, method="lcm", generator=generator)
        assert abs(float(out.std()) / SPREAD - 1) < 0.03
        start_shows = float(torch.corrcoef(torch.stack([x.flatten(), out.flatten()]))[0, 1])
        assert start_shows > 0.99 if count == 1 else start_shows < 0.9


def test_tcd_steps_as_diffusers_does() -> None:
    from diffusers import TCDScheduler

    theirs = TCDScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    ours = VariancePreserving(theirs.alphas_cumprod)
    theirs.set_timesteps(timesteps=[999, 749, 499, 249], device="cpu")
    made = make_schedule(ours, 4)
    assert made.timesteps == (999, 749, 499, 249)
    x = y = draw_noise((1, 1, 8, 8), torch_generator(0))
    for step in made.steps():
        noise = (0.7 * x).sin()
        # What diffusers draws from the generator is what it is given here.
        fresh = torch.randn(x.shape, generator=torch_generator(step.t))
        y = theirs.step((0.7 * y).sin(), step.t, y, eta=TCD_GAMMA, generator=torch_generator(step.t)).prev_sample
        x = step.level.predict_x0(x, noise) if step.last else tcd_step(x, noise, step, fresh)
        if not step.last:  # diffusers' last step ends at training step 0, not at a clean picture
            assert torch.allclose(x, y, atol=1e-4)


def test_the_last_step_gives_the_clean_image() -> None:
    schedule = SamplingSchedule((2, 1), (NoiseLevel.preserving(0.1), NoiseLevel.preserving(0.6), CLEAN))
    seen: list[Tensor] = []
    for method in ("ddim", "dpmpp_2m", "lcm"):
        out = sample(
            gaussian(schedule),
            torch.ones(1, 1, 2, 2),
            schedule,
            method=method,  # type: ignore[arg-type]
            generator=torch_generator(0),
            after=[lambda x, step, x0: seen.append(x0) or x],  # type: ignore[func-returns-value]
        )
        assert torch.allclose(out, seen[-1], atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 1000), st.sampled_from(["trailing", "leading"]), st.floats(0.01, 1.0))
def test_schedules_fall_through_the_models_steps(count: int, spacing: str, strength: float) -> None:
    table = torch.linspace(0.999, 0.004, 1000, dtype=torch.float64)
    made = make_schedule(VariancePreserving(table), count, spacing, strength)  # type: ignore[arg-type]
    assert list(made.timesteps) == sorted(set(made.timesteps), reverse=True)
    assert 0 <= made.timesteps[-1] and made.timesteps[0] <= 999 and made.levels[-1] == CLEAN
    assert len(made.timesteps) == max(1, round(count * strength))
    if spacing == "trailing" and strength == 1:
        assert made.timesteps[0] == 999


@pytest.mark.parametrize(("count", "strength"), [(0, 1.0), (1001, 1.0), (10, 0.0), (10, 1.5)])
def test_impossible_schedules_are_refused(count: int, strength: float) -> None:
    with pytest.raises(InputError, match="expected"):
        make_schedule(VariancePreserving(torch.linspace(0.99, 0.01, 1000)), count, strength=strength)


def test_hooks_come_in_order_and_may_change_the_latents() -> None:
    schedule, log = even(3), []

    def before(x: Tensor, step: SamplingStep) -> Tensor:
        log.append(("before", step.t, float(x)))
        return x + 1

    def after(x: Tensor, step: SamplingStep, x0: Tensor) -> Tensor:
        log.append(("after", step.t, step.last))
        return torch.zeros_like(x)

    seen: list[float] = []

    def model(x: Tensor, t: int) -> Tensor:
        seen.append(float(x))
        return torch.zeros_like(x)

    out = sample(model, torch.full((1, 1, 1, 1), 5.0), schedule, before=[before], after=[after])
    assert [entry[:2] for entry in log] == [(w, t) for t in (3, 2, 1) for w in ("before", "after")]
    assert [entry[2] for entry in log if entry[0] == "after"] == [False, False, True]
    assert seen == [6, 1, 1] and float(out) == 0


def test_stop_comes_before_the_next_call_of_the_model() -> None:
    schedule, calls = even(10), []

    def model(x: Tensor, t: int) -> Tensor:
        calls.append(t)
        return x

    with pytest.raises(Cancelled):
        sample(model, torch.zeros(1, 1, 1, 1), schedule, cancelled=lambda: len(calls) == 4)
    assert len(calls) == 4
    with pytest.raises(Cancelled):
        invert(model, torch.zeros(1, 1, 1, 1), schedule, cancelled=lambda: len(calls) == 6)
    assert len(calls) == 6


def test_what_does_not_go_together_is_refused() -> None:
    schedule = even(3)
    with pytest.raises(InputError, match="ddim"):
        sample(gaussian(schedule), torch.zeros(1, 1, 1, 1), schedule, method="dpmpp_2m", eta=1.0)
    with pytest.raises(InputError, match="generator"):
        sample(gaussian(schedule), torch.zeros(1, 1, 1, 1), schedule, eta=1.0)
    with pytest.raises(InputError, match="generator"):
        sample(gaussian(schedule), torch.zeros(1, 1, 1, 1), schedule, method="lcm")
    with pytest.raises(InputError, match="no levels beyond"):
        sample(gaussian(schedule), torch.zeros(1, 1, 1, 1), schedule, method="tcd", generator=torch_generator(0))


def test_inversion_of_a_gaussian_comes_back() -> None:
    """More rounds of the fixed point come closer; few are enough."""
    schedule = SamplingSchedule(tuple(range(20, 0, -1)), (*even(20, -3, 2).levels[:20], CLEAN))
    x0 = torch.linspace(-1, 1, 16).reshape(1, 1, 4, 4)
    gaps = []
    for rounds in (1, 3, 8):
        noise = invert(gaussian(schedule), x0, schedule, rounds=rounds, tolerance=0)
        gaps.append(float((sample(gaussian(schedule), noise, schedule) - x0).abs().max()))
    assert gaps[0] > 4 * gaps[1] > 16 * gaps[2]


def test_inversion_of_the_model_comes_back(toy: Backbone) -> None:
    model = classifier_free_guidance(toy, encode_text(toy, ["a scratch"]))
    schedule = make_schedule(toy.noise_schedule, 12)
    x0 = draw_noise((1, 4, 8, 8), torch_generator(0))
    gaps = []
    for rounds in (1, 10):
        back = sample(model, invert(model, x0, schedule, rounds=rounds), schedule)
        gaps.append(float((back - x0).abs().max()))
    assert gaps[1] < 0.05 < 0.5 < gaps[0]


def test_inversion_asks_the_model_no_more_than_it_needs() -> None:
    schedule, calls = even(10), []

    def model(x: Tensor, t: int) -> Tensor:
        calls.append(t)
        return torch.full_like(x, 0.1)

    invert(model, torch.linspace(-1, 1, 4).reshape(1, 1, 2, 2), schedule, rounds=9)
    assert len(calls) == 20  # a constant is found in one round, and the second sees that it is


def test_guidance_in_one_batch_is_guidance_in_two(toy: Backbone) -> None:
    x = draw_noise((2, 4, 8, 8), torch_generator(0))
    text, empty = encode_text(toy, ["a scratch"]), encode_text(toy, [""])
    with_text, without = classifier_free_guidance(toy, text)(x, 500), classifier_free_guidance(toy, empty)(x, 500)
    assert not torch.allclose(with_text, without)
    both = classifier_free_guidance(toy, text, empty, 3.0)(x, 500)
    assert torch.allclose(both, without + 3 * (with_text - without), atol=1e-5)
    assert torch.allclose(both, classifier_free_guidance(toy, text, scale=3.0)(x, 500), atol=1e-5)


def test_same_seed_same_bits(toy: Backbone) -> None:
    def make(seed: int) -> Tensor:
        generator = torch_generator(seed)
        x = draw_noise((1, 4, 8, 8), generator)
        model = classifier_free_guidance(toy, encode_text(toy, ["a dent"]), scale=2.0)
        return sample(model, x, make_schedule(toy.noise_schedule, 4), eta=1.0, generator=generator)

    assert torch.equal(make(7), make(7)) and not torch.equal(make(7), make(8))


def test_mix_and_clean_are_inverse() -> None:
    x0, noise = torch.randn(2, 1, 4, 3, 3, generator=torch_generator(2))
    level = NoiseLevel.preserving(0.3)
    assert torch.allclose(level.predict_x0(level.add_noise(x0, noise), noise), x0, atol=1e-6)
