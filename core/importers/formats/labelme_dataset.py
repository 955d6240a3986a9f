"""What labelme_json_to_dataset leaves of each photo: ``x_json/img.png``, ``label.png`` and ``label_names.txt``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from core.importers.class_masks import MaskAreas, coded_mask
from core.importers.importer import Importer
from core.importers.plan import DrawnMask, ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, text_of
from core.importers.words import role_of
from core.masks.voc_codes import VocCodes
from core.types import Mask

NAMES = "label_names.txt"
_GROUND = "_background_"


class LabelmeDatasetImporter(Importer):
    """A folder per photo, wherever it lies."""

    name = "labelme-dataset"
    title = "labelme_json_to_dataset"
    reads = "`img.png`, `label.png` and `label_names.txt` of each `x_json`; a photo on which nothing is drawn is good"

    def detect(self, tree: SourceTree) -> float:
        return 0.85 if any(_in(tree, folder, "label.png") for folder in dataset_folders(tree)) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        inside: set[str] = set()
        folders = dataset_folders(tree)
        drawn = MaskAreas(e for folder in folders if (e := _in(tree, folder, "label.png")) is not None)
        for folder in folders:
            inside |= _take(builder, tree, folder, drawn)
        for photo in (e for e in tree.images if e.name not in inside):
            if any(role_of(f) == "good" for f in photo.folders):
                builder.good(photo)
            else:
                builder.look(photo, "no folder of labelme belongs to it: is it a good part, or not annotated yet?")
        return builder.plan(tree)


def dataset_folders(tree: SourceTree) -> list[str]:
    """Folders that labelme made of a photo, by their paths."""
    return ["/".join(e.folders) for e in tree.named(".txt") if e.file.casefold() == NAMES and e.folders]


def _in(tree: SourceTree, folder: str, file: str) -> SourceEntry | None:
    return tree.get(f"{folder}/{file}")


def _take(builder: PlanBuilder, tree: SourceTree, folder: str, drawn: MaskAreas) -> set[str]:
    """Put the photo of a folder where it belongs; the names of the pictures that were spoken of."""
    names = _in(tree, folder, NAMES)
    photo, label = _in(tree, folder, "img.png"), _in(tree, folder, "label.png")
    shown = [e for e in (_in(tree, folder, "label_viz.png"), _in(tree, folder, "viz.png")) if e is not None]
    builder.annotations += [names] if names else []
    builder.leave_out(shown, "labelme drew its labels on the photo in it")
    if names is None or photo is None or label is None:
        return {e.name for e in shown}
    codes = _codes(text_of(names))
    called = drawn.label(label, codes)
    if called is None:
        builder.good(photo)
        builder.good_masks.append(label)
    else:
        builder.anomaly(photo, called, [DrawnMask(label.name, partial(_draw, label, codes), (label,))])
    return {photo.name, label.name, *(e.name for e in shown)}


def _codes(text: str) -> VocCodes:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return VocCodes({k: "background" if name == _GROUND else name for k, name in enumerate(lines)}, {})


def _draw(label: SourceEntry, codes: VocCodes, shape: tuple[int, int]) -> Sequence[Mask]:
    """One mask bool (H, W) for each label."""
    coded = coded_mask(label)
    return codes.masks(coded, coded)
