"""One training loop for small sets of parameters: placeholder vectors, adapters, a mask encoder.

The model is frozen, images become latents once, texts once where no trained parameter shapes them. Every draw of step
i comes from a seed of its own, so a run that was stopped and taken up again ends in the same bits as one that was not.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from core.device import derive_seed, torch_generator
from core.diffusion.backbone import Backbone, model_output
from core.diffusion.conditioning import Conditioning
from core.diffusion.prompt_encoding import encode_ids
from core.diffusion.sampling import raise_if_cancelled
from core.errors import InputError, Unavailable
from core.images import atomic_write
from core.training.training_samples import EncodedSamples, PromptSamples, masked_loss

_POINTS = 400


@dataclass(frozen=True)
class TrainingPlan:
    """How to train. ``area_weight`` weights each masked loss by HW / |m|, clamped to 1..100; ``background`` is the
    weight of the loss outside the mask. Validation runs every ``validate_every`` steps (0: never) and stops the run
    when ``patience`` of them in a row were no better; the best parameters are kept. ``rates`` are pairs of a name's
    beginning and a factor: such parameters learn at ``lr`` times it (the first that fits)."""

    steps: int
    batch: int = 4
    lr: float = 5e-3
    rates: tuple[tuple[str, float], ...] = ()
    weight_decay: float = 0.0
    warmup: int = 0
    clip: float = 1.0
    seed: int = 0
    area_weight: bool = True
    background: float = 0.0
    validate_every: int = 0
    validate_draws: int = 4
    patience: int = 5
    checkpoint_every: int = 100


@dataclass(frozen=True)
class TrainingResult:
    """How a run went: steps done, the loss of each step, (step, loss) of each validation, and why it ended."""

    steps: int
    losses: tuple[float, ...]
    validation: tuple[tuple[int, float], ...]
    stopped_early: bool

    def summary(self) -> dict[str, Any]:
        """What a concept notes of the run, as JSON values."""
        return {"steps": self.steps, "stopped_early": self.stopped_early, "losses": thinned(self.losses)}


def thinned(losses: Sequence[float]) -> list[list[float]]:
    """(step, mean loss since the last point), at most a few hundred points."""
    width = max(1, -(-len(losses) // _POINTS))
    return [[min(i + width, len(losses)), float(np.mean(losses[i : i + width]))] for i in range(0, len(losses), width)]


S = TypeVar("S", bound=EncodedSamples)
Predictor = Callable[[Tensor, Tensor, Conditioning], Tensor]
"""``predictor(x, t, conditioning)``: what the model predicts of x_t."""


@dataclass(frozen=True)
class Trainable(Generic[S]):
    """What is trained, and how the model is asked.

    ``parameters`` must already be part of the model: placeholder vectors, an adapter, an encoder. ``conditioning``
    gives the prompts of some rows (n,) of the samples, and ``penalty`` what is added to the loss of
    each of the rows that just went through, (n,). ``predictor`` replaces core.diffusion.backbone.model_output where
    the model is called otherwise.
    """

    backbone: Backbone
    parameters: Mapping[str, nn.Parameter]
    conditioning: Callable[[S, Tensor], Conditioning]
    predictor: Predictor | None = None
    penalty: Callable[[S, Tensor], Tensor] | None = None


def prompt_conditioning(backbone: Backbone) -> Callable[[PromptSamples, Tensor], Conditioning]:
    """Each sample's own prompt, for ``Trainable.conditioning``."""

    def conditioning(samples: PromptSamples, rows: Tensor) -> Conditioning:
        known = samples.conditioning
        return encode_ids(backbone, samples.ids[rows]) if known is None else known.rows(rows)

    return conditioning


