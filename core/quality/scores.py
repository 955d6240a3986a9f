"""Numbers by which samples are sorted and filtered. All come from the photo, the sample and its mask alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.images.geometry import dilated, mask_box
from core.quality.edit_flaws import edit_flaws
from core.quality.visible_change import difference, visible_change
from core.types import EVERYWHERE, Image, Mask, Sample

_NATURAL_FLOOR = 2.0
"""Levels added to the natural step: on a perfectly flat surface the sensor's noise is the measure."""


def scores(before: Image, sample: Sample) -> dict[str, float]:
    """Scores of ``sample`` made from the photo ``before`` (uint8 (H, W, 3)).

    change_inside  mean change inside the mask, 0..1 of full scale (0.1 is 25 levels)
    change_outside count of pixels changed at all beyond the mask and its declared feather; 0 is right; not told of
                   a picture that was drawn anew as a whole
    mask_covered   share of the mask, 0..1, that visibly changed; 1 is right
    ghost, light_step, texture  of a logical anomaly, what gives the edit away, and where it is worst, as ``ghost_x``
                   and ``ghost_y`` and so on: see core.quality.edit_flaws
    seam_contrast  step across the mask's outline, in units of the photo's own step there; 1 is seamless
    """
    mask = sample.mask
    diff = difference(before, sample.image)
    feather = sample.recipe.feather
    area = int(mask.sum())
    covered = int(visible_change(before, sample.image, mask).sum())
    found = {
        "change_inside": float(diff[mask].mean()) / 255.0 if area else 0.0,
        "mask_covered": covered / area if area else 0.0,
        "seam_contrast": seam_contrast(before, sample.image, mask),
    }
    if sample.kind == "logical":
        # What a structural anomaly changes of light and texture is the anomaly itself.
        found |= edit_flaws(before, sample.image, mask)
    if feather != EVERYWHERE:
        found["change_outside"] = float(np.count_nonzero(diff[~dilated(mask, feather)]))
    return found


def seam_contrast(before: Image, after: Image, mask: Mask) -> float:
    """How much steeper the image steps across the mask's outline than the photo did at the same places.

    Mean over all 4-neighbour pairs with one pixel inside and one outside of the largest channel step in
    ``after``, divided by that in ``before`` plus a floor of 2 levels. About 1: no seam; 0.0 without an outline.
    """
    rows, cols = mask_box(mask, pad=1)
    if rows.stop == 0:
        return 0.0
    inside = mask[rows, cols]
    step_after, step_before, pairs = 0.0, 0.0, 0
    for one, two in (
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
        ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
    ):
        crossing = inside[one] != inside[two]
        step_after += _edge_contrast(after[rows, cols], one, two, crossing)
        step_before += _edge_contrast(before[rows, cols], one, two, crossing)
        pairs += int(crossing.sum())
    if pairs == 0:
        return 0.0
    return (step_after / pairs + _NATURAL_FLOOR) / (step_before / pairs + _NATURAL_FLOOR)


def _edge_contrast(
    image: npt.NDArray[np.uint8], one: tuple[slice, slice], two: tuple[slice, slice], where: Mask
) -> float:
    a, b = image[one][where].astype(np.int16), image[two][where].astype(np.int16)
    return float(np.abs(a - b).max(axis=-1).sum()) if a.size else 0.0
