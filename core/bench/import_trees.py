"""Large drawn trees for ``launch.py bench import``: small photos in nested folders, in layouts that people have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from core.device import numpy_rng
from core.types import Image, Mask

SIDE = 64
_IN_ONE_FOLDER = 250
_EVERY = 10
"""One photo in so many shows a defect."""


def draw_tree(folder: Path, layout: str, files: int) -> int:
    """Draw a tree of about ``files`` files of one layout of ``LAYOUTS``; return how many it has."""
    return sum(1 for path, data in LAYOUTS[layout](files) if _written(folder / path, data))


def _written(path: Path, data: bytes) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return True


def _photo(number: int) -> tuple[Image, Mask]:
    """A disc in grain, uint8 (64, 64, 3), no two alike; every tenth has a scratch, whose mask is the other."""
    rng = numpy_rng(number, "import tree")
    pixels = (150 + rng.normal(0, 4, (SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8)
    cv2.circle(pixels, (32, 32), 22, (90, 95, 100), -1)
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    if number % _EVERY == 0:
        at = int(rng.integers(14, 34))
        cv2.line(drawn, (at, 18), (at + 12, 44), 255, 3)
        pixels[drawn > 0] = 20
    return pixels, drawn > 0


def _png(array: Image | Mask) -> bytes:
    values = array.astype(np.uint8) * 255 if array.dtype == np.bool_ else array
    return bytes(cv2.imencode(".png", values, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])


def _place(number: int) -> str:
    """Folders as a line leaves them: hall, line, day."""
    part = number // _IN_ONE_FOLDER
    return f"hall {part % 2}/line_{part % 5}/2025-03-{part % 28 + 1:02d}"


def _folders(files: int, start: int = 0) -> Iterator[tuple[str, bytes]]:
    """``OK`` and ``NG/scratch`` deep in the tree, each with a mask of its photo's name beside it."""
    for number in range(start, start + files * _EVERY // (_EVERY + 1)):
        pixels, mask = _photo(number)
        if mask.any():
            yield f"{_place(number)}/NG/scratch/{number:06d}.png", _png(pixels)
            yield f"{_place(number)}/NG/scratch/{number:06d}_mask.png", _png(mask)
        else:
            yield f"{_place(number)}/OK/{number:06d}.png", _png(pixels)


def _images_and_masks(files: int, start: int = 0) -> Iterator[tuple[str, bytes]]:
    """``images`` and ``masks`` of the same nested folders, a mask for every photo, which is black for good ones."""
    for number in range(start, start + files // 2):
        pixels, mask = _photo(number)
        yield f"images/{_place(number)}/{number:06d}.png", _png(pixels)
        yield f"masks/{_place(number)}/{number:06d}.png", _png(mask)


def _mvtec(files: int) -> Iterator[tuple[str, bytes]]:
    for number in range(files * _EVERY // (_EVERY + 1)):
        pixels, mask = _photo(number)
        if mask.any():
            yield f"test/scratch/{number:06d}.png", _png(pixels)
            yield f"ground_truth/scratch/{number:06d}_mask.png", _png(mask)
        else:
            yield f"train/good/{number:06d}.png", _png(pixels)


def _corners(mask: Mask) -> list[list[int]]:
    outlines, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [[int(x), int(y)] for x, y in outlines[0][:, 0]] if outlines else []


def _yolo(files: int) -> Iterator[tuple[str, bytes]]:
    yield "data.yaml", b"names: [scratch]\n"
    for number in range(files // 2):
        pixels, mask = _photo(number)
        line = "0 " + " ".join(f"{v / SIDE:.5f}" for corner in _corners(mask) for v in corner) if mask.any() else ""
        yield f"images/train/{_place(number)}/{number:06d}.png", _png(pixels)
        yield f"labels/train/{_place(number)}/{number:06d}.txt", line.encode()


def _labelme(files: int) -> Iterator[tuple[str, bytes]]:
    for number in range(files // 2):
        pixels, mask = _photo(number)
        shapes = [{"label": "scratch", "points": _corners(mask), "shape_type": "polygon"}] if mask.any() else []
        data = {"version": "5.4.1", "shapes": shapes, "imagePath": f"{number:06d}.png", "imageData": None}
        yield f"{_place(number)}/{number:06d}.png", _png(pixels)
        yield f"{_place(number)}/{number:06d}.json", json.dumps(data).encode()


def _coco(files: int) -> Iterator[tuple[str, bytes]]:
    images, annotations = [], []
    for number in range(files - 1):
        pixels, mask = _photo(number)
        path = f"{_place(number)}/{number:06d}.png"
        images.append({"id": number, "file_name": path, "width": SIDE, "height": SIDE})
        if mask.any():
            shape = [[v for corner in _corners(mask) for v in corner]]
            annotations.append({"id": number, "image_id": number, "category_id": 1, "segmentation": shape})
        yield f"images/{path}", _png(pixels)
    table = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "scratch"}]}
    yield "annotations/instances_default.json", json.dumps(table).encode()


def _voc(files: int) -> Iterator[tuple[str, bytes]]:
    yield "labelmap.txt", b"# label:color_rgb:parts:actions\nbackground:0,0,0::\nscratch:128,0,0::\n"
    for number in range(files // 2):
        pixels, mask = _photo(number)
        yield f"JPEGImages/{number:06d}.png", _png(pixels)
        yield f"SegmentationClass/{number:06d}.png", _png(mask.astype(np.uint8))


def _voc_defects(files: int) -> Iterator[tuple[str, bytes]]:
    """Every photo has a defect, and no two masks are alike."""
    yield "labelmap.txt", b"# label:color_rgb:parts:actions\nbackground:0,0,0::\nscratch:128,0,0::\n"
    for number in range(files // 2):
        pixels, mask = _photo(number * _EVERY)
        mask[divmod(number % SIDE**2, SIDE)] ^= True
        mask[divmod(number // SIDE**2, SIDE)] ^= True
        yield f"JPEGImages/{number:06d}.png", _png(pixels)
        yield f"SegmentationClass/{number:06d}.png", _png(mask.astype(np.uint8))


def _mixed(files: int) -> Iterator[tuple[str, bytes]]:
    """Several layouts below one folder, with files beside them that are none of an import's."""
    third = files // 3
    yield from ((f"archive 2024/{path}", data) for path, data in _folders(third))
    yield from ((f"from the lab/{path}", data) for path, data in _images_and_masks(third, third))
    for number in range(2 * third, files - 40):
        yield f"camera B/{_place(number)}/good/IMG_{number}.png", _png(_photo(number * _EVERY + 1)[0])
    for number in range(40):
        yield f"notes/{number}.txt", b"shift report\n"


LAYOUTS: dict[str, Callable[[int], Iterator[tuple[str, bytes]]]] = {
    "mixed": _mixed,
    "folders": _folders,
    "images-and-masks": _images_and_masks,
    "mvtec-ad": _mvtec,
    "yolo-seg": _yolo,
    "labelme": _labelme,
    "coco": _coco,
    "voc": _voc,
    "voc-defects": _voc_defects,
}
"""Name → the files of a tree of about so many, each with its path."""
