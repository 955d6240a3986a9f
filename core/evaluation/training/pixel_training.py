"""Trains a network that says of each pixel whether it is anomalous, and scores photos with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core.device import choose_device, derive_seed, numpy_rng
from core.errors import InputError
from core.evaluation.detectors.api import EpochCallback, PackedDetector, ScoreMap, TrainContext
from core.evaluation.training.batches import TrainingFeed
from core.evaluation.training.draem import focal_loss
from core.evaluation.training.precision import Precision, PrecisionStep, step_for
from core.types import Image

_SCORING_BATCH_SIZE = 16
_CURVE_POINTS = 200


class PixelTrainingParams(Protocol):
    """The settings that every such training has."""

    @property
    def batch(self) -> int: ...
    @property
    def lr(self) -> float: ...
    @property
    def epochs(self) -> int: ...
    @property
    def samples(self) -> int: ...
    @property
    def test_every(self) -> int: ...
    @property
    def flips(self) -> bool: ...
    @property
    def precision(self) -> Precision: ...


def build_seeded(build: Callable[[], nn.Module], ctx: TrainContext) -> nn.Module:
    """The network that ``build`` makes with the context's seed; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(ctx.seed, "network"))
        return build()


Loss = Callable[[Tensor, Tensor], Tensor]
"""Of logits (B, 2, H, W) and masks bool (B, H, W)."""


class PixelTrainer:
    """One training: network, optimiser and schedule. Adam, its rate cut to a fifth after 80 and 90 percent."""

    def __init__(
        self,
        feed: TrainingFeed,
        network: nn.Module,
        params: PixelTrainingParams,
        ctx: TrainContext,
        loss: Loss = focal_loss,
    ) -> None:
        self.feed, self.params, self.ctx, self.loss = feed, params, ctx, loss
        self.step = step_for(choose_device(ctx.device), params.precision)
        self.network = network.to(self.step.device).to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=params.lr, foreach=False)
        milestones = [round(params.epochs * share) for share in (0.8, 0.9)]
        self.schedule = torch.optim.lr_scheduler.MultiStepLR(self.optimizer, milestones, gamma=0.2)
        self.per_epoch = math.ceil(params.samples / params.batch)
        self.done = 0
        self._losses: list[float] = []

    def run(self, watch: EpochCallback | None) -> TrainedPixelDetector:
        """Train to the end. ``watch(fitted, epoch)`` every ``test_every`` epochs and after the last."""
        params, fitted = self.params, TrainedPixelDetector(self.network, self.feed.preprocess, self.step, self.ctx)
        for epoch in range(1, params.epochs + 1):
            self._epoch(epoch)
            if watch and (epoch % params.test_every == 0 or epoch == params.epochs):
                watch(fitted, epoch)
        return fitted

    def _epoch(self, number: int) -> None:
        self.network.train()
        total = self.per_epoch * self.params.epochs
        for _ in range(self.per_epoch):
            self.ctx.check()
            loss = self._advance()
            self.done += 1
            self._losses.append(loss)
            if self.done % max(1, total // _CURVE_POINTS) == 0 or self.done == total:
                self.ctx.curve("loss", self.done / self.per_epoch, float(np.mean(self._losses)))
                self._losses.clear()
            self.ctx.progress(self.done, total, message=f"epoch {number} of {self.params.epochs}, loss {loss:.4f}")
        self.schedule.step()

    def _advance(self) -> float:
        rng = numpy_rng(self.ctx.seed, "batch", self.done)
        inputs, masks = self.feed.batch(rng, self.params.batch, self.params.flips)
        x = as_tensor(inputs, self.step.device)
        with self.step.autocast():
            logits = self.network(x)
        loss = self.loss(logits, torch.from_numpy(masks).to(self.step.device))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise InputError(f"training: the loss is {value} at step {self.done}; lower lr, or set precision=float32")
        self.step.optimize(loss, self.optimizer)
        return value


Preprocess = Callable[[Image], npt.NDArray[Any]]
"""A photo uint8 (H, W, 3) as the network takes it, (h, w, C)."""


class TrainedPixelDetector:
    """A trained network; while its training goes on, it goes on changing."""

    def __init__(self, network: nn.Module, prepare: Preprocess, step: PrecisionStep, ctx: TrainContext) -> None:
        self._network, self._prepare, self._step, self._ctx = network, prepare, step, ctx

    def score(self, images: Sequence[Image]) -> list[ScoreMap]:
        """The probability that a pixel is anomalous, float32 (H, W) in 0..1 at each photo's own size."""
        maps: list[ScoreMap] = []
        self._network.eval()
        for start in range(0, len(images), _SCORING_BATCH_SIZE):
            self._ctx.check()
            some = images[start : start + _SCORING_BATCH_SIZE]
            x = as_tensor(np.stack([self._prepare(image) for image in some]), self._step.device)
            with torch.inference_mode(), self._step.autocast():
                logits = self._network(x)
            anomalous = torch.softmax(logits.float(), 1)[:, 1].cpu().numpy()
            for image, scores in zip(some, anomalous, strict=True):
                grown = cv2.resize(scores, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
                maps.append(np.asarray(grown, np.float32))
        return maps

    def pack(self) -> PackedDetector:
        """The network's weights and buffers."""
        return PackedDetector({name: value.cpu().numpy() for name, value in self._network.state_dict().items()})


def restore_pixel_detector(
    network: nn.Module, packed: PackedDetector, prepare: Preprocess, precision: Precision, ctx: TrainContext
) -> TrainedPixelDetector:
    """What TrainedPixelDetector.pack wrote, in a ``network`` built like the one that was trained, computing as it did.

    InputError if the weights are those of another network.
    """
    own = {name: torch.from_numpy(np.array(value)) for name, value in packed.tensors.items()}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        raise InputError("trained detector: its weights do not fit its settings; train it again") from error
    device = choose_device(ctx.device)
    step = step_for(device, "float32" if device.type == "cpu" and precision == "float16" else precision)
    placed = network.to(step.device).to(memory_format=torch.channels_last)
    return TrainedPixelDetector(placed, prepare, step, ctx)


def as_tensor(inputs: Any, device: torch.device) -> Tensor:
    """Photos uint8 (B, H, W, 3) as floats in 0..1, or features float (B, h, w, C): (B, C, H, W), channels last."""
    x = torch.from_numpy(inputs).to(device).permute(0, 3, 1, 2)
    return x.float().div_(255) if x.dtype == torch.uint8 else x.float()
