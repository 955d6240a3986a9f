"""One photo with its regions, of which one is edited, and what an edit returns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from core.engines.ground.aligned import Floats, OtherPhoto
from core.engines.ground.reveal import BaredPhoto, without_part
from core.engines.ground.thrown import PartView, model_of, thrown_by
from core.engines.layout.cutout import CutPart, cut_out_part
from core.engines.layout.edge_width import band_width
from core.engines.layout.paste_part import SURFACE_REACH, paste_part
from core.engines.layout.region_choice import check_liftable, obstacles
from core.engines.layout.settings import LayoutParams
from core.engines.layout.work_area import WorkArea, distance_to, sampled_pixels
from core.types import Image, Mask, Region

SHADOW_MARGIN = 0.35
"""How far around a part its shadow is read, in its sides."""


@dataclass(frozen=True)
class LayoutScene:
    """One photo with its regions, the region to edit by its index, and the settings."""

    photo: Image
    name: str
    grey: bool
    regions: tuple[Region, ...]
    target: int
    params: LayoutParams
    object_mask: Mask | None
    rng: np.random.Generator
    goods: tuple[OtherPhoto, ...] = ()

    @property
    def region(self) -> Region:
        return self.regions[self.target]

    @property
    def shape(self) -> tuple[int, int]:
        return (self.photo.shape[0], self.photo.shape[1])

    def others(self, *chosen: int) -> Mask:
        """Pixels of all regions in the way of ``chosen``, or of the target if none is given."""
        return obstacles(self.regions, chosen or (self.target,), self.shape)

    def cut_out_region(self, index: int, others: Mask) -> CutPart:
        """The region lifted off its surface, its shadow as a model."""
        check_liftable(self.regions[index])
        return cut_out_part(self.photo, self.regions[index].mask, others, self.params.shadow)

    def bare(self, index: int, others: Mask, image: Image | None = None, fill: Floats | None = None) -> BaredPhoto:
        """The photo, or an ``image`` of it with another part gone already, without the region; ``fill`` as in
        without_part."""
        check_liftable(self.regions[index])
        mask, under = self.regions[index].mask, self.photo if image is None else image
        band = band_width(self.photo, mask, others)
        return without_part(under, mask, others & ~mask, band, self.goods, self.rng, self.params.shadow, fill)

    def with_thrown(
        self, part: CutPart, index: int, others: Mask, bare: Image, window: WorkArea | None = None
    ) -> CutPart:
        """The part with its shadow as the photo has it, told from the ``bare`` image without the part.

        ``window`` is where the part lay on the photo if it has been moved since.
        """
        if not self.params.shadow:
            return part
        margin = int(np.ceil(SHADOW_MARGIN * part.size)) + 2
        wide = (window or part.window).grown(margin)
        own = self.regions[index].mask
        here, there, seen = (
            wide.padded(mask.view(np.uint8), cv2.BORDER_CONSTANT).view(np.bool_)
            for mask in (own, others & ~own, np.ones_like(own))
        )
        view = PartView(wide.padded(self.photo), wide.padded(bare), here, there, seen, part.band, margin)
        shadow, turned = model_of(view)
        around = (distance_to(here) < max(4.0, SURFACE_REACH * part.size)) & seen
        surface = np.asarray(np.median(sampled_pixels(view.bare, around, 2000), axis=0), np.float32)
        return replace(part, thrown=thrown_by(view, shadow), shadow=shadow, turned=turned, surface=surface)

    def with_target(self, target: int, rng: np.random.Generator) -> LayoutScene:
        """The same scene about another region."""
        return replace(self, target=target, rng=rng)

    def paste(self, image: Image, part: CutPart, adapt: bool = True) -> tuple[Image, Mask]:
        """``paste_part`` with the shadow that the settings ask for."""
        return paste_part(image, part, adapt, self.params.shadow)


@dataclass(frozen=True)
class LayoutEdit:
    """The edited image, and one bool (H, W) mask per place that changed: bounds, not yet what is visible."""

    image: Image
    changed_places: tuple[Mask, ...]
