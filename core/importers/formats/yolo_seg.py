"""YOLO segmentation: one polygon a line in labels/, class names in data.yaml."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import Any

import numpy as np

from core.errors import InputError, MaskError
from core.importers.annotated import AnnotatedDefect, add_annotated, polygon_area
from core.importers.importer import Importer
from core.importers.mask_pairing import in_mask_folder
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, text_of
from core.masks.annotation_shapes import polygon_mask
from core.types import Mask


class YoloSegImporter(Importer):
    """``images/<split>/x.png`` with ``labels/<split>/x.txt``, or ``<split>/{images,labels}``, and ``data.yaml``."""

    name = "yolo-seg"
    title = "YOLO segmentation"
    reads = "polygons and `data.yaml`; exact masks of `masks/` where an export of ours has them; boxes are no masks"

    def detect(self, tree: SourceTree) -> float:
        texts = [e for e in tree.named(".txt") if "labels" in e.folded]
        if texts and _config(tree):
            return 0.9
        return 0.6 if any(_is_label(e) for e in texts[:4] if e.folded[0] == "labels") else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        config = _config(tree)
        names = _names(config) if config else {}
        texts = {(_place(e), e.stem.casefold()): e for e in tree.named(".txt") if "labels" in e.folded}
        builder.annotations += [*([config] if config else []), *texts.values()]
        exact: dict[tuple[tuple[str, ...], str], list[SourceEntry]] = defaultdict(list)
        for mask in tree.images:
            if in_mask_folder(mask):
                exact[(_place(mask), mask.stem.casefold().rpartition("_")[0])].append(mask)
        for photo in tree.images:
            if in_mask_folder(photo):
                continue
            key = (_place(photo), photo.stem.casefold())
            text = texts.get(key)
            defects = _read(text, names) if text else []
            if defects and exact[key]:
                builder.anomaly(photo, defects[0].label, exact[key])
            else:
                add_annotated(builder, photo, defects, text.name if text else "")
        return builder.plan(tree)


def _place(entry: SourceEntry) -> tuple[str, ...]:
    return tuple(f for f in entry.folded if f not in ("images", "labels", "masks"))


def _config(tree: SourceTree) -> SourceEntry | None:
    return next((e for e in tree.named(".yaml", ".yml") if not e.folders and b"names" in e.head()), None)


def _is_label(entry: SourceEntry) -> bool:
    try:
        words = entry.head().split(b"\n")[0].split()
        return len(words) >= 5 and words[0].isdigit() and all(0 <= float(w) <= 1 for w in words[1:])
    except ValueError:
        return False


def _names(config: SourceEntry) -> dict[int, str]:
    """Class names by number; names may be a list or a mapping."""
    import yaml  # type: ignore[import-untyped]

    try:
        names: Any = yaml.safe_load(text_of(config))["names"]
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(k): str(v) for k, v in pairs}
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise InputError(f"{config.name}: expected 'names:' with the class names; repair the file") from error


def _read(text: SourceEntry, names: dict[int, str]) -> list[AnnotatedDefect]:
    found = []
    for number, line in enumerate(text_of(text).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            corners = np.array([float(w) for w in words[1:]])
            label = names.get(int(words[0]), f"class_{int(words[0])}")
            if len(corners) < 4 or not np.isfinite(corners).all():
                raise ValueError("corners")
        except ValueError as error:
            raise InputError(
                f"{text.name}: line {number} is no polygon (a class and at least three corners x y in 0..1)"
            ) from error
        if len(corners) < 6 or len(corners) % 2:
            found.append(AnnotatedDefect(label, None))
        else:
            points = corners.reshape(-1, 2)
            found.append(AnnotatedDefect(label, partial(_fill, points.tolist()), 1e6 * polygon_area(points.tolist())))
    return found


def _fill(points: list[list[float]], shape: tuple[int, int]) -> Mask:
    """bool (H, W) inside corners in 0..1."""
    mask = polygon_mask((np.asarray(points) * (shape[1], shape[0])).tolist(), shape)
    if not mask.any():
        raise MaskError("mask: the polygon is empty; draw it again")
    return mask
