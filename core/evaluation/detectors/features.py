"""A small head on frozen ImageNet features: what pairs teach, told apart within minutes on one core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
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
from core.features.extract import CHANNELS, available, patch_features
from core.images.geometry import resized
from core.memory_budget import WarmCache, image_key
from core.types import Image

STRIDE = 4
"""Pixels of the working size per feature vector."""

_warm: WarmCache[tuple[str, int], npt.NDArray[np.float16]] = WarmCache(lambda found: found.nbytes)


class FeaturesParams(DetectorParams):
    """Form and bounds of the ``features`` detector. Nothing of it was published: ``paper`` only trains it longer."""

    PRESETS = {"cpu": {}, "paper": {"side": 256, "width": 64, "epochs": 30, "samples": 1600}}

    side: int = Field(
        192,
        ge=64,
        le=1024,
        multiple_of=16,
        title="Working size",
        description="Side in pixels to which photos are resized.",
    )
    width: int = Field(32, ge=4, le=512, title="Width", description="Channels of the head.")
    batch: int = Field(8, ge=2, le=256, title="Batch", description="Half of each batch is good photos, half is pairs.")
    lr: float = Field(2e-3, gt=0, le=1, title="Learning rate", description="Learning rate of Adam.")
    epochs: int = Field(
        6,
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
        3, ge=1, le=10_000, title="Test interval", description="Epochs between two evaluations on the test set."
    )
    cover: float = Field(
        0.25, ge=0, lt=1, title="Mask coverage", description="Share of a resized pixel that a mask must cover."
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "float32", title="Precision", description="auto uses 16 bits where the device supports them."
    )

    @property
    def flips(self) -> bool:
        """Features of a mirrored photo are not mirrored features."""
        return False


class FrozenFeatureDetector(RestorableDetector):
    """Learns which frozen features mean an anomaly; not the papers' network, so not comparable with their numbers."""

    name = "features"
    title = "Head on frozen features"
    summary = "A small head on frozen EfficientNet-Lite0 features (ImageNet): quick on a CPU, not the papers' network."
    needs_pairs = True
    Params = FeaturesParams

    def available(self) -> str | None:
        """None, or which library is missing."""
        return available()

    def fit(
        self, train: Sequence[Shot], params: FeaturesParams, ctx: TrainContext, watch: EpochCallback | None = None
    ) -> TrainedDetector:
        """Train the head with the focal loss; the trunk stays as it came. Errors and ``watch`` as in UNet.fit."""
        feed = TrainingFeed(
            train, params.side, params.cover, ctx.check, lambda image: cached_features(image, params.side)
        )
        from core.evaluation.training.head import SegmentationHead
        from core.evaluation.training.pixel_training import PixelTrainer, build_seeded

        return PixelTrainer(
            feed, build_seeded(lambda: SegmentationHead(CHANNELS, params.width, STRIDE), ctx), params, ctx
        ).run(watch)

    def unpack(self, packed: PackedDetector, params: FeaturesParams, ctx: TrainContext) -> TrainedDetector:
        """A head that was kept; InputError."""
        from core.evaluation.training.head import SegmentationHead
        from core.evaluation.training.pixel_training import restore_pixel_detector

        head = SegmentationHead(CHANNELS, params.width, STRIDE)
        return restore_pixel_detector(
            head, packed, lambda image: cached_features(image, params.side), params.precision, ctx
        )


def cached_features(image: Image, side: int) -> npt.NDArray[np.float16]:
    """float16 (side / 4, side / 4, CHANNELS) of the photo stretched to side x side; kept warm.

    Seeds and rows of a table share photos, and finding the features costs more than training on them.
    """
    return _warm.get((image_key(image), side), lambda: _found(image, side))


def _found(image: Image, side: int) -> npt.NDArray[np.float16]:
    return np.asarray(patch_features(resized(image, (side, side), "linear"), STRIDE, None), np.float16)
