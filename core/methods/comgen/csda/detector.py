"""ComGEN's detector: what differs between a photo and its nearest good one, at three scales (CSDA)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from core.errors import InputError
from core.evaluation.detectors.api import (
    ComparedPhoto,
    DetectorParams,
    EpochCallback,
    PackedDetector,
    RestorableDetector,
    ScoreMap,
    TrainContext,
    TrainedDetector,
)
from core.evaluation.photo_sets import Shot
from core.features.extract import available
from core.types import Image

if TYPE_CHECKING:
    from core.methods.comgen.csda.network import CsdaNetwork
    from core.methods.comgen.csda.references import ReferenceSet

_PHOTOS, _VECTORS = "reference.photos", "reference.vectors"


class CSDAParams(DetectorParams):
    """Form and bounds of the ``csda`` detector; its network's width and training are not published."""

    PRESETS = {
        "cpu": {},
        "paper": {"width": 64, "epochs": 60, "samples": 1600, "references": 1024, "test_every": 10},
    }

    side: int = Field(
        256,
        ge=64,
        le=1024,
        multiple_of=16,
        title="Working size",
        description="Pixels a side that photos are brought to; published: 256.",
    )
    trunk: Literal["auto", "resnet18", "efficientnet"] = Field(
        "auto",
        title="Features",
        description="ResNet-18's blocks 1 to 3 as published, or the packaged EfficientNet-Lite0's; auto takes the "
        "first where its weights are.",
    )
    association: Literal["nearest", "random"] = Field(
        "nearest",
        title="Compare with",
        description="The nearest good photo, or any of them: to see what finding the nearest is worth.",
    )
    target: Literal["mask", "soft"] = Field(
        "mask",
        title="Learn",
        description="mask: each pair's mask; soft: how far attention differs, as the paper's y_mask (eq. 10), where a "
        "pair has that.",
    )
    references: int = Field(
        128, ge=2, le=100_000, title="References", description="Good photos to compare with, at most; kept with it."
    )
    near: int = Field(
        3,
        ge=1,
        le=64,
        title="Neighbours",
        description="In training each photo is paired with one of this many nearest references.",
    )
    width: int = Field(24, ge=4, le=512, title="Width", description="Channels at the finest scale.")
    batch: int = Field(8, ge=2, le=256, title="Batch", description="Half good photos, half pairs.")
    lr: float = Field(2e-3, gt=0, le=1, title="Learning rate", description="Of Adam.")
    epochs: int = Field(
        4, ge=1, le=10_000, title="Epochs", description="The rate falls to a fifth after 80 and 90 percent."
    )
    samples: int = Field(
        800, ge=2, le=1_000_000, title="Samples per epoch", description="Drawn from the set, whatever its size."
    )
    test_every: int = Field(
        2, ge=1, le=10_000, title="Test every", description="Epochs between two looks at the test set, for the curves."
    )
    cover: float = Field(
        0.25, ge=0, lt=1, title="Mask coverage", description="Share of a downsized pixel that a mask must cover."
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "float32", title="Precision", description="auto takes 16 bits where the device computes in them."
    )

    @property
    def flips(self) -> bool:
        """Features of a mirrored photo are not mirrored features."""
        return False


