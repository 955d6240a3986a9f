"""What both trainings share: an averaged copy, a rate that falls to nothing, checkpoints, a log."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """An exponential moving average of a model's weights, kept in float32 beside it."""

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        self._decay, self._seen = decay, 0
        self.weights = {name: p.detach().clone() for name, p in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """One step; the first steps count more, so that the start is forgotten."""
        self._seen += 1
        share = 1 - min(self._decay, (1 + self._seen) / (10 + self._seen))
        for name, p in model.state_dict().items():
            mean = self.weights[name]
            mean.lerp_(p, share) if mean.is_floating_point() else mean.copy_(p)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"weights": self.weights, "seen": self._seen}

    def load(self, state: dict[str, Any]) -> None:
        """Inverse of state."""
        self.weights, self._seen = state["weights"], state["seen"]


class Muon(torch.optim.Optimizer):
    """Momentum whose update is the nearest orthogonal matrix to it (Jordan et al. 2024); kernels as (out, rest).

    torch.optim.Muon takes matrices only, and most weights here are kernels. On the autoencoder it reached in two
    minutes of one core what AdamW needed fifteen for.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.95, decay: float = 0.0) -> None:
        super().__init__(list(parameters), {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                mean = state.setdefault("mean", torch.zeros_like(p))
                mean.mul_(group["momentum"]).add_(p.grad)
                update = _orthogonal((p.grad + group["momentum"] * mean).flatten(1))
                scale = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
                p.mul_(1 - group["lr"] * group["decay"])
                p.add_(update.view_as(p), alpha=-group["lr"] * scale)


def _orthogonal(matrix: Tensor, rounds: int = 5) -> Tensor:
    """Newton-Schulz: singular values to about 1."""
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(rounds):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.T if tall else x


class Pair:
    """Muon for the ``inner`` kernels and matrices, AdamW for all else; peaks scale together."""

    def __init__(
        self, inner: list[Tensor], rest: list[Tensor], peak: float, peak_rest: float, decay: float = 0.0
    ) -> None:
        self._peaks = (peak, peak_rest)
        self.both = (
            Muon(inner, peak, decay=decay),
            torch.optim.AdamW(rest, lr=peak_rest, betas=(0.9, 0.99), weight_decay=decay),
        )

    def step(self, share: float) -> None:
        """Update at ``share`` of the peaks, and clear the gradients."""
        for optimiser, peak in zip(self.both, self._peaks, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = peak * share
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def state(self) -> list[Any]:
        """For a checkpoint."""
        return [optimiser.state_dict() for optimiser in self.both]

    def load(self, states: list[Any]) -> None:
        """Inverse of state."""
        for optimiser, state in zip(self.both, states, strict=True):
            optimiser.load_state_dict(state)


def rate(step: int, steps: int, warm: int = 50) -> float:
    """Share of the peak rate: up over ``warm`` steps, then straight down to a hundredth."""
    return min(1.0, (step + 1) / warm) * max(0.01, 1 - step / steps)


def clip(parameters: Iterable[Tensor], most: float = 1.0) -> None:
    """Scale gradients down to the norm ``most``."""
    torch.nn.utils.clip_grad_norm_(list(parameters), most)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def restore(path: Path) -> dict[str, Any] | None:
    """The checkpoint at ``path``, or None at the first start."""
    return torch.load(path, weights_only=True) if path.is_file() else None


class Log:
    """Appends one JSON object a line, with the seconds worked so far (over restarts)."""

    def __init__(self, path: Path, worked: float = 0.0) -> None:
        self._path, self._start = path, time.perf_counter() - worked

    @property
    def worked(self) -> float:
        """Seconds."""
        return time.perf_counter() - self._start

    def line(self, **values: float | int | str) -> None:
        """Write and print."""
        text = json.dumps({**values, "s": round(self.worked, 1)})
        with self._path.open("a") as file:
            file.write(text + "\n")
        print(text, flush=True)
