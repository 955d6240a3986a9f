"""MVTec LOCO AD: logical and structural anomalies, one mask file per defect instance, saturation thresholds.

The folder of an anomaly is its kind; its label stands in samples.csv and, with pixel codes, in the mask
values. A "combined" anomaly counts as logical: it breaks the arrangement, and a detector that only sees the
surface must not be credited with all of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from core.errors import ExportError
from core.exporters.api import (
    DatasetFormat,
    DatasetItem,
    ExportOptions,
    ExportPlan,
    ItemContent,
    PlacedItem,
    Split,
    WrittenItem,
    folders_in,
    images_in,
    write_file,
)
from core.exporters.mvtec_ad import category_folder
from core.exporters.sidecar import apply_sidecar
from core.given_files import given_json
from core.images import isolated
from core.types import GOOD, Kind, Mask

CONFIG = "defects_config.json"
_FOLDERS = {"logical": "logical_anomalies", "combined": "logical_anomalies", "structural": "structural_anomalies"}
_KINDS: dict[str, Kind] = {"logical_anomalies": "logical", "structural_anomalies": "structural"}
_SPLIT_FOLDERS: dict[Split, str] = {"train": "train", "val": "validation", "test": "test"}
_MAX_CODES = 250


class MvtecLocoExporter(DatasetFormat):
    """``<category>/{train,validation,test}/...`` and ``ground_truth/<kind>_anomalies/NNNNNN/000.png, 001.png``."""

    name = "mvtec-loco"
    listed, asked = 2, 6
    title = "MVTec LOCO AD"
    summary = "Detectors learn from normals only; anomalies are logical or structural, one mask per defect."
    library = "anomalib 'pandas<3'"
    has_val = True

    def check(self, items: Sequence[DatasetItem], out: Path, options: ExportOptions) -> None:
        if "ground_truth" in (*out.parts, options.category):
            raise ExportError(f"{out}: no folder above a mvtec-loco dataset may be called ground_truth; rename it")
        labels = {item.label for item in items if not item.good}
        if options.pixel_codes and len(labels) > _MAX_CODES:
            raise ExportError(f"mvtec-loco: at most {_MAX_CODES} labels fit into pixel codes, got {len(labels)}")
        if unknown := sorted(set(options.saturation) - labels):
            have = ", ".join(sorted(labels))
            raise ExportError(f"saturation of {unknown[0]!r}: no anomaly has this label (there are: {have})")
        if not options.pixel_codes and len({options.saturation.get(label, 1.0) for label in labels}) > 1:
            raise ExportError(
                "saturation: labels with different thresholds need different mask values; turn on LOCO pixel codes"
            )

    def write(self, plan: ExportPlan, placed: PlacedItem, content: ItemContent) -> WrittenItem:
        base, item = plan.options.category, placed.item
        folder = GOOD if item.good else _FOLDERS[item.kind or "structural"]
        split = _SPLIT_FOLDERS[placed.split]
        image = write_file(plan.folder, f"{base}/{split}/{folder}/{placed.stem}.png", content.png)
        code = pixel_value(plan, item.label)
        for k, mask in enumerate(content.masks if not item.good else ()):
            relative = f"{base}/ground_truth/{folder}/{placed.stem}/{k:03d}.png"
            write_file(plan.folder, relative, content.mask_png(k) if code == 255 else _coded_png(mask, code))
        one = len(content.masks) == 1 and not item.good
        only = f"{base}/ground_truth/{folder}/{placed.stem}/000.png" if one else ""
        return WrittenItem(placed, image, only, frozenset() if item.good or item.kind else frozenset({"kind"}))

    def finish(self, plan: ExportPlan, written: Sequence[WrittenItem]) -> list[str]:
        write_file(plan.folder, f"{plan.options.category}/{CONFIG}", json.dumps(list(_defects(plan)), indent=4) + "\n")
        unknown = sum("kind" in w.losses for w in written)
        combined = sum(w.placed.item.kind == "combined" for w in written)
        warnings = []
        if unknown:
            warnings.append(f"{unknown} anomalies have no kind and are filed under structural_anomalies")
        if combined:
            warnings.append(f"{combined} combined anomalies are filed under logical_anomalies")
        if plan.options.pixel_codes and len(plan.labels) > 1:
            warnings.append("pixel codes: older releases of anomalib read mask values below 255 as background")
        return warnings

    def layout(self, plan: ExportPlan) -> str:
        c = plan.options.category
        values = "one value per label" if plan.options.pixel_codes else "255"
        return (
            f"- `{c}/train/good/`, `{c}/validation/good/`, `{c}/test/good/`: normal images\n"
            f"- `{c}/test/logical_anomalies/`, `{c}/test/structural_anomalies/`: anomalies by kind; what is both "
            "counts as logical\n"
            f"- `{c}/ground_truth/<kind>_anomalies/NNNNNN/000.png, 001.png`: one mask per defect ({values})\n"
            f"- `{c}/{CONFIG}`: which mask value is which label, and its saturation threshold for sPRO\n"
        )

    def loader_script(self, plan: ExportPlan) -> str:
        return f'''# The LOCO reader of anomalib needs pandas below 3.
from pathlib import Path

from anomalib.data import MVTecLOCO

data = MVTecLOCO(root=Path(__file__).parent, category="{plan.options.category}", num_workers=0)
data.setup()
print("train", len(data.train_data), "val", len(data.val_data), "test", len(data.test_data))
'''

    def matches(self, path: Path) -> bool:
        try:
            base = category_folder(path, self.name)
        except ExportError:
            return False
        return (
            (base / CONFIG).is_file()
            or any((base / "test" / name).is_dir() for name in _KINDS)
            or (base / "validation").is_dir()
        )

    def read(self, path: Path) -> list[DatasetItem]:
        base = category_folder(path, self.name)
        root = path if base != path else base.parent
        names = _names(base)
        items = []
        for split, folder in _SPLIT_FOLDERS.items():
            for label_folder in folders_in(base / folder):
                for image in images_in(label_folder):
                    item = _item(base, image, split, names)
                    items.append((image.relative_to(root).as_posix(), item))
        return apply_sidecar(root, items)


def pixel_value(plan: ExportPlan, label: str) -> int:
    """Mask value of a label: 255, or with pixel codes 255, 254, ... in alphabetical order."""
    return 255 - plan.labels.index(label) if plan.options.pixel_codes and label in plan.labels else 255


def _defects(plan: ExportPlan) -> Iterator[dict[str, object]]:
    """Entries of defects_config.json: one per mask value, as its reader keeps them by value."""
    shared = "anomaly" if len(plan.labels) > 1 else plan.labels[0]
    values = {pixel_value(plan, label): label if plan.options.pixel_codes else shared for label in plan.labels}
    for value, name in values.items():
        threshold = plan.options.saturation.get(name if plan.options.pixel_codes else plan.labels[0], 1.0)
        yield {
            "defect_name": name,
            "pixel_value": value,
            "saturation_threshold": threshold if threshold <= 1 else round(threshold),
            "relative_saturation": threshold <= 1,
        }


def _coded_png(mask: Mask, code: int) -> bytes:
    ok, data = cv2.imencode(".png", mask.astype(np.uint8) * np.uint8(code), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not ok:
        raise ExportError("mask: could not be written as PNG")
    return data.tobytes()


def _names(base: Path) -> dict[int, str]:
    """Label by mask value; {} where values tell nothing (no config, or one value for all)."""
    try:
        if not (base / CONFIG).exists():
            return {}
        entries = given_json(base / CONFIG)
        names = {int(e["pixel_value"]): str(e["defect_name"]) for e in entries}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{base / CONFIG}: expected defect_name and pixel_value entries; repair it") from error
    return {} if set(names) == {255} and names[255] == "anomaly" else names


def _item(base: Path, image: Path, split: Split, names: dict[int, str]) -> DatasetItem:
    folder = image.parent.name
    if folder == GOOD:
        return DatasetItem(image.stem, image, split=split)
    masks = tuple(images_in(base / "ground_truth" / folder / image.stem))
    tops = [isolated.mask_top_value(mask.read_bytes(), mask.name) for mask in masks] if names else []
    found = Counter(names.get(top, folder) for top in tops)
    label = found.most_common(1)[0][0] if found else folder
    return DatasetItem(image.stem, image, label, _KINDS.get(folder), masks, split)
