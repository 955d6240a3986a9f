"""One look at every image: small pictures and numbers are kept, the photo is let go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from core.errors import Cancelled
from core.evaluation.generation.alignment import alignment
from core.evaluation.generation.feature_networks import FeatureNetworks, Floats, network_input
from core.evaluation.generation.mask_statistics import MaskShape, shape_of
from core.evaluation.generation.nearest_real import crop_around
from core.evaluation.generation.pairs import GeneratedPair
from core.evaluation.photo_sets import Shot
from core.progress import Steps
from core.quality.ars import Discriminator, region_score
from core.types import Image, Mask


@dataclass
class MeasurementRun:
    """One run: who judges, and how far it is. ``size_mismatches`` are pairs whose photo has another size."""

    networks: FeatureNetworks
    seed: int
    total: int
    progress: Steps
    cancelled: Callable[[], bool]
    discriminator: Discriminator | None = None
    done: int = 0
    size_mismatches: list[str] = field(default_factory=list)

    def advance(self, steps: int = 1) -> None:
        """News of ``steps`` more; Cancelled if the person said stop."""
        if self.cancelled():
            raise Cancelled("the evaluation was stopped; nothing was kept")
        self.done += steps
        self.progress(min(self.done, self.total), self.total)


@dataclass(frozen=True)
class PairMeasurements:
    """What is kept of an image with an anomaly.

    ``small`` and ``masked`` are the image and its masked part at the judges' side, ``crop`` the defect's close-up
    with its mask, ``classes`` each class judge's features and logits, ``metrics`` the metrics of this image alone.
    """

    shot: Shot
    resized: Image
    masked: Image
    crop: tuple[Image, Mask]
    shape: MaskShape
    class_features: tuple[tuple[Floats, Floats], ...]
    metrics: Mapping[str, float]


def measure(work: MeasurementRun, shot: Shot) -> PairMeasurements:
    """Read ``shot`` and measure it; MaskError if it has no anomalous pixel."""
    work.advance()
    image = shot.read()
    mask = shot.mask((image.shape[0], image.shape[1]))
    small = network_input(image)
    return PairMeasurements(
        shot=shot,
        resized=small,
        masked=network_input(image, mask),
        crop=crop_around(image, mask),
        shape=shape_of(mask),
        class_features=tuple(judge.features_and_logits(small) for judge in work.networks.class_networks),
        metrics=_image_metrics(work, shot, image, mask),
    )


def defect_crops(work: MeasurementRun, shots: Sequence[Shot]) -> list[tuple[Image, Mask]]:
    """The close-ups alone."""
    found = []
    for shot in shots:
        work.advance()
        image = shot.read()
        found.append(crop_around(image, shot.mask((image.shape[0], image.shape[1]))))
    return found


def _image_metrics(work: MeasurementRun, shot: Shot, image: Image, mask: Mask) -> dict[str, float]:
    found: dict[str, float] = {}
    if work.discriminator is not None:
        scores = work.discriminator.score_map(image)
        found["ars"] = region_score(scores, mask)
        if not mask.all():
            found["ars_outside"] = region_score(scores, ~mask)
    before = shot.read_before() if isinstance(shot, GeneratedPair) else None
    if before is not None and before.shape == image.shape:
        found |= alignment(before, image, mask)
    elif before is not None:
        work.size_mismatches.append(shot.name)
    return found
