"""From noise to latents and back: one loop, two solvers, hooks at every step.

A model here is ``model(x, t) -> eps``: latents float32 (N, C, h, w) at training step ``t``, and the noise in them.
Names here and in the papers (DDIM: Song et al. 2021; DPM-Solver++: Lu et al. 2022):

    a           abar_t, the share of signal; x_t = sqrt(a) x_0 + sqrt(1 - a) eps   (DDIM's alpha_t)
    alpha, sigma   sqrt(a), sqrt(1 - a)                                           (DPM-Solver++'s alpha_t, sigma_t)
    lam         log(alpha / sigma), half the log signal-to-noise ratio             (lambda_t)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from core.diffusion.backbone import Backbone, predict_noise
from core.diffusion.tokens import encode_text
from core.errors import Cancelled, InputError

Model = Callable[[Tensor, int], Tensor]
Method = Literal["ddim", "dpmpp_2m"]
Generators = torch.Generator | Sequence[torch.Generator]
"""One for the batch, or one for each of its rows."""


@dataclass(frozen=True)
class SamplingStep:
    """One step of the loop: from signal share ``a`` at training step ``t`` to ``a_next``; ``index`` of ``count``."""

    index: int
    count: int
    t: int
    a: float
    a_next: float

    @property
    def last(self) -> bool:
        """Whether the latents are final after it."""
        return self.index + 1 == self.count


Before = Callable[[Tensor, SamplingStep], Tensor]
"""``before(x, step)``: x_t as the model shall see it."""
After = Callable[[Tensor, SamplingStep, Tensor], Tensor]
"""``after(x, step, x0)``: x at ``step.a_next`` as the next step shall get it; ``x0`` is what the model saw in x_t."""
Progress = Callable[[int, int, Tensor], None]
"""``progress(done, count, x0)``."""


@dataclass(frozen=True)
class Schedule:
    """Training steps in the order of sampling, and the signal share at each and after the last: one more."""

    timesteps: tuple[int, ...]
    alphas: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.alphas) != len(self.timesteps) + 1 or not self.timesteps:
            raise InputError(f"schedule: {len(self.timesteps)} steps need one share more, got {len(self.alphas)}")
        if any(low >= high for low, high in zip(self.alphas, self.alphas[1:], strict=False)):
            raise InputError("schedule: the share of signal must grow from step to step; take fewer steps")

    def steps(self) -> list[SamplingStep]:
        """The steps in order."""
        count = len(self.timesteps)
        return [SamplingStep(i, count, t, self.alphas[i], self.alphas[i + 1]) for i, t in enumerate(self.timesteps)]


def make_schedule(
    alphas_cumprod: Tensor, count: int, spacing: Literal["trailing", "leading"] = "trailing", strength: float = 1.0
) -> Schedule:
    """``count`` steps over the model's T, ending at a clean image.

    ``trailing`` starts at the noisiest step (Lin et al. 2024), ``leading`` one spacing below it, as Stable Diffusion
    and AnomalyDiffusion do. ``strength`` below 1 leaves out the first steps: sampling then starts from a noised image.
    """
    total = len(alphas_cumprod)
    if not 1 <= count <= total:
        raise InputError(f"steps: expected 1 to {total}, got {count}")
    if not 0 < strength <= 1:
        raise InputError(f"strength: expected more than 0 and at most 1, got {strength}")
    if spacing == "trailing":
        times = [round(total - i * total / count) - 1 for i in range(count)]
    else:
        times = [min(i * (total // count) + 1, total - 1) for i in reversed(range(count))]
    times = times[count - max(1, round(count * strength)) :]
    return Schedule(tuple(times), (*(float(alphas_cumprod[t]) for t in times), 1.0))


def draw_noise(shape: Sequence[int], generator: Generators, like: Tensor | None = None) -> Tensor:
    """Standard normal float32 noise, drawn on the CPU so that a seed means the same everywhere, then moved.

    Of several generators each draws its own row, which is then the same in whatever batch.
    """
    if isinstance(generator, torch.Generator):
        noise = torch.randn(tuple(shape), generator=generator, dtype=torch.float32)
    else:
        noise = torch.cat([draw_noise((1, *shape[1:]), each) for each in generator])
    return noise if like is None else noise.to(like.device)


def add_noise(x0: Tensor, noise: Tensor, a: float) -> Tensor:
    """x_t of signal share ``a``: sqrt(a) x_0 + sqrt(1 - a) noise (DDPM, eq. 4)."""
    return math.sqrt(a) * x0 + math.sqrt(1 - a) * noise


def predict_x0(x: Tensor, noise: Tensor, a: float) -> Tensor:
    """x_0 as the noise prediction implies it (DDIM, eq. 9): (x_t - sqrt(1 - a) eps) / sqrt(a)."""
    return (x - math.sqrt(1 - a) * noise) / math.sqrt(a)


def ddim_step(
    x: Tensor, noise: Tensor, a: float, a_next: float, eta: float = 0.0, fresh: Tensor | None = None
) -> Tensor:
    """One step of DDIM (eqs. 12 and 16): ``eta`` 0 follows the ODE, 1 is DDPM's step with ``fresh`` noise."""
    sigma = eta * math.sqrt((1 - a_next) / (1 - a)) * math.sqrt(1 - a / a_next) if eta else 0.0
    toward = math.sqrt(max(1 - a_next - sigma**2, 0.0)) * noise
    out = math.sqrt(a_next) * predict_x0(x, noise, a) + toward
    return out if sigma == 0 or fresh is None else out + sigma * fresh


