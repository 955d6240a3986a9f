"""The masks of one planned anomaly, read and laid on its photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import MaskError
from core.images import ReadPhoto, isolated
from core.images.decode import turned_by
from core.importers.plan import Anomaly, DrawnMask
from core.importers.shown_defect import contrast
from core.masks.change_mask import ChangeMask, Floats
from core.types import Mask, check_mask

HALF = 0.5
_CLEARER = 2.0


@dataclass(frozen=True)
class FittedMasks:
    """One mask bool (H, W) per defect, none empty, and notes for a person.

    ``soft`` float32 (H, W) in 0..1 is how sure each pixel is, where the source tells.
    """

    masks: tuple[Mask, ...]
    notes: tuple[str, ...]
    soft: Floats | None = None


def fitted_masks(item: Anomaly, photo: ReadPhoto) -> FittedMasks:
    """The masks of an anomaly, laid on its photo.

    The masks of a photo that EXIF turns are turned with it where their size says that they lie on the unturned
    pixels, or where the defect shows better there. MaskError if nothing is drawn or a mask does not fit.
    """
    notes: list[str] = []
    masks: list[Mask] = []
    soft: Floats | None = None
    for given in item.masks:
        read: Sequence[Mask]
        if not isinstance(given, DrawnMask):
            read = [isolated.read_mask(given.load(), name=f"its mask {given.name}")]
        elif isinstance(drawing := _drawn(given, photo), ChangeMask):
            read, soft = [drawing.mask], drawing.confidence
        else:
            read = drawing
        masks += [_laid(~mask if item.inverted else mask, photo, given.name, notes) for mask in read]
    drawn = tuple(mask for mask in masks if mask.any())
    if not drawn:
        raise MaskError(f"its mask {item.masks[0].name} is empty; draw the defect in it")
    fits = soft is not None and not item.inverted and len(item.masks) == 1 and soft.shape == drawn[0].shape
    return FittedMasks(drawn, tuple(notes), soft if fits else None)


def question(item: Anomaly, masks: Sequence[Mask]) -> str | None:
    """What a person should be asked about the masks before they are used; None where nothing is odd."""
    share = float(np.logical_or.reduce(masks).mean())
    if share <= HALF or item.confirmed:
        return None
    return (
        f"its mask covers {share:.0%} of the photo: is it inverted? say --as {item.entry.name}=inverted, or =anomaly"
    )


def _drawn(given: DrawnMask, photo: ReadPhoto) -> Sequence[Mask] | ChangeMask:
    height, width = photo.pixels.shape[:2]
    return given.draw((width, height) if photo.orientation in (5, 6, 7, 8) else (height, width))


def _laid(mask: Mask, photo: ReadPhoto, name: str, notes: list[str]) -> Mask:
    height, width = photo.pixels.shape[:2]
    turned = turned_by(mask, photo.orientation)
    if photo.orientation != 1 and turned.shape == (height, width):
        upright = mask.shape == (height, width)
        if not upright or _contrast(photo, turned) > _CLEARER * max(_contrast(photo, mask), 1.0):
            notes.append("mask turned by the photo's EXIF rotation")
            return turned
        if _contrast(photo, mask) <= _CLEARER * max(_contrast(photo, turned), 1.0):
            notes.append("the photo is rotated by EXIF and its mask is not: look whether they fit")
    hint = "; the photo is rotated by EXIF, save it upright" if photo.orientation != 1 else ""
    try:
        return check_mask(mask, (height, width), f"its mask {name}")
    except MaskError as error:
        raise MaskError(f"{error}{hint}") from error


def _contrast(photo: ReadPhoto, mask: Mask) -> float:
    """How far the photo's brightness inside a mask is from that around it, in grey levels."""
    return contrast(photo.pixels.mean(axis=2), mask)