def train(
    trainable: Trainable[S],
    samples: S,
    plan: TrainingPlan,
    *,
    validation: S | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[int, int, float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> TrainingResult:
    """Train the parameters in place, on ``samples``.

    ``checkpoint`` is written every so often, at a stop and at the end, and taken up if it is there; InputError if it
    is of another plan. ``progress(done, steps, loss)``. Cancelled within a step; the checkpoint holds what was done.
    """
    backbone, parameters = trainable.backbone, trainable.parameters
    if backbone.dtype == torch.float16:
        raise InputError("training: float16 loses small gradients; load the backbone with dtype float32 or bfloat16")
    if plan.validate_every and not validation:
        raise InputError("training: validation needs samples of its own; give some, or set validate_every to 0")
    run = _Optimization(trainable, samples, plan)
    if checkpoint is not None and checkpoint.is_file():
        run.restore(checkpoint)
    try:
        with enable_gradients(backbone, parameters.values()):
            for loss in run.steps(validation, cancelled):
                if checkpoint is not None and run.step % plan.checkpoint_every == 0:
                    run.save(checkpoint)
                if progress is not None:
                    progress(run.step, plan.steps, loss)
    finally:
        # Also when stopped, and when the process is about to fall: what was done is kept.
        if checkpoint is not None:
            run.save(checkpoint)
    run.take_best()
    return TrainingResult(run.step, tuple(run.losses), tuple(run.validated), run.early)


def steps_done(checkpoint: Path) -> int:
    """How many steps the run behind a checkpoint has done; 0 where there is none that can be read."""
    try:
        return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["step"])
    except (OSError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError):
        return 0


class _Optimization(Generic[S]):
    """The state of a run: what a checkpoint holds, and how it goes on."""

    def __init__(self, trainable: Trainable[S], samples: S, plan: TrainingPlan) -> None:
        self.trainable, self.samples, self.plan = trainable, samples, plan
        self.backbone = backbone = trainable.backbone
        self.parameters = parameters = dict(trainable.parameters)
        self.predictor: Predictor = trainable.predictor or (lambda x, t, told: model_output(backbone, x, t, told))
        rates = [_rate(plan, name) for name in parameters]
        groups = [
            {"params": [p for p, own in zip(parameters.values(), rates, strict=True) if own == rate], "rate": rate}
            for rate in dict.fromkeys(rates)
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=plan.lr, weight_decay=plan.weight_decay, foreach=False)
        self.step, self.early = 0, False
        self.losses: list[float] = []
        self.validated: list[tuple[int, float]] = []
        self.best: dict[str, Tensor] = {}

    def steps(self, validation: S | None, cancelled: Callable[[], bool] | None) -> Iterator[float]:
        """Step after step, with the loss of each, until the plan or the patience is at its end."""
        while True:
            done = self.validated[-1][0] if self.validated else 0
            every = self.plan.validate_every
            if validation is not None and every and self.step % every == 0 and self.step > done:
                self.validate(validation, cancelled)
            if self.step >= self.plan.steps or self.early:
                return
            raise_if_cancelled(cancelled)
            yield self.advance(cancelled)

    def advance(self, cancelled: Callable[[], bool] | None) -> float:
        """One step of the optimiser. A stop between forward and backward pass leaves the parameters as they were."""
        plan = self.plan
        generator = torch_generator(derive_seed(plan.seed, "train", self.step))
        count = min(plan.batch, len(self.samples))
        rows = torch.randperm(len(self.samples), generator=generator)[:count]
        for group in self.optimizer.param_groups:
            group["lr"] = plan.lr * group["rate"] * min(1.0, (self.step + 1) / max(plan.warmup, 1))
        loss = self._losses(self.samples, rows, generator).mean()
        raise_if_cancelled(cancelled)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        if plan.clip:
            nn.utils.clip_grad_norm_(list(self.parameters.values()), plan.clip)
        self.optimizer.step()
        self.step += 1
        self.losses.append(float(loss.detach()))
        return self.losses[-1]

    @torch.no_grad()
    def validate(self, samples: S, cancelled: Callable[[], bool] | None) -> None:
        """The loss on ``samples`` at the same noises and times whenever it is asked."""
        total = 0.0
        for draw in range(self.plan.validate_draws):
            for row in range(len(samples)):
                raise_if_cancelled(cancelled)
                generator = torch_generator(derive_seed(self.plan.seed, "validate", draw, row))
                total += float(self._losses(samples, torch.tensor([row]), generator).sum())
        loss = total / (self.plan.validate_draws * len(samples))
        if not self.validated or loss < min(known for _, known in self.validated):
            self.best = {name: p.detach().cpu().clone() for name, p in self.parameters.items()}
        self.validated.append((self.step, loss))
        losses = [known for _, known in self.validated]
        self.early = len(losses) - 1 - losses.index(min(losses)) >= self.plan.patience

    def _losses(self, samples: S, rows: Tensor, generator: torch.Generator) -> Tensor:
        backbone, schedule = self.backbone, self.backbone.noise_schedule
        x0 = samples.latents[rows]
        noise = torch.randn(x0.shape, generator=generator).to(backbone.device)
        t = torch.randint(len(schedule), (len(rows),), generator=generator)
        x0, mask = x0.to(backbone.device), samples.masks[rows].to(backbone.device)
        conditioning = self.trainable.conditioning(samples, rows)
        if samples.surroundings is not None:
            conditioning = replace(conditioning, surroundings=samples.surroundings[rows])
        out = self.predictor(schedule.add_noise(x0, noise, t), t, conditioning)
        wanted = schedule.training_target(x0, noise, t)
        plan = self.plan
        loss = masked_loss(out, wanted, mask, area_weight=plan.area_weight, background=plan.background)
        penalty = self.trainable.penalty
        return loss if penalty is None else loss + penalty(samples, rows)

    def take_best(self) -> None:
        """The parameters of the best validation, where there was one."""
        with torch.no_grad():
            for name, value in self.best.items():
                self.parameters[name].copy_(value)

    def save(self, path: Path) -> None:
        """Everything that going on needs, written whole or not at all."""
        state = {
            "plan": self._plan(),
            "step": self.step,
            "early": self.early,
            "losses": self.losses,
            "validated": self.validated,
            "best": self.best,
            "parameters": {name: p.detach().cpu() for name, p in self.parameters.items()},
            "optimizer": self.optimizer.state_dict(),
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        atomic_write(path, buffer.getvalue())

    def restore(self, path: Path) -> None:
        """Take up where ``path`` was written. Only plain tensors and numbers are read."""
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
            raise Unavailable(f"{path}: the checkpoint is broken; delete it to start over") from error
        shapes = {name: tuple(p.shape) for name, p in self.parameters.items()}
        if state["plan"] != self._plan() or {n: tuple(p.shape) for n, p in state["parameters"].items()} != shapes:
            raise InputError(f"{path}: it is of a run with other settings; delete it to start over, or set them back")
        with torch.no_grad():
            for name, value in state["parameters"].items():
                self.parameters[name].copy_(value)
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.early, self.best = state["step"], state["early"], state["best"]
        self.losses, self.validated = list(state["losses"]), [(int(s), float(v)) for s, v in state["validated"]]

    def _plan(self) -> dict[str, Any]:
        # More steps than before, looked at more or less often, is the same run, going on.
        free = ("steps", "checkpoint_every", "validate_every")
        return {k: v for k, v in asdict(self.plan).items() if k not in free}


def _rate(plan: TrainingPlan, name: str) -> float:
    return next((factor for start, factor in plan.rates if name.startswith(start)), 1.0)


@contextmanager
def enable_gradients(backbone: Backbone, parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """``parameters`` take gradients and the model evaluates while the block runs; afterwards all is as it was."""
    modules = [m for part in (backbone.unet, *backbone.text_encoders) for m in part.modules()]
    modes, values = [m.training for m in modules], list(parameters)
    took = [p.requires_grad for p in values]
    try:
        for module in modules:
            module.training = False
        for value in values:
            value.requires_grad_(True)
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
        for value, taken in zip(values, took, strict=True):
            value.requires_grad_(taken)
            value.grad = None