def dpmpp_2m_step(
    x: Tensor, x0: Tensor, a: float, a_next: float, x0_before: Tensor | None = None, a_before: float | None = None
) -> Tensor:
    """One step of DPM-Solver++(2M) (algorithm 2), for the probability-flow ODE in x_0.

    h = lam_next - lam, r = (lam - lam_before) / h, D = (1 + 1/2r) x0 - 1/2r x0_before,
    x_next = sigma_next / sigma x - alpha_next (exp(-h) - 1) D. First order where nothing came before, and in the step
    to a clean image, where h is infinite and x_next is x0.
    """
    if a_next >= 1:
        return x0
    h = _lam(a_next) - _lam(a)
    d = x0
    if x0_before is not None and a_before is not None:
        r = (_lam(a) - _lam(a_before)) / h
        d = (1 + 1 / (2 * r)) * x0 - 1 / (2 * r) * x0_before
    return math.sqrt((1 - a_next) / (1 - a)) * x - math.sqrt(a_next) * math.expm1(-h) * d


def _lam(a: float) -> float:
    return 0.5 * math.log(a / (1 - a))


def guided(backbone: Backbone, text: Tensor, negative: Tensor | None = None, scale: float = 1.0) -> Model:
    """A model that follows ``text`` (N, length, width) by classifier-free guidance, both halves in one batch.

    eps = eps_neg + scale (eps_text - eps_neg) (Ho and Salimans 2022). The first N rows of the batch are the negative
    prompt's, the last N the prompt's; with ``scale`` 1 there is only the prompt. One text serves all latents.
    """
    if scale == 1:
        return lambda x, t: predict_noise(backbone, x, t, text.expand(len(x), -1, -1))
    base = encode_text(backbone, [""]) if negative is None else negative

    def model(x: Tensor, t: int) -> Tensor:
        both = torch.cat([base.expand(len(x), -1, -1).to(text), text.expand(len(x), -1, -1)])
        without, with_text = predict_noise(backbone, torch.cat([x, x]), t, both).chunk(2)
        return without + scale * (with_text - without)

    return model


@torch.no_grad()
def sample(
    model: Model,
    x: Tensor,
    schedule: Schedule,
    *,
    method: Method = "ddim",
    eta: float = 0.0,
    generator: Generators | None = None,
    before: Sequence[Before] = (),
    after: Sequence[After] = (),
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Tensor:
    """Latents float32 (N, C, h, w) from ``x`` at the schedule's first signal share to its last.

    ``eta`` is DDIM's and needs a ``generator``. ``cancelled`` is asked before every call of the model. Cancelled when
    it says yes.
    """
    if method == "dpmpp_2m" and eta:
        raise InputError("eta: DPM-Solver++(2M) draws no noise on its way; use ddim, or eta 0")
    if eta and generator is None:
        raise InputError("eta: fresh noise needs a generator; give one, or eta 0")
    x, past = x.float(), None
    for step in schedule.steps():
        stop_if(cancelled)
        for hook in before:
            x = hook(x, step)
        noise = model(x, step.t)
        x0 = predict_x0(x, noise, step.a)
        if method == "dpmpp_2m":
            x = dpmpp_2m_step(x, x0, step.a, step.a_next, *(past or ()))
            past = (x0, step.a)
        else:
            fresh = draw_noise(x.shape, generator, x) if eta and generator is not None else None
            x = ddim_step(x, noise, step.a, step.a_next, eta, fresh)
        for hook_after in after:
            x = hook_after(x, step, x0)
        if progress is not None:
            progress(step.index + 1, step.count, x0)
    return x


@torch.no_grad()
def invert(
    model: Model,
    x0: Tensor,
    schedule: Schedule,
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
    scale 1. ``path`` gets the latents on the way, noisiest first: path[i] is x at ``schedule.alphas[i]``, path[-1] x0.
    """
    x = x0.float()
    if path is not None:
        path[:] = [x]
    for done, step in enumerate(reversed(schedule.steps()), start=1):
        known, guess = x, x
        for _ in range(max(rounds, 1)):
            stop_if(cancelled)
            noise = model(guess, step.t)
            last, guess = guess, ddim_step(known, noise, step.a_next, step.a)
            if float((guess - last).square().mean()) <= tolerance**2 * float(guess.square().mean()):
                break
        x = guess
        if path is not None:
            path.insert(0, x)
        if progress is not None:
            progress(done, step.count, predict_x0(x, noise, step.a))
    return x


def stop_if(cancelled: Callable[[], bool] | None) -> None:
    """Raise Cancelled if the person pressed stop."""
    if cancelled is not None and cancelled():
        raise Cancelled("stopped; what was finished is kept")
