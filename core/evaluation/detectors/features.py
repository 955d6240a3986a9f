"""A small head on frozen ImageNet features: what pairs teach, told apart within minutes on one core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.evaluation.detectors.api import (
    DetectorParams,
    Fitted,
    PackedDetector,
    ScoreMap,
    TrainContext,
    Watch,
    pooled_maximum,
)
from core.evaluation.photo_sets import Shot
from core.evaluation.training.batches import Feed
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
        description="Pixels a side that photos are brought to.",
    )
    width: int = Field(32, ge=4, le=512, title="Width", description="Channels of the head.")
    batch: int = Field(8, ge=2, le=256, title="Batch", description="Half good photos, half pairs.")
    lr: float = Field(2e-3, gt=0, le=1, title="Learning rate", description="Of Adam.")
    epochs: int = Field(
        6, ge=1, le=10_000, title="Epochs", description="The rate falls to a fifth after 80 and 90 percent."
    )
    samples: int = Field(
        800, ge=2, le=1_000_000, title="Samples per epoch", description="Drawn from the set, whatever its size."
    )
    test_every: int = Field(
        3, ge=1, le=10_000, title="Test every", description="Epochs between two looks at the test set, for the curves."
    )
    cover: float = Field(
        0.25, ge=0, lt=1, title="Mask cover", description="Share of a shrunk pixel that a mask must cover."
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "float32", title="Precision", description="auto takes 16 bits where the device computes in them."
    )

    @property
    def flips(self) -> bool:
        """Features of a mirrored photo are not mirrored features."""
        return False


class Features:
    """Learns which frozen features mean an anomaly; not the papers' network, so not comparable with their numbers."""

    name = "features"
    title = "Head on frozen features"
    summary = "A small head on frozen EfficientNet-Lite0 features (ImageNet): quick on a CPU, not the papers' network."
    needs_pairs = True
    Params = FeaturesParams

    def available(self) -> str | None:
        """None, or which library is missing."""
        return available()

    def image_score(self, scores: ScoreMap) -> float:
        """The papers' image score."""
        return pooled_maximum(scores)

    def fit(
        self, train: Sequence[Shot], params: FeaturesParams, ctx: TrainContext, watch: Watch | None = None
    ) -> Fitted:
        """Train the head with the focal loss; the trunk stays as it came. Errors and ``watch`` as in UNet.fit."""
        feed = Feed(train, params.side, params.cover, ctx.check, lambda image: features_of(image, params.side))
        from core.evaluation.training.head import Head
        from core.evaluation.training.pixel_training import Training, seeded

        return Training(feed, seeded(lambda: Head(CHANNELS, params.width, STRIDE), ctx), params, ctx).run(watch)

    def unpack(self, packed: PackedDetector, params: FeaturesParams, ctx: TrainContext) -> Fitted:
        """A head that was kept; InputError."""
        from core.evaluation.training.head import Head
        from core.evaluation.training.pixel_training import unpacked

        head = Head(CHANNELS, params.width, STRIDE)
        return unpacked(head, packed, lambda image: features_of(image, params.side), params.precision, ctx)


def features_of(image: Image, side: int) -> npt.NDArray[np.float16]:
    """float16 (side / 4, side / 4, CHANNELS) of the photo stretched to side x side; kept warm.

    Seeds and rows of a table share photos, and finding the features costs more than training on them.
    """
    return _warm.get((image_key(image), side), lambda: _found(image, side))


def _found(image: Image, side: int) -> npt.NDArray[np.float16]:
    return np.asarray(patch_features(resized(image, (side, side), "linear"), STRIDE, None), np.float16)
