"""MVTec AD: normals to learn from, one folder per defect in the test, one mask per image.

Loaders pair images and masks by sorted position and glob every PNG below the category, so stems have one
width, every anomalous image has its mask, and nothing else lies below the category folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.errors import ExportError
from core.exporters.api import (
    IMAGE_SUFFIXES,
    DatasetFormat,
    DatasetItem,
    ExportPlan,
    ItemContent,
    PlacedItem,
    Split,
    WrittenItem,
    folders_in,
    images_in,
    not_a_dataset,
    write_file,
)
from core.exporters.sidecar import apply_sidecar
from core.types import GOOD


class MvtecAdExporter(DatasetFormat):
    """``<category>/{train/good,test/<label>}/NNNNNN.png``, ``<category>/ground_truth/<label>/NNNNNN_mask.png``."""

    name = "mvtec-ad"
    listed, asked = 1, 7
    title = "MVTec AD"
    summary = "Detectors learn from normals only; every anomaly is in the test."
    library = "anomalib"

    def write(self, plan: ExportPlan, placed: PlacedItem, content: ItemContent) -> WrittenItem:
        base, label = plan.options.category, placed.item.label
        image = write_file(plan.folder, f"{base}/{placed.split}/{label}/{placed.stem}.png", content.png)
        if placed.item.good:
            return WrittenItem(placed, image)
        mask = f"{base}/ground_truth/{label}/{placed.stem}_mask.png"
        return WrittenItem(placed, image, write_file(plan.folder, mask, content.union_png()))

    def finish(self, plan: ExportPlan, written: Sequence[WrittenItem]) -> list[str]:
        return []

    def layout(self, plan: ExportPlan) -> str:
        c = plan.options.category
        return (
            f"- `{c}/train/good/`, `{c}/test/good/`: normal images\n"
            f"- `{c}/test/<label>/NNNNNN.png`: anomalies\n"
            f"- `{c}/ground_truth/<label>/NNNNNN_mask.png`: their masks, all instances of an image in one file\n"
        )

    def loader_script(self, plan: ExportPlan) -> str:
        return f'''from pathlib import Path

from anomalib.data import MVTecAD

data = MVTecAD(root=Path(__file__).parent, category="{plan.options.category}", num_workers=0)
data.setup()
print("train", len(data.train_data), "test", len(data.test_data))
'''

    def matches(self, path: Path) -> bool:
        try:
            return (category_folder(path, self.name) / "train" / GOOD).is_dir()
        except ExportError:
            return False

    def read(self, path: Path) -> list[DatasetItem]:
        base = category_folder(path, self.name)
        return read_category(base, path if base != path else base.parent)


def category_folder(path: Path, name: str) -> Path:
    """The folder with train and test: ``path`` or its only child that has them; ExportError names several."""
    if any((path / split).is_dir() for split in ("train", "test")):
        return path
    found = [p for p in folders_in(path) if (p / "train").is_dir() or (p / "test").is_dir()]
    if len(found) > 1:
        listed = ", ".join(p.name for p in found[:8])
        raise ExportError(f"{name}: {path} holds several categories ({listed}); give the folder of one of them")
    if not found:
        raise not_a_dataset(path, name, "train or test folder")
    return found[0]


def read_category(base: Path, root: Path) -> list[DatasetItem]:
    """The items of one category; ``root`` is where samples.csv may be. Masks: ``<stem>_mask.*`` or ``<stem>.*``."""
    items = []
    splits: tuple[tuple[str, Split], ...] = (("train", "train"), ("validation", "val"), ("test", "test"))
    for folder, split in splits:
        for label_folder in folders_in(base / folder):
            label = label_folder.name
            masks = _masks(base / "ground_truth" / label)
            for image in images_in(label_folder):
                mask = masks.get(f"{image.stem}_mask") or masks.get(image.stem)
                given = (mask,) if mask and label != GOOD else ()
                item = DatasetItem(image.stem, image, label, masks=given, split=split)
                items.append((image.relative_to(root).as_posix(), item))
    return apply_sidecar(root, items)


def _masks(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {p.stem: p for p in sorted(folder.iterdir()) if p.suffix.lower() in IMAGE_SUFFIXES}
