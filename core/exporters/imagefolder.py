"""Image folders with metadata.jsonl, as Hugging Face ``datasets`` and torchvision read them.

``<split>/images/<label>/`` is a torchvision ImageFolder; ``<split>/metadata.jsonl`` pairs each image with its
mask. Every image has a mask (a black one for normals), since a column of nulls gets another type than one
of file names. Names of photos stay in samples.csv: a name like a date would change the column's type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from core.errors import ExportError
from core.exporters.api import (
    SPLITS,
    DatasetFormat,
    DatasetItem,
    ExportOptions,
    ExportPlan,
    ItemContent,
    PlacedItem,
    WrittenItem,
    not_a_dataset,
    path_inside,
    write_file,
)
from core.exporters.sidecar import apply_sidecar
from core.types import GOOD, KINDS

_SPLIT_WORDS = "train|training|validation|valid|dev|val|test|testing|eval|evaluation"
_SPLIT_WORD = re.compile(rf"(?:^|[_0-9])({_SPLIT_WORDS})(?:$|[_0-9])")


class ImageFolderExporter(DatasetFormat):
    """``<split>/images/<label>/NNNNNN.png``, ``<split>/masks/<label>/NNNNNN.png``, ``<split>/metadata.jsonl``."""

    name = "imagefolder"
    listed, asked = 7, 5
    title = "image folder with metadata"
    summary = "For Hugging Face datasets and torchvision: labels and masks, for classifiers and segmentation."
    library = "datasets"
    trains_on_anomalies = True
    has_val = True

    def check(self, items: Sequence[DatasetItem], out: Path, options: ExportOptions) -> None:
        for label in sorted({item.label for item in items}):
            if found := _SPLIT_WORD.search(label):
                raise ExportError(
                    f"imagefolder: label {label!r} holds {found[1]!r}, which loaders take for a split; rename it"
                )

    def write(self, plan: ExportPlan, placed: PlacedItem, content: ItemContent) -> WrittenItem:
        place = f"{placed.item.label}/{placed.stem}.png"
        image = write_file(plan.folder, f"{placed.split}/images/{place}", content.png)
        mask = write_file(plan.folder, f"{placed.split}/masks/{place}", content.union_png())
        return WrittenItem(placed, image, mask)

    def finish(self, plan: ExportPlan, written: Sequence[WrittenItem]) -> list[str]:
        for split in SPLITS:
            rows = [w for w in written if w.placed.split == split]
            if rows:
                write_file(plan.folder, f"{split}/metadata.jsonl", "".join(map(_line, rows)))
        return []

    def layout(self, plan: ExportPlan) -> str:
        return (
            "- `<split>/images/<label>/NNNNNN.png`: images (`torchvision.datasets.ImageFolder('train/images')`)\n"
            "- `<split>/masks/<label>/NNNNNN.png`: masks, all instances in one file, black for normals\n"
            "- `<split>/metadata.jsonl`: file_name, mask_file_name, label, kind\n"
        )

    def loader_script(self, plan: ExportPlan) -> str:
        return """from pathlib import Path

from datasets import load_dataset

data = load_dataset("imagefolder", data_dir=str(Path(__file__).parent))
for split, rows in data.items():
    print(split, len(rows), rows.column_names)
"""

    def matches(self, path: Path) -> bool:
        return any((path / split / "metadata.jsonl").is_file() for split in SPLITS)

    def read(self, path: Path) -> list[DatasetItem]:
        if not self.matches(path):
            raise not_a_dataset(path, self.name, "train/metadata.jsonl")
        items = []
        for split in SPLITS:
            table = path / split / "metadata.jsonl"
            for line in table.read_text("utf-8").splitlines() if table.is_file() else ():
                try:
                    row = json.loads(line)
                    image = path_inside(path / split, row["file_name"])
                    label, mask = str(row.get("label", image.parent.name)), row.get("mask_file_name")
                except (ValueError, KeyError, TypeError) as error:
                    raise ExportError(f"{table}: expected file_name in each line, got {line[:60]!r}") from error
                masks = (path_inside(path / split, mask),) if mask and label != GOOD else ()
                kind = next((k for k in KINDS if k == row.get("kind")), None)
                items.append(
                    (f"{split}/{row['file_name']}", DatasetItem(image.stem, image, label, kind, masks, split))
                )
        return apply_sidecar(path, items)


def _line(written: WrittenItem) -> str:
    item, split = written.placed.item, written.placed.split
    row = {
        "file_name": written.image.removeprefix(f"{split}/"),
        "mask_file_name": written.mask.removeprefix(f"{split}/"),
        "label": item.label,
        "kind": item.kind or "",
    }
    return json.dumps(row) + "\n"
