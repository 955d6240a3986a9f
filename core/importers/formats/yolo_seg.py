"""YOLO segmentation: one polygon a line in labels/, class names in data.yaml."""

from __future__ import annotations

from collections import defaultdict

from core.errors import InputError
from core.importers.annotated import AnnotatedDefect, add_annotated, polygon_area
from core.importers.importer import Importer
from core.importers.mask_pairing import in_mask_folder
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, text_of
from core.importers.words import role_of
from core.masks.yolo_lines import YoloDefect, read_class_names, read_yolo

_PIXELS = 1e6
"""Of a photo whose size is not known yet, so that areas of its defects can be compared."""


class YoloSegImporter(Importer):
    """``images/<split>/x.png`` with ``labels/<split>/x.txt``, or ``<split>/{images,labels}``, and ``data.yaml``."""

    name = "yolo-seg"
    title = "YOLO segmentation"
    reads = (
        "polygons, in `labels` or beside the photos; `data.yaml` or `classes.txt`; exact masks of `masks/` where an "
        "export of ours has them; boxes are no masks"
    )

    def detect(self, tree: SourceTree) -> float:
        texts = _texts(tree)
        if not texts or not tree.images:
            return 0.0
        if _config(tree) or _class_file(tree):
            return (
                0.9
                if any(map(_is_label, [*texts.values()][:64])) or all("labels" in e.folded for e in texts.values())
                else 0.0
            )
        sampled = [e for e in texts.values() if not _is_empty(e)][:8]
        return 0.6 if sampled and all(map(_is_label, sampled)) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        about = [e for e in (_config(tree), _class_file(tree)) if e is not None]
        names = _names(about[0]) if about else {}
        texts = _texts(tree)
        builder.annotations += [*about, *texts.values()]
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


def _texts(tree: SourceTree) -> dict[tuple[tuple[str, ...], str], SourceEntry]:
    """The text of each photo by place and stem: in ``labels``, or beside the photos."""
    photos = {(_place(e), e.stem.casefold()) for e in tree.images}
    return {key: e for e in tree.named(".txt") if (key := (_place(e), e.stem.casefold())) in photos}


def _place(entry: SourceEntry) -> tuple[str, ...]:
    return tuple(f for f in entry.folded if role_of(f) not in ("photo", "mask"))


def _config(tree: SourceTree) -> SourceEntry | None:
    """The YAML with the classes, the one nearest to the top."""
    found = [e for e in tree.named(".yaml", ".yml") if len(e.folders) < 3 and b"names" in _head(e)]
    return min(found, key=lambda e: len(e.folders), default=None)


def _class_file(tree: SourceTree) -> SourceEntry | None:
    """A text with one class name a line, as labelling tools write it."""
    wanted = ("classes.txt", "obj.names", "_darknet.labels", "classes.names", "predefined_classes.txt")
    found = [e for e in tree.entries if e.file.casefold() in wanted and len(e.folders) < 3]
    return min(found, key=lambda e: len(e.folders), default=None)


def _head(entry: SourceEntry) -> bytes:
    try:
        return entry.head()
    except InputError:
        return b""


def _is_empty(entry: SourceEntry) -> bool:
    return not _head(entry).strip()


def _is_label(entry: SourceEntry) -> bool:
    try:
        words = _head(entry).split(b"\n")[0].split()
        return len(words) >= 5 and float(words[0]).is_integer() and all(-0.01 <= float(w) <= 1.01 for w in words[1:])
    except (ValueError, OverflowError):
        return False


def _names(config: SourceEntry) -> dict[int, str]:
    return read_class_names(text_of(config), config.name, yaml=config.suffix in (".yaml", ".yml"))


def _read(text: SourceEntry, names: dict[int, str]) -> list[AnnotatedDefect]:
    return [_annotated(defect) for defect in read_yolo(text_of(text), names, text.name)]


def _annotated(defect: YoloDefect) -> AnnotatedDefect:
    if defect.corners is None:
        return AnnotatedDefect(defect.label, None)
    return AnnotatedDefect(defect.label, defect.mask, _PIXELS * polygon_area(defect.corners.tolist()))
