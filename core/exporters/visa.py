"""VisA, in the folder layout that its own preparation script writes (``visa_pytorch``).

Loaders that find ``visa_pytorch/<category>`` convert nothing. All labels become "bad" there; which is which
stands in samples.csv, and ``split_csv/1cls.csv`` serves the tools that read the raw release by its table.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from core.exporters.api import (
    DatasetFormat,
    DatasetItem,
    ExportPlan,
    ItemContent,
    PlacedItem,
    WrittenItem,
    not_a_dataset,
    write_file,
)
from core.exporters.mvtec_ad import category_folder, read_category

_TOP = "visa_pytorch"


class VisaExporter(DatasetFormat):
    """``visa_pytorch/<category>/{train/good,test/{good,bad},ground_truth/bad}/NNNNNN.png``."""

    name = "visa"
    listed, asked = 3, 1
    title = "VisA"
    summary = "Detectors learn from normals only; every anomaly is in the test, all under the label 'bad'."
    library = "anomalib"

    def write(self, plan: ExportPlan, placed: PlacedItem, content: ItemContent) -> WrittenItem:
        base = f"{_TOP}/{plan.options.category}"
        label = "good" if placed.item.good else "bad"
        image = write_file(plan.folder, f"{base}/{placed.split}/{label}/{placed.stem}.png", content.png)
        if placed.item.good:
            return WrittenItem(placed, image)
        mask = f"{base}/ground_truth/bad/{placed.stem}.png"
        return WrittenItem(placed, image, write_file(plan.folder, mask, content.union_png()))

    def finish(self, plan: ExportPlan, written: Sequence[WrittenItem]) -> list[str]:
        out = io.StringIO()
        table = csv.writer(out, lineterminator="\n")
        table.writerow(("object", "split", "label", "image", "mask"))
        for w in written:
            label = "normal" if w.placed.item.good else "anomaly"
            table.writerow((plan.options.category, w.placed.split, label, w.image, w.mask))
        write_file(plan.folder, "split_csv/1cls.csv", out.getvalue())
        return []

    def layout(self, plan: ExportPlan) -> str:
        base = f"{_TOP}/{plan.options.category}"
        return (
            f"- `{base}/train/good/`, `{base}/test/good/`: normal images\n"
            f"- `{base}/test/bad/NNNNNN.png`, `{base}/ground_truth/bad/NNNNNN.png`: anomalies and their masks\n"
            "- `split_csv/1cls.csv`: the same as a table, as in the original release\n"
        )

    def loader_script(self, plan: ExportPlan) -> str:
        return f'''from pathlib import Path

from anomalib.data import Visa

data = Visa(root=Path(__file__).parent, category="{plan.options.category}", num_workers=0)
data.prepare_data()
data.setup()
print("train", len(data.train_data), "test", len(data.test_data))
'''

    def matches(self, path: Path) -> bool:
        return (path / _TOP).is_dir()

    def read(self, path: Path) -> list[DatasetItem]:
        if not self.matches(path):
            raise not_a_dataset(path, self.name, f"folder {_TOP}")
        return read_category(category_folder(path / _TOP, self.name), path)
