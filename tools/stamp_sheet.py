"""Draw docs/pictures/stamp.jpg: entries of a bank, and what ``stamp`` makes of them on other photos, at 1:1.

``python -m tools.stamp_sheet [PATH] [--data FOLDER]``. FOLDER is in the layout of MVTec AD; without it the demo
plates. Each row: an entry, the photo at the place, the stamped photo, its mask. The seeds are the first ones, none
chosen by hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from core.bank import BankEntry, EntryFacts
from core.device import numpy_rng
from core.engines.api import Context
from core.engines.registry import engine
from core.errors import InputError
from core.images import read_image, read_mask
from core.masks.foreground import object_mask
from core.masks.placement.free_area import PlacementMap
from core.masks.placement.planner import AnchorExample, plan_masks
from core.placement_rules import Placement
from core.types import AnomalyExample, Image, Mask, NormalImage, Request, Sample

DEMO = Path(__file__).resolve().parents[1] / "assets" / "demo" / "brushed_plate"
CELL, GAP, EACH, COLUMNS = 170, 4, 3, 2
QUALITY = 86


def entries(data: Path, label: str) -> Iterator[AnomalyExample]:
    """The label's first photos with a mask, as entries of a bank."""
    for photo in sorted((data / "test" / label).iterdir())[: 3 * EACH]:
        truth = data / "ground_truth" / label
        masks = [truth / f"{photo.stem}_mask.png", truth / f"{photo.stem}.png"]
        found = next((p for p in masks if p.is_file()), None) or next(iter(sorted((truth / photo.stem).glob("*"))))
        pixels, mask = read_image(photo), read_mask(found)
        if mask.any() and not mask.all():
            facts = EntryFacts(label, "structural", "anomaly", photo.name, mask.shape, (0, 0))
            yield BankEntry.cut_from(pixels, mask, facts).as_example()


def stamped(example: AnomalyExample, normal: NormalImage, seed: int) -> Sample:
    """The first sample that comes out, as a batch would take it."""
    chosen = engine("stamp")
    part = object_mask(normal.pixels)
    rules, reason = Placement(position="anywhere"), InputError("")
    for attempt in range(6):
        rng = numpy_rng(seed, attempt)
        anchor = AnchorExample(example.mask, None, not chosen.keeps_direction(example))
        mask: Mask = np.logical_or.reduce(
            plan_masks(rules, example.label, PlacementMap.from_masks(part, ()), rng, [example.mask], anchor)
        )
        asked = Request(normal, example.label, {}, seed + attempt, mask=mask, examples=(example,), object_mask=part)
        try:
            return next(iter(chosen.generate(asked, Context())))
        except InputError as error:
            reason = error
    raise reason


def window(image: Image, mask: Mask) -> Image:
    """CELL pixels about the middle of ``mask``, at 1:1; grey where the photo ends."""
    ys, xs = np.nonzero(mask)
    top, left = int(ys.min() + ys.max()) // 2 - CELL // 2, int(xs.min() + xs.max()) // 2 - CELL // 2
    padded = np.pad(image, ((CELL, CELL), (CELL, CELL), (0, 0)), constant_values=200)
    return padded[top + CELL : top + 2 * CELL, left + CELL : left + 2 * CELL]


def sheet(data: Path, labels: list[str]) -> Image:
    """Two rows of cells side by side, EACH for each label."""
    goods = [NormalImage(p.stem, p.name, read_image(p)) for p in sorted((data / "train" / "good").iterdir())[:24]]
    rows = []
    for label in labels:
        for index, example in zip(range(EACH), entries(data, label), strict=False):
            normal = goods[(7 * index + 3) % len(goods)]
            sample = stamped(example, normal, index)
            shown = np.repeat((sample.mask * np.uint8(255))[..., None], 3, axis=2)
            cells = [window(example.pixels, example.mask)]
            cells += [window(one, sample.mask) for one in (normal.pixels, sample.image, shown)]
            rows.append(np.hstack([np.pad(cell, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for cell in cells]))
    rows += [np.full_like(rows[0], 255)] * (-len(rows) % COLUMNS)
    half = len(rows) // COLUMNS
    return np.hstack([np.vstack(rows[i * half : (i + 1) * half]) for i in range(COLUMNS)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("path", nargs="?", type=Path, default=Path("docs/pictures/stamp.jpg"))
    parser.add_argument("--data", type=Path, default=DEMO)
    parser.add_argument("--labels", nargs="*")
    given = parser.parse_args()
    wanted = given.labels or sorted(p.name for p in (given.data / "test").iterdir() if p.name != "good")
    drawn = cv2.cvtColor(sheet(given.data, wanted), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(given.path), drawn, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
