"""The U-Net that the papers train on generated pairs: DRAEM's discriminative network with the focal loss."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

from pydantic import Field

from core.evaluation.detectors.api import (
    DetectorParams,
    EpochCallback,
    PackedDetector,
    RestorableDetector,
    TrainContext,
    TrainedDetector,
)
from core.evaluation.photo_sets import Shot
from core.evaluation.training.batches import TrainingFeed
from core.images.geometry import resized


class UNetParams(DetectorParams):
    """Form and bounds of the ``unet`` detector. The defaults are those of the ``cpu`` preset."""

    PRESETS = {
        "cpu": {},
        "paper": {
            "width": 64, "side": 256, "batch": 8, "lr": 1e-4, "epochs": 200, "samples": 500, "test_every": 1,
            "cover": 0.5,
        },
    }  # fmt: skip

    width: int = Field(8, ge=4, le=256, title="Width", description="Channels of the first level; published: 64.")
    side: int = Field(
        128,
        ge=32,
        le=1024,
        multiple_of=32,
        title="Working size",
        description="Side in pixels to which photos are resized; published: 256.",
    )
    batch: int = Field(8, ge=2, le=256, title="Batch", description="Half of each batch is good photos, half is pairs.")
    lr: float = Field(2e-3, gt=0, le=1, title="Learning rate", description="Learning rate of Adam; published: 0.0001.")
    epochs: int = Field(
        10,
        ge=1,
        le=10_000,
        title="Epochs",
        description="The learning rate falls to a fifth after 80 % and again after 90 %.",
    )
    samples: int = Field(
        800,
        ge=2,
        le=1_000_000,
        title="Samples per epoch",
        description="Photos drawn from the training set in each epoch.",
    )
    test_every: int = Field(
        5, ge=1, le=10_000, title="Test interval", description="Epochs between two evaluations on the test set."
    )
    cover: float = Field(
        0.25,
        ge=0,
        lt=1,
        title="Mask coverage",
        description="Share of a resized pixel that a mask must cover; less keeps thin cracks; published: 0.5.",
    )
    flips: bool = Field(
        False, title="Random flips", description="Flip samples at random; the published training does not."
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", title="Precision", description="auto uses 16 bits where the device supports them."
    )


class UNetDetector(RestorableDetector):
    """Learns from pairs and good photos to say of each pixel whether it is anomalous."""

    name = "unet"
    title = "U-Net (DRAEM)"
    summary = "The papers' localizer: DRAEM's discriminative network, trained on pairs and good photos."
    needs_pairs = True
    Params = UNetParams

    def available(self) -> str | None:
        """None, or which library is missing."""
        return None if find_spec("torch") else "needs torch; run: pip install torch torchvision"

    def fit(
        self, train: Sequence[Shot], params: UNetParams, ctx: TrainContext, watch: EpochCallback | None = None
    ) -> TrainedDetector:
        """Train; the same seed gives the same network on one machine's CPU, on a GPU up to its rounding.

        ``watch(fitted, epoch)`` every ``test_every`` epochs and after the last. InputError if the training set
        lacks good photos or anomalies, or if the loss is no number any more; Cancelled within a step.
        """
        feed = TrainingFeed(train, params.side, params.cover, ctx.check)
        from core.evaluation.training.draem import DiscriminativeNetwork
        from core.evaluation.training.pixel_training import PixelTrainer, build_seeded

        network = build_seeded(lambda: DiscriminativeNetwork(params.width), ctx)
        return PixelTrainer(feed, network, params, ctx).run(watch)

    def unpack(self, packed: PackedDetector, params: UNetParams, ctx: TrainContext) -> TrainedDetector:
        """A network that was kept; InputError."""
        from core.evaluation.training.draem import DiscriminativeNetwork
        from core.evaluation.training.pixel_training import restore_pixel_detector

        shape = (params.side, params.side)
        network = DiscriminativeNetwork(params.width)
        return restore_pixel_detector(
            network, packed, lambda image: resized(image, shape, "linear"), params.precision, ctx
        )
