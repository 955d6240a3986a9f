"""COCO's table of photos and annotated defects, for whoever reads the format: import, and the reader of exports."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from core.errors import InputError
from core.masks.annotation_shapes import coco_mask
from core.types import Mask


@dataclass(frozen=True)
class CocoDefect:
    """One annotation: ``segmentation`` holds polygons or run lengths, None for a box alone; ``area`` is in pixels, 1
    where it is not said."""

    label: str
    segmentation: object
    area: float

    def mask(self, shape: tuple[int, int]) -> Mask:
        """bool (H, W); MaskError for what is no mask of a photo of this size."""
        return coco_mask(self.segmentation, shape)


@dataclass(frozen=True)
class CocoPhoto:
    """A photo of the table by the name that it has there, and its defects; () for a good part."""

    file: str
    defects: tuple[CocoDefect, ...]


def read_coco(data: Any, name: str) -> list[CocoPhoto]:
    """The photos of a table that was read as JSON, in its order; InputError names ``name`` where it is not COCO's."""
    try:
        labels = {str(c["id"]): str(c["name"]) for c in data.get("categories", ())}
        defects: dict[str, list[CocoDefect]] = defaultdict(list)
        for a in data["annotations"]:
            category = str(a.get("category_id"))
            label = labels.get(category, f"class_{category}")
            defects[str(a["image_id"])].append(
                CocoDefect(label, a.get("segmentation") or None, float(a.get("area") or 1))
            )
        return [CocoPhoto(str(row["file_name"]), tuple(defects[str(row["id"])])) for row in data["images"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{name}: expected COCO instances, got {type(error).__name__} {error}") from error


def coco_folders(table: str) -> tuple[str, ...]:
    """Where photos may lie of a table with this file name, without its ending: beside it, or in ``images``."""
    split = table.removeprefix("instances_")
    return f"images/{split}", split, "images"
