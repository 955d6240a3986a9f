"""What a sample's own photo alone can't tell: does it stand out from good parts, and is it a copy of a real one?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from core.errors import ImageError, Unavailable
from core.jobs.product_data import ProductData
from core.memory_budget import WarmCache
from core.progress import Steps
from core.types import AnomalyExample, Image, Sample

if TYPE_CHECKING:
    from core.quality.ars import Discriminator

Floats = npt.NDArray[np.float32]

MIN_COPY_LIMIT = 0.85
"""Likeness to a real example below which a sample is none's copy, however varied the real ones are."""


def _nbytes(cells: Floats) -> int:
    return cells.nbytes


@dataclass(frozen=True)
class SampleScorer:
    """Scores of a sample beyond core.quality.scores; ``notes`` say which cannot be had here, and why.

    ``real`` is float32 (N, 8, D): each real example of the label in its eight turns and mirror images; likeness of
    ``copy_limit`` or more is a copy.
    """

    discriminator: Discriminator | None = None
    example_features: Floats | None = None
    copy_limit: float = MIN_COPY_LIMIT
    notes: tuple[str, ...] = ()
    _cached_cells: WarmCache[str, Floats] = field(
        default_factory=lambda: WarmCache(_nbytes), repr=False, compare=False
    )

    def scores(self, photo: Image, sample: Sample) -> dict[str, float]:
        """Of a sample and its untouched photo, uint8 (H, W, 3) both:

        ars         anomaly region score of the pair, 0..1 (GAA, eq. 7)
        ars_floor   the same mask's score on the untouched photo, 0..1: what a good part scores there
        likeness    similarity to the most similar real example, up to turns, mirror images and size; 1 is a copy
        copy_limit  likeness from which on it counts as a copy of it

        Without good photos to learn from there is no ars, without real examples no likeness.
        """
        found: dict[str, float] = {}
        if self.discriminator is not None:
            found |= self._ars_scores(self.discriminator, photo, sample)
        if self.example_features is not None:
            from core.evaluation.generation.nearest_real import crop_around, embed

            likeness = float((self.example_features @ embed(*crop_around(sample.image, sample.mask))).max())
            found |= {"likeness": likeness, "copy_limit": self.copy_limit}
        return found

    def _ars_scores(self, discriminator: Discriminator, photo: Image, sample: Sample) -> dict[str, float]:
        from core.quality.ars import region_score, upsampled

        try:
            after = discriminator.score_map(sample.image)
            before = self._cached_cells.get(sample.recipe.normal_id, lambda: discriminator.patch_scores(photo))
        except ImageError:  # too small a photo for the network
            return {}
        floor = region_score(upsampled(before, sample.mask.shape), sample.mask)
        return {"ars": region_score(after, sample.mask), "ars_floor": floor}


def sample_scorer(
    material: ProductData, label: str, progress: Steps | None = None, cancelled: Callable[[], bool] | None = None
) -> SampleScorer:
    """The judge of a project's samples of ``label``; its discriminator is trained once and kept in the cache folder.

    ``progress(done, total)`` tells of the training. Cancelled within a step of it.
    """
    from core.quality.ars import load_or_train_discriminator

    photos = [row.path for row in material.project.normals()]
    try:
        discriminator = load_or_train_discriminator(photos, material.project.cache_dir / "ars", progress, cancelled)
        real, limit = _copy_reference(material.examples(label))
    except (Unavailable, ImageError) as error:
        return SampleScorer(notes=(f"judged without ARS and likeness to real examples: {error}",))
    return SampleScorer(discriminator, real, limit)


def _copy_reference(examples: tuple[AnomalyExample, ...]) -> tuple[Floats | None, float]:
    """The examples' looks, and from which likeness on a sample is a copy.

    The limit is what only 1 real example in 20 reaches with another one (evaluate's ``memorised``), so a label whose
    real examples all look the same does not condemn what looks like them; but never below MIN_COPY_LIMIT.
    """
    if not examples:
        return None, MIN_COPY_LIMIT
    from core.evaluation.generation.nearest_real import MEMORISED_QUANTILE, crop_around, embed, orientations

    looks = [[embed(*way) for way in orientations(*crop_around(e.pixels, e.mask))] for e in examples]
    real = np.asarray(looks, np.float32)
    if len(real) < 2:
        return real, MIN_COPY_LIMIT
    among = np.max([real[:, 0] @ real[:, k].T for k in range(real.shape[1])], axis=0)
    np.fill_diagonal(among, -1)
    return real, max(MIN_COPY_LIMIT, float(np.quantile(among.max(axis=1), MEMORISED_QUANTILE)))
