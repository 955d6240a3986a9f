"""From noise to latents and back: one loop, three solvers, hooks at every step.

A model here is ``model(x, t) -> eps``: latents float32 (N, C, h, w) at training step ``t``, and the noise in them.
How much noise that is, is a NoiseLevel: x_t = a x_0 + s eps. Names here and in the papers (DDIM: Song et al. 2021;
DPM-Solver++: Lu et al. 2022):

    level.signal                  a^2, DDIM's alpha_t
    level.a, level.s              DPM-Solver++'s alpha_t, sigma_t
    level.half_log_snr, lam       log(a / s), lambda_t
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from core.diffusion.backbone import Backbone, predict_noise
from core.diffusion.conditioning import Conditioning
from core.diffusion.noise_schedule import CLEAN, NoiseLevel, NoiseSchedule
from core.diffusion.tokens import encode_text
from core.errors import Cancelled, InputError

TCD_GAMMA = 0.3
"""How far beyond the next step's time ``tcd`` steps, as a share of it: 0 adds no noise, 1 is as ``lcm``. Its authors
draw with this one."""
NoisePredictor = Callable[[Tensor, int], Tensor]
Solver = Literal["ddim", "dpmpp_2m", "lcm", "tcd"]
Generators = torch.Generator | Sequence[torch.Generator]
"""One for the batch, or one for each of its rows."""


@dataclass(frozen=True)
class SamplingStep:
    """One step of the loop, ``index`` of ``count``: from ``level``, that of training step ``t``, to ``after``.

    ``beyond`` has less noise than ``after``: ``tcd`` steps there and back by fresh noise.
    """

    index: int
    count: int
    t: int
    level: NoiseLevel
    after: NoiseLevel
    beyond: NoiseLevel | None = None

    @property
    def last(self) -> bool:
        """Whether the latents are final after it."""
        return self.index + 1 == self.count


BeforeStep = Callable[[Tensor, SamplingStep], Tensor]
"""``before(x, step)``: x_t as the model shall see it."""
AfterStep = Callable[[Tensor, SamplingStep, Tensor], Tensor]
"""``after(x, step, x0)``: x at ``step.after`` as the next step shall get it; ``x0`` is what the model saw in x_t."""
Progress = Callable[[int, int, Tensor], None]
"""``progress(done, count, x0)``."""


@dataclass(frozen=True)
class SamplingSchedule:
    """Training steps in the order of sampling, and the noise level at each and after the last: one more.

    ``beyond``, one for each step, are the levels that ``tcd`` steps to first.
    """

    timesteps: tuple[int, ...]
    levels: tuple[NoiseLevel, ...]
    beyond: tuple[NoiseLevel, ...] = ()

    def __post_init__(self) -> None:
        if len(self.levels) != len(self.timesteps) + 1 or not self.timesteps:
            raise InputError(f"schedule: {len(self.timesteps)} steps need one level more, got {len(self.levels)}")
        if self.beyond and len(self.beyond) != len(self.timesteps):
            raise InputError(f"schedule: {len(self.timesteps)} steps need as many further levels, or none")
        if any(one.signal >= after.signal for one, after in pairwise(self.levels)):
            raise InputError("schedule: the share of signal must grow from step to step; take fewer steps")

    def steps(self) -> list[SamplingStep]:
        """The steps in order."""
        count = len(self.timesteps)
        beyond = self.beyond or (None,) * count
        return [
            SamplingStep(i, count, t, self.levels[i], self.levels[i + 1], beyond[i])
            for i, t in enumerate(self.timesteps)
        ]


def make_schedule(
    noise_schedule: NoiseSchedule,
    count: int,
    spacing: Literal["trailing", "leading"] = "trailing",
    strength: float = 1.0,
) -> SamplingSchedule:
    """``count`` steps over the model's T, ending at a clean image.

    ``trailing`` starts at the noisiest step (Lin et al. 2024), ``leading`` one spacing below it, as Stable Diffusion
    and AnomalyDiffusion do. ``strength`` below 1 leaves out the first steps: sampling then starts from a noised image.
    """
    total = len(noise_schedule)
    if not 1 <= count <= total:
        raise InputError(f"steps: expected 1 to {total}, got {count}")
    if not 0 < strength <= 1:
        raise InputError(f"strength: expected more than 0 and at most 1, got {strength}")
    if spacing == "trailing":
        times = [round(noise_schedule.shifted(total - i * total / count)) - 1 for i in range(count)]
    else:
        times = [min(i * (total // count) + 1, total - 1) for i in reversed(range(count))]
    times = times[count - max(1, round(count * strength)) :]
    beyond = [noise_schedule.level(int((1 - TCD_GAMMA) * t)) for t in times[1:]]
    return SamplingSchedule(tuple(times), (*(noise_schedule.level(t) for t in times), CLEAN), (*beyond, CLEAN))


def draw_noise(shape: Sequence[int], generator: Generators, like: Tensor | None = None) -> Tensor:
    """Standard normal float32 noise, drawn on the CPU so that a seed means the same everywhere, then moved.

    Of several generators each draws its own row, which is then the same in whatever batch.
    """
    if isinstance(generator, torch.Generator):
        noise = torch.randn(tuple(shape), generator=generator, dtype=torch.float32)
    else:
        noise = torch.cat([draw_noise((1, *shape[1:]), each) for each in generator])
    return noise if like is None else noise.to(like.device)


def ddim_step(
    x: Tensor, noise: Tensor, level: NoiseLevel, after: NoiseLevel, eta: float = 0.0, fresh: Tensor | None = None
) -> Tensor:
    """One step of DDIM (eqs. 12 and 16): ``eta`` 0 follows the ODE, 1 is DDPM's step with ``fresh`` noise.

    With c = a / a_after the posterior's variance is s_after^2 / s^2 (s^2 - c^2 s_after^2); the bracket is written so
    that with a^2 + s^2 = 1 it is exactly 1 - c^2.
    """
    sigma = 0.0
    if eta:
        left = level.power - level.signal / after.signal * after.power
        sigma = eta * math.sqrt(after.noise / level.noise) * math.sqrt(left)
    toward = math.sqrt(max(after.noise - sigma**2, 0.0)) * noise
    out = after.a * level.predict_x0(x, noise) + toward
    return out if sigma == 0 or fresh is None else out + sigma * fresh


def tcd_step(x: Tensor, noise: Tensor, step: SamplingStep, fresh: Tensor) -> Tensor:
    """One step of TCD (Zheng et al. 2024, algorithm 4), with t' = (1 - gamma) t_after, the time of ``beyond``.

    x' = a' x_0 + s' eps; x_after = (a_after / a') x' + sqrt(s_after^2 - (a_after / a')^2 s'^2) ``fresh``.
    InputError without a level beyond.
    """
    beyond, after = step.beyond, step.after
    if beyond is None:
        raise InputError("tcd: the schedule has no levels beyond its steps; make it by make_schedule")
    kept = after.signal / beyond.signal
    there = beyond.add_noise(step.level.predict_x0(x, noise), noise)
    return math.sqrt(kept) * there + math.sqrt(max(after.noise - kept * beyond.noise, 0.0)) * fresh


def dpmpp_2m_step(
    x: Tensor,
    x0: Tensor,
    level: NoiseLevel,
    after: NoiseLevel,
    x0_before: Tensor | None = None,
    before: NoiseLevel | None = None,
) -> Tensor:
    """One step of DPM-Solver++(2M) (algorithm 2), for the probability-flow ODE in x_0.

    h = lam_after - lam, r = (lam - lam_before) / h, D = (1 + 1/2r) x0 - 1/2r x0_before,
    x_after = sigma_after / sigma x - alpha_after (exp(-h) - 1) D. First order where nothing came before, and in the
    step to a clean image, where h is infinite and x_after is x0.
    """
    if after.noise <= 0:
        return x0
    h = after.half_log_snr - level.half_log_snr
    d = x0
    if x0_before is not None and before is not None:
        r = (level.half_log_snr - before.half_log_snr) / h
        d = (1 + 1 / (2 * r)) * x0 - 1 / (2 * r) * x0_before
    return math.sqrt(after.noise / level.noise) * x - after.a * math.expm1(-h) * d


def classifier_free_guidance(
    backbone: Backbone, conditioning: Conditioning, negative: Conditioning | None = None, scale: float = 1.0
) -> NoisePredictor:
    """A model that follows ``conditioning`` by classifier-free guidance, both halves in one batch.

    eps = eps_neg + scale (eps_text - eps_neg) (Ho and Salimans 2022). The first N rows of the batch are the negative
    prompt's, the last N the prompt's; with ``scale`` 1 there is only the prompt. One prompt serves all latents.
    """
    if scale == 1:
        return lambda x, t: predict_noise(backbone, x, t, conditioning.expanded(len(x)))
    base = encode_text(backbone, [""]) if negative is None else negative

    def model(x: Tensor, t: int) -> Tensor:
        count = len(x)
        wanted = conditioning.expanded(count)
        both = Conditioning.cat([replace(base.expanded(count), surroundings=wanted.surroundings), wanted])
        without, with_text = predict_noise(backbone, torch.cat([x, x]), t, both).chunk(2)
        return without + scale * (with_text - without)

    return model


@torch.no_grad()
def sample(
    model: NoisePredictor,
    x: Tensor,
    schedule: SamplingSchedule,
    *,
    method: Solver = "ddim",
    eta: float = 0.0,
    generator: Generators | None = None,
    before: Sequence[BeforeStep] = (),
    after: Sequence[AfterStep] = (),
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Tensor:
    """Latents float32 (N, C, h, w) from ``x`` at the schedule's first noise level to its last.

    ``eta`` is DDIM's and needs a ``generator``, as ``tcd`` and ``lcm`` do: multistep sampling of a consistency model
    (Luo et al. 2023, algorithm 3) noises what the model sees anew at each step; what the boundary condition keeps of
    x_t is below 1e-4 at the steps that it is taken at. ``cancelled`` is asked before every call of the model.
    Cancelled when it says yes.
    """
    if method != "ddim" and eta:
        raise InputError(f"eta: it is DDIM's share of fresh noise, which {method} does not have; use ddim, or eta 0")
    if (eta or method in ("lcm", "tcd")) and generator is None:
        raise InputError("eta, lcm and tcd: fresh noise needs a generator; give one, or use ddim with eta 0")
    x, past = x.float(), None
    for step in schedule.steps():
        raise_if_cancelled(cancelled)
        for hook in before:
            x = hook(x, step)
        noise = model(x, step.t)
        x0 = step.level.predict_x0(x, noise)
        if method == "dpmpp_2m":
            x = dpmpp_2m_step(x, x0, step.level, step.after, *(past or ()))
            past = (x0, step.level)
        elif method == "lcm":
            x = x0 if step.last or generator is None else step.after.add_noise(x0, draw_noise(x.shape, generator, x))
        elif method == "tcd":
            x = x0 if step.last or generator is None else tcd_step(x, noise, step, draw_noise(x.shape, generator, x))
        else:
            fresh = draw_noise(x.shape, generator, x) if eta and generator is not None else None
            x = ddim_step(x, noise, step.level, step.after, eta, fresh)
        for hook_after in after:
            x = hook_after(x, step, x0)
        if progress is not None:
            progress(step.index + 1, step.count, x0)
    return x


def _step_back(known: Tensor, guess: Tensor, noise: Tensor, step: SamplingStep) -> Tensor:
    """A better ``guess`` of x_t, from which ``step`` leads to ``known``, by the ``noise`` that the model sees in it.

    On straight paths x_t = known + (t' - t'_after) u(guess): the noise itself changes with the guess, the velocity
    hardly does.
    """
    if step.level.straight:
        return guess + known - ddim_step(guess, noise, step.level, step.after)
    return ddim_step(known, noise, step.after, step.level)


@torch.no_grad()
def invert(
    model: NoisePredictor,
    x0: Tensor,
    schedule: SamplingSchedule,
    *,
    rounds: int = 10,
    tolerance: float = 1e-4,
    path: list[Tensor] | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Tensor:
    """The noise from which DDIM (eta 0, same ``schedule`` and ``model``) comes back to ``x0``.

    Each step solves ddim_step(x_t, eps(x_t, t)) = x_next for x_t by fixed-point iteration: at most ``rounds`` calls of
    the model, fewer where x_t moves by less than ``tolerance`` times its size. One round is the usual inversion,
    which takes eps at x_next and drifts where steps are long. Guidance makes the iteration diverge: invert with
    scale 1. ``path`` gets the latents on the way, noisiest first: path[i] is x at ``schedule.levels[i]``, path[-1] x0.
    """
    x = x0.float()
    if path is not None:
        path[:] = [x]
    for done, step in enumerate(reversed(schedule.steps()), start=1):
        known, guess = x, x
        for _ in range(max(rounds, 1)):
            raise_if_cancelled(cancelled)
            noise = model(guess, step.t)
            last, guess = guess, _step_back(known, guess, noise, step)
            if float((guess - last).square().mean()) <= tolerance**2 * float(guess.square().mean()):
                break
        x = guess
        if path is not None:
            path.insert(0, x)
        if progress is not None:
            progress(done, step.count, step.level.predict_x0(x, noise))
    return x


def raise_if_cancelled(cancelled: Callable[[], bool] | None) -> None:
    """Raise Cancelled if the person pressed stop."""
    if cancelled is not None and cancelled():
        raise Cancelled("stopped; what was finished is kept")