class CSDA(RestorableDetector):
    """Learns which differences from the nearest good photo mean an anomaly."""

    name = "csda"
    title = "Differences from the nearest good photo (CSDA)"
    summary = "ComGEN's detector: compares a photo's features with those of its nearest good one, at three scales."
    needs_pairs = True
    Params = CSDAParams

    def available(self) -> str | None:
        """None, or which library is missing."""
        return available()

    def fit(
        self, train: Sequence[Shot], params: CSDAParams, ctx: TrainContext, watch: EpochCallback | None = None
    ) -> TrainedDetector:
        """Train the network; the trunk stays as it came. Errors and ``watch`` as in UNet.fit; InputError also for
        fewer than two good photos, Unavailable where the trunk asked for is not there."""
        from core.evaluation.training.frozen_features import trunk
        from core.evaluation.training.pixel_training import PixelTrainer, build_seeded
        from core.methods.comgen.csda.network import CsdaNetwork, total_loss
        from core.methods.comgen.csda.references import ReferencePairFeed, choose_references

        chosen = trunk(params.trunk)
        references = choose_references(
            train, params.side, params.references, chosen, params.association, ctx.seed, ctx.check
        )
        feed = ReferencePairFeed(train, references, params.near, params.cover, ctx.check, params.target == "soft")
        network = build_seeded(lambda: CsdaNetwork(chosen.channels, params.width, _moments(references)), ctx)
        training = PixelTrainer(feed, network, params, ctx, total_loss)
        onward: Any = watch and (lambda fitted, epoch: watch(FittedCSDA(fitted, references, ctx.seed), epoch))
        return FittedCSDA(training.run(onward), references, ctx.seed)

    def unpack(self, packed: PackedDetector, params: CSDAParams, ctx: TrainContext) -> TrainedDetector:
        """A trained detector that was kept; InputError, Unavailable where its trunk is not there."""
        from core.evaluation.training.frozen_features import trunk
        from core.evaluation.training.pixel_training import restore_pixel_detector
        from core.methods.comgen.csda.network import CsdaNetwork
        from core.methods.comgen.csda.references import ReferenceSet

        try:
            names, seed = tuple(map(str, packed.facts["references"])), int(packed.facts["seed"])
            chosen, photos = trunk(str(packed.facts["trunk"])), np.asarray(packed.tensors[_PHOTOS], np.uint8)
            vectors = packed.tensors[_VECTORS]
            same = chosen.kind == packed.facts["features"]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError("trained detector csda: its references are missing; train it again") from error
        if not same:
            raise InputError(f"trained detector csda: its features are no longer {chosen.kind!r}; train it again")
        references = ReferenceSet(photos, names, chosen, params.association, seed, vectors)
        weights = PackedDetector(
            {name: value for name, value in packed.tensors.items() if name not in (_PHOTOS, _VECTORS)}
        )
        network: CsdaNetwork = CsdaNetwork(chosen.channels, params.width)
        return FittedCSDA(
            restore_pixel_detector(network, weights, references.with_neighbour, params.precision, ctx),
            references,
            seed,
        )


class FittedCSDA:
    """A trained network with the good photos that it compares with."""

    def __init__(self, pixels: Any, references: ReferenceSet, seed: int) -> None:
        self._pixels, self._references, self._seed = pixels, references, seed

    def score(self, images: Sequence[Image]) -> list[ScoreMap]:
        """The probability that a pixel is anomalous, float32 (H, W) in 0..1 at each photo's own size."""
        maps: list[ScoreMap] = self._pixels.score(images)
        return maps

    def neighbour(self, image: Image) -> ComparedPhoto:
        """The good photo that ``image`` is compared with, as large as the detector sees it."""
        index = self._references.neighbours(image)[0]
        return ComparedPhoto(self._references.names[index], self._references.photos[index])

    def pack(self) -> PackedDetector:
        """Weights, references and which trunk."""
        refs, own = self._references, self._pixels.pack()
        facts = {
            "trunk": refs.trunk.name,
            "features": refs.trunk.kind,
            "references": list(refs.names),
            "seed": self._seed,
        }
        kept = {_PHOTOS: refs.photos, _VECTORS: np.asarray(refs.index.vectors)}
        return PackedDetector({**own.tensors, **kept}, facts)


def _moments(references: ReferenceSet) -> list[Any]:
    """Mean and deviation of each channel over the references, by scale."""
    import torch

    from core.methods.comgen.csda.network import unpacked_scales

    count = len(references.photos)
    maps = np.stack([references.maps(i) for i in range(0, count, max(1, count // 64))])
    packed = torch.from_numpy(maps.astype(np.float32)).permute(0, 3, 1, 2)
    scales = unpacked_scales(packed, references.trunk.channels)
    return [(s.mean((0, 2, 3)), s.std((0, 2, 3), correction=0).clamp_min(1e-3)) for s in scales]
