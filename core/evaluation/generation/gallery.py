"""Pictures of the extremes: what the numbers mean on this product."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.evaluation.generation.nearest_real import NearestReal
from core.evaluation.generation.pairs import GeneratedPair
from core.evaluation.panels import heat_panel, outlined, side_by_side, stacked_vertically
from core.evaluation.photo_sets import Shot
from core.evaluation.results import Picture
from core.images import png_bytes
from core.images.geometry import mask_box
from core.quality.ars import Discriminator
from core.quality.visible_change import difference
from core.types import Image, Mask

MAX_CLOSEST = 6
"""Generated anomalies shown above the real one they are most like."""

EXTREMES = 3
"""Pictures of the lowest and of the highest ARS, and of the worst masks."""

_TALL = 168
_LEAST_PAD = 24
_HOTTEST_DIFFERENCE = 64.0
"""Levels of difference drawn hottest."""

MaskedCrop = tuple[Image, Mask]
MeasuredShot = tuple[Shot, Mapping[str, float]]


@dataclass(frozen=True)
class ClosestPair:
    """A generated anomaly and the real one most like it."""

    generated: MaskedCrop
    real: MaskedCrop
    generated_name: str
    real_name: str
    similarity: float


def closest_pairs(
    made: Sequence[tuple[Shot, MaskedCrop]], real: Sequence[tuple[Shot, MaskedCrop]], nearest: NearestReal
) -> list[ClosestPair]:
    """The MAX_CLOSEST pairs of a label, most alike first."""
    order = np.argsort(-nearest.similarity, kind="stable")[:MAX_CLOSEST]
    found = []
    for k in order:
        (mine, crop), (theirs, other) = made[k], real[nearest.nearest_index[k]]
        found.append(ClosestPair(crop, other, mine.name, theirs.name, float(nearest.similarity[k])))
    return found


def gallery_pictures(
    seen: Sequence[MeasuredShot], closest: Sequence[ClosestPair], discriminator: Discriminator | None
) -> tuple[Picture, ...]:
    """The pairs most like a real anomaly, highest and lowest ARS, worst masks; none of what was not measured."""
    found = []
    if closest:
        found.append(_closest(closest))
    if discriminator is not None:
        ranked = _ranked(seen, "ars")
        lowest = ranked[:EXTREMES]
        highest = ranked[EXTREMES:][-EXTREMES:][::-1]
        for name, some in (("highest", highest), ("lowest", lowest)):
            for place, (shot, numbers) in enumerate(some, 1):
                image = shot.read()
                panel = heat_panel(image, shot.mask, discriminator.score_map(image), (0.0, 1.0))
                words = f"{name.capitalize()} ARS: {shot.name}, {numbers['ars']:.2f} (photo, mask, score map)"
                found.append(Picture(f"ars_{name}_{place}", words, panel))
    for place, (shot, numbers) in enumerate(_ranked(seen, "mask_iou")[:EXTREMES], 1):
        before = shot.read_before() if isinstance(shot, GeneratedPair) else None
        if before is not None and numbers["mask_iou"] < 1:
            image = shot.read()
            mask = shot.mask((image.shape[0], image.shape[1]))
            levels: npt.NDArray[np.float32] = difference(before, image).astype(np.float32)
            words = f"Mask fits worst: {shot.name}, IoU {numbers['mask_iou']:.2f} (close-up, mask, what changed)"
            near = _near(mask)
            panel = heat_panel(image[near], _already_at_size(mask[near]), levels[near], (0.0, _HOTTEST_DIFFERENCE))
            found.append(Picture(f"mask_worst_{place}", words, panel))
    return tuple(found)


def _already_at_size(mask: Mask) -> Callable[[tuple[int, int]], Mask]:
    return lambda _: mask


def _near(mask: Mask) -> tuple[slice, slice]:
    """The defect with as much again around it: small ones are lost on a large photo."""
    rows, cols = mask_box(mask)
    return mask_box(mask, pad=max(_LEAST_PAD, (rows.stop - rows.start + cols.stop - cols.start) // 2))


def _ranked(seen: Sequence[MeasuredShot], name: str) -> list[MeasuredShot]:
    return sorted((one for one in seen if name in one[1]), key=lambda one: one[1][name])


def _closest(closest: Sequence[ClosestPair]) -> Picture:
    top = sorted(closest, key=lambda c: -c.similarity)[:MAX_CLOSEST]
    columns = [stacked_vertically([outlined(*crop, (_TALL, _TALL)) for crop in (c.generated, c.real)]) for c in top]
    words = ", ".join(f"{c.generated_name} like {c.real_name} ({c.similarity:.2f})" for c in top)
    return Picture("closest", f"Generated (above) and the real anomaly most like it (below): {words}",
                   png_bytes(side_by_side(columns)))  # fmt: skip
