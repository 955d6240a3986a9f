"""How noise and picture are mixed at each training step, and what a model predicts of the mixture.

x_t = a(t) x_0 + s(t) eps with eps ~ N(0, 1). Names here and in the papers:

    a(t), s(t)      sqrt(abar_t), sqrt(1 - abar_t) in DDPM; alpha_t, sigma_t in DPM-Solver++; 1 - t, t in flow matching
    NoiseLevel      the same as numbers, by their squares: signal = a^2 (DDIM's alpha_t), noise = s^2
    v               a eps - s x_0 (Salimans and Ho 2022)
    u               eps - x_0, the velocity dx/dt of rectified flow (Liu et al. 2023)
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from core.errors import InputError

Prediction = Literal["epsilon", "v", "x0", "flow"]

_LEAST_SIGNAL = 2**-24
"""With a signal of exactly zero x_0 could not be read off x_T; this much is lost in float32 beside 1."""


@dataclass(frozen=True)
class NoiseLevel:
    """How much of x_t is picture and how much is noise: ``signal`` a^2 and ``noise`` s^2, both at least 0."""

    signal: float
    noise: float

    @classmethod
    def preserving(cls, signal: float) -> NoiseLevel:
        """The level of a variance-preserving schedule: a^2 + s^2 = 1."""
        return cls(signal, 1 - signal)

    @property
    def a(self) -> float:
        """The factor of x_0."""
        return math.sqrt(self.signal)

    @property
    def s(self) -> float:
        """The factor of the noise."""
        return math.sqrt(self.noise)

    @property
    def power(self) -> float:
        """a^2 + s^2."""
        return self.signal + self.noise

    @property
    def straight(self) -> bool:
        """Whether it is of rectified flow: a + s = 1."""
        return math.isclose(self.a + self.s, 1.0, abs_tol=1e-9) and 0 < self.noise

    @property
    def half_log_snr(self) -> float:
        """log(a / s), DPM-Solver++'s lambda_t."""
        return 0.5 * math.log(self.signal / self.noise)

    def add_noise(self, x0: Tensor, noise: Tensor) -> Tensor:
        """x_t = a x_0 + s eps (DDPM, eq. 4)."""
        return self.a * x0 + self.s * noise

    def predict_x0(self, x: Tensor, noise: Tensor) -> Tensor:
        """x_0 as the noise in x_t implies it (DDIM, eq. 9): (x_t - s eps) / a."""
        return (x - self.s * noise) / self.a


CLEAN = NoiseLevel(1.0, 0.0)
"""The level of a picture."""


