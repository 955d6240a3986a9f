"""Writes what ships: the sheet of rendered parts, and a folder for each product.

The folder has the layout of MVTec LOCO, with regions and labels beside it:

PRODUCT/train/good/000.jpg ...                                        photos of good ones
PRODUCT/validation/good/, test/good/                                  more of them
PRODUCT/test/logical_anomalies/000.jpg, test/structural_anomalies/    faulty ones
PRODUCT/ground_truth/<same>/000/000.png ...                           one mask per defect
PRODUCT/regions/train/000/<name>.png, regions/validation/             named components of these photos, 1 bit
PRODUCT/defects_config.json                                           as in LOCO
PRODUCT/demo.json                                                     label, caption and seed of each photo
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from core.demo import scenes
from core.demo.kinds import KINDS
from core.demo.scenes import FAULTS, JPEG_QUALITY, PRODUCTS, Scene, Sheet, named_regions
from core.demo.sheet import COLUMNS, SHEET

SIDE = 1024
_ALPHA_QUALITY, _BASE_QUALITY = 84, 86
SPLITS = {"train": 24, "validation": 3, "test": 3}
FIRST_SEED = {"train": 0, "validation": 1000, "test": 2000}
FAULT_SEED = 3000
WITH_REGIONS = ("train", "validation")
"""Splits whose photos get named regions: those that a demo project is made of."""
REPEATS = {"brushed_plate": 2}
"""How often each fault is shown; products with few kinds of faults show them more often."""


def write(product: str, folder: Path, sheet: Sheet, progress: Callable[[str], None] = print) -> int:
    """Write one product; photos that are there with the same seed are made again all the same. Returns bytes."""
    root = folder / product
    part = folder / f"{product}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    records: list[dict[str, Any]] = []
    for split, count in SPLITS.items():
        for number in range(count):
            seed = FIRST_SEED[split] + number
            scene = _good_scene(product, split, number, sheet)
            path = part / split / "good" / f"{number:03d}.jpg"
            _photo(path, scene)
            records.append(
                {"file": str(path.relative_to(part)), "label": "good", "caption": scene.caption, "seed": seed}
            )
            if split in WITH_REGIONS:
                _regions(part, split, number, scene)
        progress(f"{product}: {count} good for {split}")
    records += _faults(product, part, sheet)
    _json(part / "demo.json", {"product": product, "side": SIDE, "photos": records})
    whole = {"defect_name": "anomaly", "pixel_value": 255, "saturation_threshold": 1.0, "relative_saturation": True}
    _json(part / "defects_config.json", [whole])
    shutil.rmtree(root, ignore_errors=True)
    part.rename(root)
    return sum(p.stat().st_size for p in root.rglob("*") if p.is_file())


def write_regions(product: str, folder: Path, sheet: Sheet) -> int:
    """Write the named regions of a product whose photos are there, and leave all else alone. Returns their number."""
    for split in WITH_REGIONS:
        for number in range(SPLITS[split]):
            _regions(folder / product, split, number, _good_scene(product, split, number, sheet))
    return sum(1 for _ in (folder / product / "regions").rglob("*.png"))


def _good_scene(product: str, split: str, number: int, sheet: Sheet) -> Scene:
    return scenes.make(scenes.normal(product, FIRST_SEED[split] + number), SIDE, sheet)


def _regions(root: Path, split: str, number: int, scene: Scene) -> None:
    for name, mask in named_regions(scene).items():
        _mask(root / "regions" / split / f"{number:03d}" / f"{name}.png", mask, bits=1)


def _faults(product: str, part: Path, sheet: Sheet) -> list[dict[str, Any]]:
    records = []
    numbers = {"logical": 0, "structural": 0}
    for repeat in range(REPEATS.get(product, 1)):
        for place, fault in enumerate(FAULTS[product]):
            seed = FAULT_SEED + 100 * repeat + place
            twin = scenes.faulty(product, seed, fault, SIDE, sheet)
            number, group = numbers[fault.kind], f"{fault.kind}_anomalies"
            numbers[fault.kind] += 1
            path = part / "test" / group / f"{number:03d}.jpg"
            _photo(path, twin.after)
            for i, mask in enumerate(twin.changes):
                _mask(part / "ground_truth" / group / f"{number:03d}" / f"{i:03d}.png", mask)
            label = {"label": fault.label, "kind": fault.kind, "caption": twin.after.caption, "seed": seed}
            records.append({"file": str(path.relative_to(part)), **label})
    return records


def _photo(path: Path, scene: Scene) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1, cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    cv2.imwrite(str(path), cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR), flags)


def _mask(path: Path, mask: np.ndarray, bits: Literal[1, 8] = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = [cv2.IMWRITE_PNG_BILEVEL, int(bits == 1), cv2.IMWRITE_PNG_COMPRESSION, 9]
    cv2.imwrite(str(path), mask.astype(np.uint8) * 255, flags)


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")


def pack_sheet(rendered: Path, bases: Path, folder: Path = SHEET) -> int:
    """Pack the rendered pictures into ``folder``; returns the bytes written."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, kind in KINDS.items():
        views = [cv2.imread(str(rendered / f"{name}_{i:02d}.png"), cv2.IMREAD_UNCHANGED) for i in range(kind.views)]
        rows, s = -(-kind.views // COLUMNS), kind.side
        grid = np.zeros((rows * s, min(COLUMNS, kind.views) * s, 4), np.uint8)
        for i, view in enumerate(views):
            y, x = (i // COLUMNS) * s, (i % COLUMNS) * s
            grid[y : y + s, x : x + s] = view
        cv2.imwrite(str(folder / f"{name}.webp"), grid, [cv2.IMWRITE_WEBP_QUALITY, _ALPHA_QUALITY])
    for path in sorted(bases.glob("*.png")):
        picture = cv2.imread(str(path))
        cv2.imwrite(str(folder / f"base_{path.stem}.webp"), picture, [cv2.IMWRITE_WEBP_QUALITY, _BASE_QUALITY])
    return sum(p.stat().st_size for p in folder.glob("*.webp"))


def everything(folder: Path, sheet: Sheet, progress: Callable[[str], None] = print) -> dict[str, int]:
    """All products; returns bytes per product."""
    return {product: write(product, folder, sheet, progress) for product in PRODUCTS}
