"""Schedules against the data for which everything is known: x_0 ~ N(MEAN, SPREAD^2), whose best denoiser is linear."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from core.diffusion.noise_schedule import CLEAN, NoiseLevel, NoiseSchedule, RectifiedFlow, VariancePreserving
from core.diffusion.sampling import NoisePredictor, ddim_step, make_schedule, sample
from core.errors import InputError

MEAN, SPREAD = 0.7, 0.5
ALPHAS = torch.linspace(0.9995**0.5, 0.002**0.5, 1000, dtype=torch.float64) ** 2

SCHEDULES: dict[str, NoiseSchedule] = {
    "epsilon": VariancePreserving(ALPHAS, "epsilon"),
    "v": VariancePreserving(ALPHAS, "v"),
    "x0": VariancePreserving(ALPHAS, "x0"),
    "flow": RectifiedFlow(),
}
every = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())


def denoised(level: NoiseLevel, x: Tensor) -> tuple[Tensor, Tensor]:
    """E[x_0 | x_t] and E[eps | x_t]: with var = a^2 SPREAD^2 + s^2 and r = x_t - a MEAN they are
    MEAN + a SPREAD^2 r / var and s r / var."""
    variance = level.signal * SPREAD**2 + level.noise
    rest = x - level.a * MEAN
    return MEAN + level.a * SPREAD**2 * rest / variance, level.s * rest / variance


def analytic(schedule: NoiseSchedule) -> NoisePredictor:
    """The denoiser as a model of this schedule: what it predicts is made and read as the schedule says."""

    def model(x: Tensor, t: int) -> Tensor:
        x0, noise = denoised(schedule.level(t), x)
        return schedule.to_epsilon(x, t, schedule.training_target(x0, noise, t))

    return model


@every
def test_a_prediction_is_read_back_as_what_it_was_made_of(schedule: NoiseSchedule) -> None:
    x0, noise = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    t = torch.tensor([5, 400, 900])
    x = schedule.add_noise(x0, noise, t)
    target = schedule.training_target(x0, noise, t)
    assert torch.allclose(schedule.to_epsilon(x, t, target), noise, atol=1e-3)
    assert torch.allclose(schedule.predict_x0(x, t, target), x0, atol=1e-4)
    assert schedule.a(t).shape == schedule.s(t).shape == (3, 1, 1, 1) and schedule.a(7).shape == (1, 1, 1, 1)


@every
def test_tensors_and_numbers_say_the_same(schedule: NoiseSchedule) -> None:
    for t in (0, 17, 500, 999):
        level = schedule.level(t)
        assert float(schedule.a(t)) == pytest.approx(level.a, rel=1e-4)
        assert float(schedule.s(t)) == pytest.approx(level.s, rel=1e-4)
    signals = [schedule.level(t).half_log_snr for t in range(len(schedule))]
    assert signals == sorted(signals, reverse=True)


def test_the_closed_forms() -> None:
    flow = RectifiedFlow(100)
    assert [flow.level(t).s for t in (0, 49, 99)] == pytest.approx([0.01, 0.5, 1 - 2**-12])
    assert [flow.level(t).a for t in (0, 49)] == pytest.approx([0.99, 0.5])
    x0, noise = torch.tensor([[[[2.0]]]]), torch.tensor([[[[-1.0]]]])
    assert float(flow.add_noise(x0, noise, 24)) == pytest.approx(0.75 * 2 - 0.25)
    assert float(flow.training_target(x0, noise, 24)) == -3
    velocity = VariancePreserving(torch.tensor([0.64]), "v")
    assert float(velocity.training_target(x0, noise, 0)) == pytest.approx(0.8 * -1 - 0.6 * 2)
    assert CLEAN.add_noise(x0, noise).equal(x0)


@every
def test_the_analytic_denoiser_leads_from_noise_to_the_data(schedule: NoiseSchedule) -> None:
    x = torch.randn(1, 1, 100, 100, generator=torch.Generator().manual_seed(0))
    out = sample(analytic(schedule), x, make_schedule(schedule, 200))
    assert float(out.mean()) == pytest.approx(MEAN, abs=0.04) and float(out.std()) == pytest.approx(SPREAD, abs=0.02)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_fresh_noise_keeps_the_marginals_of_any_schedule(eta: float) -> None:
    """One exact step from x_t to x_s has the mean and spread of x_s, whether or not a^2 + s^2 = 1."""
    generator = torch.Generator().manual_seed(2)
    x0, noise, fresh = torch.randn(3, 1, 1, 400, 400, generator=generator, dtype=torch.float64)
    for schedule in (SCHEDULES["epsilon"], SCHEDULES["flow"]):
        level, after = schedule.level(700), schedule.level(500)
        # With x_0 known, the step is the posterior's.
        x = ddim_step(level.add_noise(x0, noise), noise, level, after, eta, fresh)
        rest = x - after.a * x0
        assert float(rest.std()) == pytest.approx(after.s, rel=0.01)


def test_ddim_on_a_flow_is_euler() -> None:
    flow = RectifiedFlow()
    x, u = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    for t, after in ((900, 700), (500, 20)):
        stepped = ddim_step(x, flow.to_epsilon(x, t, u), flow.level(t), flow.level(after))
        assert torch.allclose(stepped, x + (after - t) / 1000 * u, atol=1e-5)


def test_variance_preserving_steps_are_the_papers_own_to_the_last_bit() -> None:
    """Samples of earlier versions are made again only where a^2 + s^2 = 1 costs no rounding."""
    for a, b in ((0.002, 0.0051), (0.37, 0.61), (0.9, 0.9991), (2**-24, 0.3)):
        level, after = NoiseLevel.preserving(a), NoiseLevel.preserving(b)
        assert level.power - level.signal / after.signal * after.power == 1 - a / b
        assert after.s == math.sqrt(1 - b) and level.half_log_snr == 0.5 * math.log(a / (1 - a))


def test_a_flow_needs_steps() -> None:
    with pytest.raises(InputError, match="at least 1"):
        RectifiedFlow(0)