class NoiseSchedule(ABC):
    """a(t) and s(t) of the training steps t = 0 ... len - 1, from little noise to most, and what is predicted of x_t.

    Tensors x and eps are (N, C, h, w); ``t`` is one step for all of them, or int64 (N,).
    """

    prediction: Prediction

    @abstractmethod
    def __len__(self) -> int:
        """How many training steps there are."""

    @abstractmethod
    def level(self, t: int) -> NoiseLevel:
        """a(t)^2 and s(t)^2 as numbers."""

    @abstractmethod
    def a(self, t: int | Tensor) -> Tensor:
        """The factor of x_0: float32 (N, 1, 1, 1) on the CPU, or (1, 1, 1, 1)."""

    @abstractmethod
    def s(self, t: int | Tensor) -> Tensor:
        """The factor of the noise, as ``a``."""

    def shifted(self, step: float) -> float:
        """The training step at which a sampler that would stand at ``step``, of steps evenly apart, asks the model."""
        return step

    def add_noise(self, x0: Tensor, noise: Tensor, t: int | Tensor) -> Tensor:
        """x_t = a x_0 + s eps."""
        a, s = self._factors(t, x0)
        return a * x0 + s * noise

    def training_target(self, x0: Tensor, noise: Tensor, t: int | Tensor) -> Tensor:
        """What the model should predict of x_t: eps; v = a eps - s x_0; x_0; or u = eps - x_0."""
        if self.prediction == "epsilon":
            return noise
        if self.prediction == "x0":
            return x0
        if self.prediction == "flow":
            return noise - x0
        a, s = self._factors(t, x0)
        return a * noise - s * x0

    def to_epsilon(self, x: Tensor, t: int | Tensor, predicted: Tensor) -> Tensor:
        """The noise in x_t, float32, from what the model ``predicted`` of it.

        Of v with a^2 + s^2 = 1: eps = a v + s x_t; of x_0: (x_t - a x_0) / s; of u with a + s = 1: x_t + a u.
        """
        if self.prediction == "epsilon":
            return predicted
        x = x.float()
        a, s = self._factors(t, x)
        if self.prediction == "v":
            return a * predicted + s * x
        return (x - a * predicted) / s if self.prediction == "x0" else x + a * predicted

    def predict_x0(self, x: Tensor, t: int | Tensor, predicted: Tensor) -> Tensor:
        """x_0, float32, from what the model ``predicted`` of x_t.

        Of eps: (x_t - s eps) / a; of v with a^2 + s^2 = 1: a x_t - s v; of u with a + s = 1: x_t - s u.
        """
        if self.prediction == "x0":
            return predicted
        x = x.float()
        a, s = self._factors(t, x)
        if self.prediction == "v":
            return a * x - s * predicted
        return (x - s * predicted) / a if self.prediction == "epsilon" else x - s * predicted

    def _factors(self, t: int | Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        return self.a(t).to(like.device), self.s(t).to(like.device)


class VariancePreserving(NoiseSchedule):
    """DDPM's schedules: a^2 = abar_t, s^2 = 1 - abar_t. ``alphas_cumprod`` is abar, float (T,), falling."""

    def __init__(self, alphas_cumprod: Tensor, prediction: Literal["epsilon", "v", "x0"] = "epsilon") -> None:
        self._signal = alphas_cumprod.double().cpu().clamp(min=_LEAST_SIGNAL)
        self.prediction = prediction

    def __len__(self) -> int:
        return len(self._signal)

    def level(self, t: int) -> NoiseLevel:
        """abar_t and 1 - abar_t."""
        return NoiseLevel.preserving(float(self._signal[t]))

    def a(self, t: int | Tensor) -> Tensor:
        """sqrt(abar_t)."""
        return self._share(t).sqrt()

    def s(self, t: int | Tensor) -> Tensor:
        """sqrt(1 - abar_t)."""
        return (1 - self._share(t)).sqrt()

    def _share(self, t: int | Tensor) -> Tensor:
        return self._signal[_indices(t)].float().reshape(-1, 1, 1, 1)


class RectifiedFlow(NoiseSchedule):
    """Straight paths from picture to noise: a = 1 - t', s = t' at time t' = (t + 1) / T of training step t.

    The model predicts u = eps - x_0, and DDIM without fresh noise is Euler's step x + (t'_next - t') u. A sampler
    stays longer at much noise with a ``shift`` k above 1: k t' / (1 + (k - 1) t') in place of t' (Esser et al. 2024,
    eq. 23).
    """

    prediction: Prediction = "flow"

    def __init__(self, steps: int = 1000, shift: float = 1.0) -> None:
        if steps < 1:
            raise InputError(f"rectified flow: expected at least 1 training step, got {steps}")
        if shift <= 0:
            raise InputError(f"rectified flow: expected a shift above 0, got {shift}")
        self._steps, self._shift = steps, shift

    def shifted(self, step: float) -> float:
        """See the class."""
        return self._shift * step / (1 + (self._shift - 1) * step / self._steps)

    def __len__(self) -> int:
        return self._steps

    def level(self, t: int) -> NoiseLevel:
        """(1 - t')^2 and t'^2."""
        time = float(self._time(t))
        return NoiseLevel((1 - time) ** 2, time**2)

    def a(self, t: int | Tensor) -> Tensor:
        """1 - t'."""
        return (1 - self._time(t)).float()

    def s(self, t: int | Tensor) -> Tensor:
        """t'."""
        return self._time(t).float()

    def _time(self, t: int | Tensor) -> Tensor:
        """At the last step a trace of signal is left, of which x_0 can be read."""
        time = (_indices(t).double().reshape(-1, 1, 1, 1) + 1) / self._steps
        return time.clamp(max=1 - math.sqrt(_LEAST_SIGNAL))


def _indices(t: int | Tensor) -> Tensor:
    return torch.as_tensor(t).cpu().reshape(-1)
