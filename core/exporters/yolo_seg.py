"""YOLO segmentation: one polygon a line, and exact PNG masks beside it.

A polygon cannot hold a hole, and a line one part only, so ``masks/`` keeps each instance as it is; reading
back takes the masks where they are and the polygons elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import ExportError, InputError
from core.exporters.api import (
    SPLITS,
    DatasetFormat,
    DatasetItem,
    ExportPlan,
    ItemContent,
    PlacedItem,
    Split,
    WrittenItem,
    images_in,
    not_a_dataset,
    write_file,
)
from core.exporters.png_files import image_size
from core.exporters.sidecar import apply_sidecar
from core.given_files import MAX_TEXT, read_given
from core.masks.yolo_lines import INSIDE, read_class_names, read_yolo
from core.types import GOOD, Mask


class YoloSegExporter(DatasetFormat):
    """``{images,labels,masks}/<split>/``, ``data.yaml``; masks are ``NNNNNN_KKK.png``, one per instance."""

    name = "yolo-seg"
    listed, asked = 5, 3
    title = "YOLO segmentation"
    summary = "One polygon a line; holes and parts are kept in PNG masks beside it."
    library = "supervision"
    trains_on_anomalies = True
    has_val = True

    def write(self, plan: ExportPlan, placed: PlacedItem, content: ItemContent) -> WrittenItem:
        split, stem = placed.split, placed.stem
        image = write_file(plan.folder, f"images/{split}/{stem}.png", content.png)
        lines: list[str] = []
        lost: set[str] = set()
        mask_path = ""
        for k, mask in enumerate(() if placed.item.good else content.masks):
            polygons, has_holes = outlines(mask)
            if has_holes:
                lost.add("holes")
            if len(polygons) > 1:
                lost.add("parts")
            index = plan.labels.index(placed.item.label)
            lines += [_line(index, polygon, content.shape) for polygon in polygons]
            mask_path = write_file(plan.folder, f"masks/{split}/{stem}_{k:03d}.png", content.mask_png(k))
        write_file(plan.folder, f"labels/{split}/{stem}.txt", "".join(lines))
        return WrittenItem(placed, image, mask_path if len(content.masks) == 1 else "", frozenset(lost))

    def finish(self, plan: ExportPlan, written: Sequence[WrittenItem]) -> list[str]:
        have = {w.placed.split for w in written}
        # Trainers insist on train and val; what is missing points at the nearest there is.
        fallback = next(s for s in ("val", "test", "train") if s in have)
        wanted = {"train": "train", "val": fallback} | ({"test": "test"} if "test" in have else {})
        lines = [f"{key}: images/{split}\n" for key, split in wanted.items() if split in have]
        lines += ["names:\n", *(f'  {k}: "{label}"\n' for k, label in enumerate(plan.labels))]
        write_file(plan.folder, "data.yaml", "".join(lines))
        holes, parts = (sum(what in w.losses for w in written) for what in ("holes", "parts"))
        warnings = []
        if holes:
            warnings.append(f"{holes} images have masks with holes: polygons fill them; the PNGs in masks/ are exact")
        if parts:
            warnings.append(f"{parts} images have defects in several parts: each part is a line of its own")
        return warnings

    def layout(self, plan: ExportPlan) -> str:
        return (
            "- `images/<split>/NNNNNN.png`: images\n"
            "- `labels/<split>/NNNNNN.txt`: `class x1 y1 x2 y2 ...` in 0..1, one outline a line; empty for normals\n"
            "- `masks/<split>/NNNNNN_KKK.png`: the exact mask of each defect, holes included\n"
            "- `data.yaml`: splits and class names; paths are relative to it\n"
        )

    def loader_script(self, plan: ExportPlan) -> str:
        return """from pathlib import Path

import supervision as sv

root = Path(__file__).parent
for images in sorted((root / "images").iterdir()):
    data = sv.DetectionDataset.from_yolo(
        images_directory_path=str(images),
        annotations_directory_path=str(root / "labels" / images.name),
        data_yaml_path=str(root / "data.yaml"),
        force_masks=True,
    )
    print(images.name, len(data), "images", data.classes)
"""

    def matches(self, path: Path) -> bool:
        return (path / "data.yaml").is_file() and (path / "labels").is_dir()

    def read(self, path: Path) -> list[DatasetItem]:
        if not self.matches(path):
            raise not_a_dataset(path, self.name, "data.yaml and labels folder")
        names = _names(path / "data.yaml")
        items = []
        for split in SPLITS:
            exact: dict[str, list[Path]] = {}
            for mask in images_in(path / "masks" / split):
                exact.setdefault(mask.stem.rpartition("_")[0], []).append(mask)
            for image in images_in(path / "images" / split):
                item = _item(path, image, split, names, exact.get(image.stem, []))
                items.append((image.relative_to(path).as_posix(), item))
        return apply_sidecar(path, items)


def outlines(mask: Mask) -> tuple[list[npt.NDArray[np.int32]], bool]:
    """Outer outlines (N >= 3, 2) in x, y of each 8-connected part, and whether a part has holes.

    Filled with cv2.fillPoly they give the mask less its holes.
    """
    found, tree = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outer = [c[:, 0] for c, (_, _, _, parent) in zip(found, tree[0], strict=True) if parent < 0]
    # Readers take a line of fewer than three corners for a box.
    padded = [np.concatenate([c, np.repeat(c[-1:], max(0, 3 - len(c)), axis=0)]) for c in outer]
    return sorted(padded, key=lambda c: (int(c[:, 1].min()), int(c[:, 0].min()))), len(outer) < len(found)


def _line(index: int, polygon: npt.NDArray[np.int32], shape: tuple[int, int]) -> str:
    corners = (polygon + INSIDE) / (shape[1], shape[0])
    return f"{index} " + " ".join(f"{v:.7f}".rstrip("0") for v in corners.reshape(-1)) + "\n"


def _names(path: Path) -> dict[int, str]:
    try:
        return read_class_names(read_given(path, MAX_TEXT).decode("utf-8", "replace"), str(path), yaml=True)
    except InputError as error:
        raise ExportError(str(error)) from error


def _item(root: Path, image: Path, split: Split, names: dict[int, str], exact: list[Path]) -> DatasetItem:
    table = root / "labels" / split / f"{image.stem}.txt"
    if not table.is_file():
        return DatasetItem(image.stem, image, GOOD, split=split)
    try:
        defects = read_yolo(read_given(table, MAX_TEXT).decode("utf-8", "replace"), names, str(table))
        shape = image_size(image) if defects and not exact else (0, 0)
        masks: tuple[Path | Mask, ...] = tuple(exact) or tuple(defect.mask(shape) for defect in defects)
    except InputError as error:
        raise ExportError(str(error) if str(table) in str(error) else f"{table}: {error}") from error
    if not defects:
        return DatasetItem(image.stem, image, GOOD, split=split)
    return DatasetItem(image.stem, image, defects[0].label, None, masks, split)
