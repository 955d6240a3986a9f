"""What the readers of annotation files share: shapes with labels become the anomalies of a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.importers.plan import DrawnMask, PlanBuilder
from core.importers.source_entry import SourceEntry
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
