"""ASBench (M-3LAB, 2026): pairs and their photos for its detectors to learn from, and a product in MVTec AD's layout.

Its loaders list ``*.jpg`` in three flat folders, take the files at one place of each list as a triple, and do not
resize. So these are of 256 pixels a side and called .jpg, while their bytes are PNG, which is read by its content and
loses nothing. As they came, the pairs lie in ``pairs_train`` and ``pairs_val``, from where they are read back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from core.exporters.api import (
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
from core.exporters.mvtec_ad import category_folder, read_category
from core.exporters.sidecar import apply_sidecar
from core.images import mask_png_bytes, png_bytes, read_image, read_mask
from core.images.geometry import resized
from core.types import GOOD, Image

_SIDE = 256
_TRIPLE = ("aug", "mask", "origin")
_PAIR_SPLITS: tuple[Split, ...] = ("train", "val")
_FOLDER_OF: Mapping[Split, str] = {"train": "train", "val": "validation", "test": "test"}


class AsBenchExporter(DatasetFormat):
    """``aug|mask|origin/NNNNNN.jpg`` of 256x256, ``pairs_<split>/{images,masks}/<label>/NNNNNN.png`` as they came, and
    ``<category>`` with the good photos and the anomalies to test on."""

    name = "asbench"
    listed, asked = 8, 0
    title = "ASBench"
    summary = "Pairs with the photos they were made on, for DestSeg, DRAEM and MemSeg as ASBench trains them."
    library = "pillow"
    trains_on_anomalies = True
    has_val = True

    def write(self, plan: ExportPlan, placed: PlacedItem, content: ItemContent) -> WrittenItem:
        label, base = placed.item.label, plan.options.category
        if placed.item.good:
            place = f"{base}/{_FOLDER_OF[placed.split]}/{GOOD}/{placed.stem}.png"
            return WrittenItem(placed, write_file(plan.folder, place, content.png))
        if placed.split == "test":
            image = f"{base}/test/{label}/{placed.stem}.png"
            mask = f"{base}/ground_truth/{label}/{placed.stem}_mask.png"
        else:
            image, mask = (f"pairs_{placed.split}/{use}/{label}/{placed.stem}.png" for use in ("images", "masks"))
        write_file(plan.folder, image, content.png)
        return WrittenItem(placed, image, write_file(plan.folder, mask, content.union_png()))

    def finish(self, plan: ExportPlan, written: Sequence[WrittenItem]) -> list[str]:
        (plan.folder / plan.options.category / "train" / GOOD).mkdir(parents=True, exist_ok=True)
        for use in (*_TRIPLE, "pairs_train"):
            (plan.folder / use).mkdir(exist_ok=True)
        photos: dict[str, list[Path]] = {}
        for one in written:
            if one.placed.item.good:
                photos.setdefault(one.placed.item.name, []).append(plan.folder / one.image)
        lost = 0
        for pair in written:
            if not pair.placed.item.good and pair.placed.split == "train":
                lost += not _write_triple(plan.folder, pair, photos.get(pair.placed.item.source or "", []))
        if not lost:
            return []
        return [
            f"{lost} of the pairs to train on are not in aug: the photo that they were made on is not in this export; "
            "real anomalies have none"
        ]

    def layout(self, plan: ExportPlan) -> str:
        c = plan.options.category
        return (
            f"- `aug/`, `mask/`, `origin/`: pairs to train on, {_SIDE} pixels a side, paired by name; called .jpg as "
            "ASBench wants it, PNG inside\n"
            f"- `{c}/train/good/`, `{c}/test/`, `{c}/ground_truth/`: good photos and what is tested on, as MVTec AD\n"
            "- `pairs_train/`, `pairs_val/`: the pairs as they came\n\n"
            "In ASBench's `destseg`: `python train.py --Dataset_name DRAEM+AD --mvtec_path <here>/ --aug_dir "
            f"<here>/aug --mask_dir <here>/mask --origin_dir <here>/origin`, with `{c}` as the category.\n"
        )

    def loader_script(self, plan: ExportPlan) -> str:
        return """from pathlib import Path

from PIL import Image

here = Path(__file__).parent
for aug, mask, origin in zip(*(sorted((here / name).glob("*.jpg")) for name in ("aug", "mask", "origin"))):
    print(aug.name, Image.open(aug).size, Image.open(mask).getbbox(), Image.open(origin).size)
"""

    def matches(self, path: Path) -> bool:
        return all((path / use).is_dir() for use in (*_TRIPLE, "pairs_train"))

    def read(self, path: Path) -> list[DatasetItem]:
        if not all((path / use).is_dir() for use in _TRIPLE):
            raise not_a_dataset(path, self.name, "folders aug, mask and origin")
        items = read_category(category_folder(path, self.name), path)
        pairs = []
        for split in _PAIR_SPLITS:
            base = path / f"pairs_{split}"
            for folder in folders_in(base / "images"):
                for image in images_in(folder):
                    mask = base / "masks" / folder.name / image.name
                    item = DatasetItem(image.stem, image, folder.name, masks=(mask,), split=split)
                    pairs.append((image.relative_to(path).as_posix(), item))
        return [*items, *apply_sidecar(path, pairs)]


def _write_triple(folder: Path, pair: WrittenItem, photos: Sequence[Path]) -> bool:
    """A pair with the photo it was made on, of 256 pixels a side; False where none of ``photos`` can be that."""
    image, mask = read_image(folder / pair.image), read_mask(folder / pair.mask)
    fitting = [photo for photo in map(read_image, photos) if photo.shape == image.shape]
    if not fitting:
        return False
    # Photos may share a name; beyond the mask the pair is its photo's own.
    origin = min(fitting, key=lambda photo: int(np.count_nonzero((photo != image).any(axis=2) & ~mask)))
    stem = pair.placed.stem
    write_file(folder, f"aug/{stem}.jpg", png_bytes(_small(image)))
    write_file(folder, f"origin/{stem}.jpg", png_bytes(_small(origin)))
    share = cv2.resize(mask.astype(np.float32), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    write_file(folder, f"mask/{stem}.jpg", mask_png_bytes(share >= min(0.5, float(share.max()))))
    return True


def _small(image: Image) -> Image:
    return resized(image, (_SIDE, _SIDE))
