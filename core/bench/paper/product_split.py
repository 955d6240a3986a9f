"""The published split of a product in MVTec AD's layout: the lowest third of each label's ids is learned from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from core.errors import InputError
from core.images import TEMP_PREFIX
from core.store import SplitRule

PAPER_SPLIT = SplitRule.parse("1/3")
"""AnomalyDiffusion's, which the others follow."""


def product_folders(data: Path, products: Sequence[str] = ()) -> list[Path]:
    """The products under ``data``, or ``data`` itself where it is one; InputError where one is not there."""
    data = data.expanduser().resolve()
    found = sorted(d for d in data.iterdir() if _is_product(d)) if data.is_dir() else []
    found = [data] if _is_product(data) else found
    if not found:
        raise InputError(f"--data {data}: expected MVTec AD's layout, PRODUCT/train/good and PRODUCT/test/LABEL")
    if missing := sorted(set(products) - {d.name for d in found}):
        raise InputError(f"--product {missing[0]}: there are {', '.join(d.name for d in found)}")
    return [d for d in found if not products or d.name in products]


def labels_of(product: Path) -> list[str]:
    """The labels of its anomalies."""
    return sorted(d.name for d in (product / "test").iterdir() if d.is_dir() and d.name != "good")


def split_product(product: Path, out: Path) -> tuple[Path, Path]:
    """``out``/learn (the good photos to train on, the lowest third of each label, at least one) and ``out``/test (the
    rest, and the good photos to test on), linked where the disk can. Written whole or not at all."""
    learn, test = out / "learn", out / "test"
    if learn.is_dir() and test.is_dir():
        return learn, test
    part = out / f"{TEMP_PREFIX}split"
    shutil.rmtree(part, ignore_errors=True)
    for photo in _photos(product / "train" / "good"):
        _link(photo, part / "learn" / "train" / "good" / photo.name)
    for photo in _photos(product / "test" / "good"):
        _link(photo, part / "test" / "test" / "good" / photo.name)
    for label in labels_of(product):
        photos = _photos(product / "test" / label)
        learned = PAPER_SPLIT.learned([photo.name for photo in photos], label)
        for photo in photos:
            side = part / ("learn" if photo.name in learned else "test")
            _link(photo, side / "test" / label / photo.name)
            for mask in sorted((product / "ground_truth" / label).glob(f"{photo.stem}[_.]*")):
                _link(mask, side / "ground_truth" / label / mask.name)
    for side in (learn, test):
        shutil.rmtree(side, ignore_errors=True)
        (part / side.name).rename(side)
    shutil.rmtree(part, ignore_errors=True)
    return learn, test


def split_normals(product: Path, out: Path) -> tuple[Path, Path]:
    """``out``/learn (the lowest third of the good photos, from which ComGEN learns) and ``out``/test (all of MVTec
    LOCO's test set), linked where the disk can. Written whole or not at all."""
    learn, test = out / "learn", out / "test"
    if learn.is_dir() and test.is_dir():
        return learn, test
    part = out / f"{TEMP_PREFIX}split"
    shutil.rmtree(part, ignore_errors=True)
    goods = _photos(product / "train" / "good")
    taken = PAPER_SPLIT.learned([photo.name for photo in goods], "good")
    for photo in goods:
        if photo.name in taken:
            _link(photo, part / "learn" / "train" / "good" / photo.name)
    config = product / "defects_config.json"
    files = [p for folder in ("test", "ground_truth") for p in sorted((product / folder).rglob("*")) if p.is_file()]
    for file in [*files, *([config] if config.is_file() else [])]:
        _link(file, part / "test" / file.relative_to(product))
    for side in (learn, test):
        shutil.rmtree(side, ignore_errors=True)
        (part / side.name).rename(side)
    shutil.rmtree(part, ignore_errors=True)
    return learn, test


def _is_product(folder: Path) -> bool:
    return (folder / "train" / "good").is_dir() and (folder / "test").is_dir()


def _photos(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*") if p.is_file()) if folder.is_dir() else []


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
