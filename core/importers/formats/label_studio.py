"""Label Studio's JSON export: brushes, polygons and ellipses of each task."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from core.errors import InputError
from core.importers.annotated import AnnotatedDefect, add_annotated, polygon_area, whole_photo
from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, json_of, mentions
from core.masks.annotation_shapes import brush_mask, ellipse_mask, polygon_mask
from core.types import Mask


class LabelStudioImporter(Importer):
    """A JSON list of tasks with ``annotations`` and ``data``."""

    name = "label-studio"
    title = "Label Studio (JSON)"
    reads = (
        "JSON and JSON_MIN: brushes, polygons, ellipses; rectangles are boxes, no masks; "
        "tasks without a result are good"
    )

    def detect(self, tree: SourceTree) -> float:
        return 0.93 if any(map(_is_export, tree.named(".json")[:8])) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        taken: set[str] = set()
        for table in filter(_is_export, tree.named(".json")):
            builder.annotations.append(table)
            for photo, defects in _read(tree, table):
                if photo.name not in taken:
                    taken.add(photo.name)
                    add_annotated(builder, photo, defects, table.name)
        return builder.plan(tree)


def _is_export(entry: SourceEntry) -> bool:
    try:
        if not entry.head().lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"["):
            return False
    except InputError:
        return False
    full = mentions(entry, "data") and (mentions(entry, "annotations") or mentions(entry, "completions"))
    return full or mentions(entry, "annotator", "id") or mentions(entry, "original_width", "id")


def _read(tree: SourceTree, table: SourceEntry) -> list[tuple[SourceEntry, list[AnnotatedDefect]]]:
    data: Any = json_of(table)
    found = []
    try:
        for task in data:
            values = task["data"] if "data" in task else task
            photo = next((p for v in values.values() if (p := _photo(tree, v)) is not None), None)
            results = _results(task)
            if photo is not None and results is not None:
                found.append((photo, [d for r in results if (d := _shape(r)) is not None]))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(f"{table.name}: expected Label Studio's tasks, got {type(error).__name__} {error}") from error
    return found


def _results(task: Any) -> list[Any] | None:
    """What was drawn on a task, None where nobody has looked at it; JSON_MIN has the values without their frame."""
    if "data" in task:
        done = [a for a in task.get("annotations", task.get("completions", ())) if not a.get("was_cancelled")]
        return list(done[-1]["result"]) if done else None
    shapes = [v for value in task.values() if isinstance(value, list) for v in value if isinstance(v, dict)]
    kinds = ("brushlabels", "polygonlabels", "rectanglelabels", "ellipselabels", "keypointlabels", "labels")
    return [{"type": next((k for k in kinds if k in v), ""), "value": v} for v in shapes if "original_width" in v]


def _photo(tree: SourceTree, value: object) -> SourceEntry | None:
    """By the task's address: a path, an upload with a random prefix, or ``?d=`` of local files."""
    if not isinstance(value, str):
        return None
    parts = urlsplit(value)
    path = parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
    file = path.rpartition("/")[2]
    return tree.find(path) or tree.find(file.partition("-")[2])


def _shape(result: Any) -> AnnotatedDefect | None:
    value = result.get("value", {})
    kind = str(result.get("type", ""))
    labels = value.get(kind) or value.get("labels") or value.get("brushlabels") or value.get("polygonlabels")
    if kind in ("textarea", "rating", "relation") or not isinstance(value, dict):
        return None
    if kind == "choices":
        return whole_photo(str(labels[0])) if labels else None
    label = str(labels[0]) if labels else "defect"
    if "rle" in value:
        return AnnotatedDefect(label, partial(brush_mask, value["rle"]), float(len(value["rle"])))
    if "points" in value:
        points = [[float(x), float(y)] for x, y in value["points"]]
        return AnnotatedDefect(label, partial(_percent_polygon, points), polygon_area(points))
    if "radiusX" in value:
        numbers = [float(value[k]) for k in ("x", "y", "radiusX", "radiusY")]
        return AnnotatedDefect(label, partial(_percent_ellipse, numbers, float(value.get("rotation", 0))))
    return AnnotatedDefect(label, None)


def _percent_polygon(points: list[list[float]], shape: tuple[int, int]) -> Mask:
    return polygon_mask([[x * shape[1] / 100, y * shape[0] / 100] for x, y in points], shape)


def _percent_ellipse(numbers: list[float], turn: float, shape: tuple[int, int]) -> Mask:
    x, y, rx, ry = numbers
    width, height = shape[1] / 100, shape[0] / 100
    return ellipse_mask((x * width, y * height), (rx * width, ry * height), turn, shape)
