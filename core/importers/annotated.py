"""What the readers of annotation files share: shapes with labels become the anomalies of a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

import numpy as np

from core.importers.mask_pairing import split_masks
from core.importers.plan import DrawnMask, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree
from core.importers.words import role_of
from core.types import Kind, Mask

Draw = Callable[[tuple[int, int]], Mask]


@dataclass(frozen=True)
class AnnotatedDefect:
    """One annotated defect: ``draw`` gives its mask of (H, W); None for what has no area, a box or a point.

    ``area`` in pixels tells which label a photo with several takes; 1 where it is not known.
    """

    label: str
    draw: Draw | None
    area: float = 1.0


def add_annotated(
    builder: PlanBuilder,
    photo: SourceEntry,
    defects: Sequence[AnnotatedDefect],
    source: str,
    *,
    split: str | None = None,
    kind: Kind = "structural",
) -> None:
    """A photo with its annotated defects; good without any, without a mask where all are boxes."""
    if not defects:
        builder.good(photo, split)
        return
    area = Counter[str]()
    for defect in defects:
        area[defect.label] += max(1, round(defect.area))
    label = area.most_common(1)[0][0]
    if len(area) > 1:
        builder.several_labels.append(photo.name)
    draws = [d.draw for d in defects if d.draw is not None]
    if len(draws) < len(defects):
        builder.boxes += 1
    masks = [DrawnMask(source, lambda shape: [draw(shape) for draw in draws])] if draws else []
    builder.anomaly(photo, label, masks, kind)


def whole_photo(label: str) -> AnnotatedDefect | None:
    """What a label of a whole photo says: a defect without a mask, or nothing where it says that the part is good."""
    return None if role_of(label) == "good" else AnnotatedDefect(label, None)


def polygon_area(points: Sequence[Sequence[float]]) -> float:
    """Area of a polygon of corners (x, y), 0 for fewer than three."""
    pairs = list(zip(points, [*points[1:], *points[:1]], strict=True))
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairs)) / 2


def ask_about_the_rest(builder: PlanBuilder, tree: SourceTree, taken: Container[str], teller: str) -> None:
    """Photos that ``teller`` does not name are good where a folder says so; the others are asked about."""
    photos, _ = split_masks([e for e in tree.images if e.name not in taken])
    for photo in photos:
        if any(role_of(f) == "good" for f in photo.folders):
            builder.good(photo)
        else:
            builder.look(photo, f"{teller} does not name it: is it a good part, or not annotated yet?")


def pasted_mask(part: Mask, at: tuple[int, int], shape: tuple[int, int]) -> Mask:
    """bool (H, W) with ``part`` in it, whose top left corner lies at (x, y)."""
    canvas = np.zeros(shape, np.bool_)
    x, y = max(0, at[0]), max(0, at[1])
    room = canvas[y : y + part.shape[0], x : x + part.shape[1]]
    room |= part[: room.shape[0], : room.shape[1]]
    return canvas
