"""One look at every image: small pictures and numbers are kept, the photo is let go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from core.errors import Cancelled
from core.evaluation.generation.alignment import alignment
from core.evaluation.generation.feature_networks import Floats, Judges, at_side
from core.evaluation.generation.mask_statistics import Shape, shape_of
from core.evaluation.generation.nearest_real import crop_around
from core.evaluation.generation.pairs import GeneratedPair
from core.evaluation.photo_sets import Shot
from core.progress import Steps
from core.quality.ars import Discriminator, region_score
from core.types import Image, Mask


@dataclass
class Work:
    """One run: who judges, and how far it is. ``misfits`` are pairs whose photo has another size."""

    judges: Judges
    seed: int
    total: int
    progress: Steps
    cancelled: Callable[[], bool]
    discriminator: Discriminator | None = None
    done: int = 0
    misfits: list[str] = field(default_factory=list)

    def tick(self, steps: int = 1) -> None:
        """News of ``steps`` more; Cancelled if the person said stop."""
        if self.cancelled():
            raise Cancelled("the evaluation was stopped; nothing was kept")
        self.done += steps
        self.progress(min(self.done, self.total), self.total)


@dataclass(frozen=True)
class PairMeasurements:
    """What is kept of an image with an anomaly.

    ``small`` and ``inside`` are the image and its masked part at the judges' side, ``crop`` the defect's close-up
    with its mask, ``classes`` each class judge's features and logits, ``numbers`` the metrics of this image alone.
    """

    shot: Shot
    small: Image
    inside: Image
    crop: tuple[Image, Mask]
    shape: Shape
    classes: tuple[tuple[Floats, Floats], ...]
    numbers: Mapping[str, float]


def look(work: Work, shot: Shot) -> PairMeasurements:
    """Read ``shot`` and measure it; MaskError if it has no anomalous pixel."""
    work.tick()
    image = shot.read()
    mask = shot.mask((image.shape[0], image.shape[1]))
    small = at_side(image)
    return PairMeasurements(
        shot=shot,
        small=small,
        inside=at_side(image, mask),
        crop=crop_around(image, mask),
        shape=shape_of(mask),
        classes=tuple(judge.see(small) for judge in work.judges.classes),
        numbers=_numbers(work, shot, image, mask),
    )


def crops_of(work: Work, shots: Sequence[Shot]) -> list[tuple[Image, Mask]]:
    """The close-ups alone."""
    found = []
    for shot in shots:
        work.tick()
        image = shot.read()
        found.append(crop_around(image, shot.mask((image.shape[0], image.shape[1]))))
    return found


def _numbers(work: Work, shot: Shot, image: Image, mask: Mask) -> dict[str, float]:
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
        work.misfits.append(shot.name)
    return found
