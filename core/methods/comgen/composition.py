"""An edit at the photo's own size: what is on photos is taken from them, the rest from what the model drew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from core.engines.backbone_requirements import grey_like
from core.engines.ground.aligned import OtherPhoto
from core.engines.layout.engine import visible_change_with_shadows
from core.engines.layout.place_changes import PlaceChange, change_places
from core.engines.layout.region_choice import MAX_SHARE
from core.engines.layout.scene import LayoutScene
from core.engines.layout.settings import LayoutParams
from core.images import is_grey
from core.methods.comgen.component_masks import centre, region_index
from core.methods.comgen.edit_plan import EditPlan, PlaceEdit
from core.methods.comgen.paste_back import at_photo_size, enlarged, paste_edit
from core.methods.comgen.residual import grown
from core.methods.comgen.settings import ComGenParams
from core.quality import change_with_rim
from core.types import Image, Mask, Region, Request

if TYPE_CHECKING:
    from core.methods.comgen.sample import Held

MIN_CHANGED_SHARE = 0.2
"""Share of a component that must visibly differ for the edit to have taken there."""
PASTE_RIM = 4.0
"""Pixels of the model's picture that are pasted around what changed."""


@dataclass(frozen=True)
class ComposedEdit:
    """The sample's ``image``, uint8 (H, W, 3), and ``mask``; ``instances`` is one mask for each place, bool (H, W)."""

    image: Image
    mask: Mask
    instances: tuple[Mask, ...]


@dataclass(frozen=True)
class DrawnEdit:
    """A request, what the model drew of it (uint8 (h, w, 3) of the model's size) and what it is put together with."""

    request: Request
    held: Held
    drawn: Image
    plan: EditPlan
    changed: Mask
    params: ComGenParams
    goods: Sequence[OtherPhoto]
    rng: np.random.Generator

    @property
    def photo(self) -> Image:
        return self.request.normal.pixels

    @property
    def shape(self) -> tuple[int, int]:
        return (self.photo.shape[0], self.photo.shape[1])

    def composed(self) -> ComposedEdit:
        """The edit in the photo; pixels outside the mask are the photo's own unless the background is rewritten."""
        if self.params.background == "rewrite":
            image = np.asarray(cv2.resize(self.drawn, self.shape[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
            places = tuple(enlarged(act.bounds, self.shape) for act in self.plan.acts)
            bounds = enlarged(paste_area(self.plan.acts, self.changed), self.shape)
            return ComposedEdit(grey_like(self.photo, image), bounds, _apart(places))
        changes = [self._change_of(act) for act in self.plan.acts]
        if None in changes and any(act.comes is not None for act in self.plan.acts):
            # Of two that change places both are laid, or both are drawn.
            changes = [None] * len(changes)
        drawn = [act for act, change in zip(self.plan.acts, changes, strict=True) if change is None]
        image, mask = self._drawn_places(drawn) if drawn else (self.photo, np.zeros(self.shape, np.bool_))
        known = [change for change in changes if change is not None]
        image, laid = self._known_places(image, known)
        image = grey_like(self.photo, image)
        if known:
            mask = mask | (visible_change_with_shadows(self.photo, image, laid) if self.params.tighten else _any(laid))
        left = iter(laid)
        places = tuple(
            enlarged(act.bounds, self.shape) if change is None else next(left)
            for act, change in zip(self.plan.acts, changes, strict=True)
        )
        return ComposedEdit(np.where(mask[..., None], image, self.photo), mask, _apart(places))

    def _change_of(self, act: PlaceEdit) -> PlaceChange | None:
        """What happens at the place, where all of it is on the photo; None where it has to be drawn."""
        if self.params.ground == "drawn" or act.redrawn or not act.comes_or_goes:
            return None
        gone = None if act.gone is None else self._liftable(act.gone)
        comes = None if act.comes is None else self._liftable(act.comes.old_mask)
        if (act.gone is not None and gone is None) or (act.comes is not None and comes is None):
            return None
        if comes is None or gone is not None:
            return PlaceChange(gone, comes)
        assert act.comes is not None
        at = centre(self.regions[comes].mask)
        scale = self.shape[0] / act.core.shape[0], self.shape[1] / act.core.shape[1]
        return PlaceChange(None, comes, (at[0] + scale[0] * act.comes.shift[0], at[1] + scale[1] * act.comes.shift[1]))

    @property
    def regions(self) -> tuple[Region, ...]:
        return self.request.regions

    def _liftable(self, mask: Mask) -> int | None:
        """The index of the region that a component's mask is of, if it may be lifted off its surface."""
        index = region_index(mask, self.regions)
        return None if index is None or self.regions[index].mask.mean() > MAX_SHARE else index

    def _drawn_places(self, acts: Sequence[PlaceEdit]) -> tuple[Image, Mask]:
        """The photo with what was drawn at the places of ``acts``, and where it changed."""
        bounds, held = enlarged(paste_area(acts, self.changed), self.shape), self.held
        carried = [act.comes for act in acts if act.comes is not None]
        image = paste_edit(
            self.photo, held.pixels, held.reconstructed, self.drawn, bounds, self.params.detail, self.rng, carried
        )
        image = grey_like(self.photo, image)
        return image, change_with_rim(self.photo, image, bounds) if self.params.tighten else bounds

    def _known_places(self, image: Image, changes: Sequence[PlaceChange]) -> tuple[Image, tuple[Mask, ...]]:
        if not changes:
            return image, ()
        request, held = self.request, self.held
        scene = LayoutScene(
            self.photo, request.normal.name, is_grey(self.photo), self.regions, 0, LayoutParams(), request.object_mask,
            self.rng, tuple(self.goods),
        )  # fmt: skip
        gone = _any([self.regions[one.gone].mask for one in changes if one.gone is not None], self.shape)
        around = enlarged(self.plan.region, self.shape) | gone
        fill = at_photo_size(
            self.photo, held.pixels, held.reconstructed, self.drawn, around, self.params.detail, self.rng
        )
        edit = change_places(scene, changes, image, fill)
        return edit.image, edit.changed_places


def paste_area(acts: Sequence[PlaceEdit], changed: Mask) -> Mask:
    """What to paste of each act: all that changed there and, where the edit took, all of the component.

    Parts of it that happen to be as bright as what comes instead did change too. The edge runs a little outside, where
    both pictures agree.
    """
    out = np.zeros_like(changed)
    for act in acts:
        part = changed & act.bounds
        if act.comes_or_goes and (part & act.core).sum() >= MIN_CHANGED_SHARE * act.core.sum():
            part |= act.core
        out |= grown(part, PASTE_RIM) & act.bounds
    return out


def _any(masks: Sequence[Mask], shape: tuple[int, int] | None = None) -> Mask:
    return np.asarray(np.logical_or.reduce([*masks, *([np.zeros(shape, np.bool_)] if shape else [])]), np.bool_)


def _apart(places: Sequence[Mask]) -> tuple[Mask, ...]:
    """One mask for each place; where two meet the later one has it."""
    out: list[Mask] = []
    taken = np.zeros_like(places[0])
    for place in reversed(places):
        part = place & ~taken
        taken = taken | place
        out.append(part)
    return tuple(part for part in reversed(out) if part.any())
