"""Several places of one photo changed at once: at each a region goes, another comes, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.engines.ground.aligned import Floats
from core.engines.layout.cutout import CutPart
from core.engines.layout.paste_part import centred_at, paste_part
from core.engines.layout.scene import LayoutEdit, LayoutScene
from core.types import Image, Mask


@dataclass(frozen=True)
class PlaceChange:
    """One place: the region that goes and the one that comes, by their indices; None where none does.

    What comes is laid with its middle at ``centre``, (y, x) in pixels, or where that of ``gone`` was.
    """

    gone: int | None = None
    comes: int | None = None
    centre: tuple[float, float] | None = None


def change_places(
    scene: LayoutScene, changes: Sequence[PlaceChange], image: Image, fill: Floats | None = None
) -> LayoutEdit:
    """``image``, uint8 (H, W, 3), after all ``changes``, each one of its ``changed_places``.

    ``image`` is the scene's photo, or that with other places changed already. ``fill``, float32 (H, W, 3), is shown
    where no photo shows the ground below a region that goes without another in its place; without it the surface
    around goes on.
    """
    gone = [change.gone for change in changes if change.gone is not None]
    places: list[Mask] = [np.zeros(scene.shape, np.bool_) for _ in changes]
    for i, change in enumerate(changes):
        if change.gone is not None:
            others = scene.others(*gone[: gone.index(change.gone) + 1])
            bared = scene.bare(change.gone, others, image, fill if change.comes is None else None)
            image, places[i] = bared.image, bared.place
    parts = [_lifted(scene, change, gone, image) for change in changes]
    for i, part in enumerate(parts):
        if part is not None:
            image, place = paste_part(image, part, with_shadow=scene.params.shadow)
            places[i] = places[i] | place
    return LayoutEdit(image, tuple(places))


def _lifted(scene: LayoutScene, change: PlaceChange, gone: Sequence[int], bare: Image) -> CutPart | None:
    """What comes, with its shadow, at its new place; ``bare`` is the image without those that are gone."""
    if change.comes is None:
        return None
    others = scene.others(change.comes)
    part = scene.cut_out_region(change.comes, others)
    without = bare if change.comes in gone else scene.bare(change.comes, others).image
    part = scene.with_thrown(part, change.comes, others, without)
    centre = change.centre
    if centre is None:
        assert change.gone is not None
        rows, columns = np.nonzero(scene.regions[change.gone].mask)
        centre = float(rows.mean()), float(columns.mean())
    return centred_at(part, centre)
