"""The U-Net that the papers train on generated pairs: DRAEM's discriminative network with the focal loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
from pydantic import Field

from core.device import choose_device, derive_seed, numpy_rng
from core.errors import InputError
from core.evaluate.data import Shot
from core.evaluate.detectors.base import DetectorParams, ScoreMap, TrainContext, Watch, pooled_maximum
from core.evaluate.learn.feed import Feed, fit_image
from core.types import Image

if TYPE_CHECKING:
    import torch

    from core.evaluate.learn.draem import DiscriminativeNetwork
    from core.evaluate.learn.precision import Step

_SCORED_AT_ONCE = 16
_CURVE_POINTS = 200


class UNetParams(DetectorParams):
    """Form and bounds of the ``unet`` detector. The defaults are those of the ``cpu`` preset."""

    PRESETS = {
        "cpu": {},
        "paper": {
            "width": 64, "side": 256, "batch": 8, "lr": 1e-4, "epochs": 200, "samples": 500, "test_every": 1,
            "cover": 0.5,
        },
    }  # fmt: skip

    width: int = Field(16, ge=4, le=256, title="Width", description="Channels of the first level; published: 64.")
    side: int = Field(
        160,
        ge=32,
        le=1024,
        multiple_of=32,
        title="Working size",
        description="Pixels a side that photos are brought to; published: 256.",
    )
    batch: int = Field(8, ge=2, le=256, title="Batch", description="Half good photos, half pairs.")
    lr: float = Field(1e-3, gt=0, le=1, title="Learning rate", description="Of Adam; published: 0.0001.")
    epochs: int = Field(
        8,
        ge=1,
        le=10_000,
        title="Epochs",
        description="The rate falls to a fifth after 80 and again after 90 percent.",
    )
    samples: int = Field(
        400, ge=2, le=1_000_000, title="Samples per epoch", description="Drawn from the set, whatever its size."
    )
    test_every: int = Field(
        2, ge=1, le=10_000, title="Test every", description="Epochs between two looks at the test set, for the curves."
    )
    cover: float = Field(
        0.25,
        ge=0,
        lt=1,
        title="Mask cover",
        description="Share of a shrunk pixel that a mask must cover; less keeps thin cracks whole; published: 0.5.",
    )
    flips: bool = Field(
        False, title="Mirror", description="Mirror samples at random; the published training does not."
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", title="Precision", description="auto takes 16 bits where the device computes in them."
    )


class UNet:
    """Learns from pairs and good photos to say of each pixel whether it is anomalous."""

    name = "unet"
    title = "U-Net (DRAEM)"
    summary = "The papers' localizer: DRAEM's discriminative network, trained on pairs and good photos."
    needs_pairs = True
    Params = UNetParams

    def available(self) -> str | None:
        """None, or which library is missing."""
        return None if find_spec("torch") else "needs torch; run: pip install torch torchvision"

    def image_score(self, scores: ScoreMap) -> float:
        """The papers' image score."""
        return pooled_maximum(scores)

    def fit(
        self, train: Sequence[Shot], params: UNetParams, ctx: TrainContext, watch: Watch | None = None
    ) -> FittedUNet:
        """Train; the same seed gives the same network on one machine's CPU, on a GPU up to its rounding.

        ``watch(fitted, epoch)`` every ``test_every`` epochs and after the last. InputError if the training set
        lacks good photos or anomalies, or if the loss is no number any more; Cancelled within a step.
        """
        feed = Feed(train, params.side, params.cover, ctx.check)
        run = _Run(feed, params, ctx)
        for epoch in range(1, params.epochs + 1):
            run.epoch(epoch)
            if watch and (epoch % params.test_every == 0 or epoch == params.epochs):
                watch(run.fitted(), epoch)
        return run.fitted()


class _Run:
    """One training: network, optimiser and schedule."""

    def __init__(self, feed: Feed, params: UNetParams, ctx: TrainContext) -> None:
        import torch

        from core.evaluate.learn.draem import DiscriminativeNetwork
        from core.evaluate.learn.precision import step_for

        self.feed, self.params, self.ctx = feed, params, ctx
        self.step = step_for(choose_device(ctx.device), params.precision)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(ctx.seed, "unet"))
            network = DiscriminativeNetwork(params.width)
        self.network = network.to(self.step.device).to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=params.lr, foreach=False)
        milestones = [round(params.epochs * share) for share in (0.8, 0.9)]
        self.schedule = torch.optim.lr_scheduler.MultiStepLR(self.optimizer, milestones, gamma=0.2)
        self.per_epoch = math.ceil(params.samples / params.batch)
        self.done = 0
        self._losses: list[float] = []

    def epoch(self, number: int) -> None:
        """One pass of ``samples`` samples, then the schedule."""
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
            self.ctx.progress(self.done, total, f"epoch {number} of {self.params.epochs}, loss {loss:.4f}")
        self.schedule.step()

    def _advance(self) -> float:
        import torch

        from core.evaluate.learn.draem import focal_loss

        rng = numpy_rng(self.ctx.seed, "batch", self.done)
        images, masks = self.feed.batch(rng, self.params.batch, self.params.flips)
        x = _tensor(images, self.step.device)
        with self.step.autocast():
            logits = self.network(x)
        loss = focal_loss(logits, torch.from_numpy(masks).to(self.step.device))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise InputError(f"unet: the loss is {value} at step {self.done}; lower lr, or set precision to float32")
        self.step.descend(loss, self.optimizer)
        return value

    def fitted(self) -> FittedUNet:
        """The network as it is now; it goes on changing while the run goes on."""
        return FittedUNet(self.network, self.params.side, self.step, self.ctx)


class FittedUNet:
    """A trained U-Net."""

    def __init__(self, network: DiscriminativeNetwork, side: int, step: Step, ctx: TrainContext) -> None:
        self._network, self._side, self._step, self._ctx = network, side, step, ctx

    def score(self, images: Sequence[Image]) -> list[ScoreMap]:
        """The probability that a pixel is anomalous, float32 (H, W) in 0..1 at each photo's own size."""
        import torch

        maps: list[ScoreMap] = []
        self._network.eval()
        for start in range(0, len(images), _SCORED_AT_ONCE):
            self._ctx.check()
            some = images[start : start + _SCORED_AT_ONCE]
            small = np.stack([fit_image(image, (self._side, self._side)) for image in some])
            with torch.inference_mode(), self._step.autocast():
                logits = self._network(_tensor(small, self._step.device))
            anomalous = torch.softmax(logits.float(), 1)[:, 1].cpu().numpy()
            for image, scores in zip(some, anomalous, strict=True):
                maps.append(_grown(scores, (image.shape[0], image.shape[1])))
        return maps


def _tensor(images: Any, device: torch.device) -> torch.Tensor:
    """uint8 (B, H, W, 3) as float (B, 3, H, W) in 0..1, channels last in memory."""
    import torch

    return torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float().div_(255)


def _grown(scores: Any, shape: tuple[int, int]) -> ScoreMap:
    return np.asarray(cv2.resize(scores, shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
