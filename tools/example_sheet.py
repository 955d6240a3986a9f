"""Draw docs/pictures/ENGINE.jpg: real anomalies, and what an engine makes of them on other photos, at 1:1.

``python -m tools.example_sheet {stamp,graft} [PATH] [--data FOLDER]``. FOLDER is in the layout of MVTec AD; without it
the demo plates. Each row: a real anomaly, the photo at the place, the sample, its mask. The seeds are the first ones,
none chosen by hand. How many of the samples the copy check takes for copies is printed.
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
from core.evaluation.generation.nearest_real import crop_around, find_nearest_real
from core.images import read_image, read_mask
from core.masks.foreground import object_mask
from core.masks.placement.free_area import PlacementMap
from core.masks.placement.planner import AnchorExample, plan_masks
from core.placement_rules import Placement
from core.types import AnomalyExample, Image, Mask, NormalImage, Request, Sample

DEMO = Path(__file__).resolve().parents[1] / "assets" / "demo" / "brushed_plate"
CELL, GAP, EACH, COLUMNS = 170, 4, 3, 2
QUALITY = 86


def entries(data: Path, label: str, most: int) -> Iterator[AnomalyExample]:
    """The label's first photos with a mask, as entries of a bank."""
    for photo in sorted((data / "test" / label).iterdir())[:most]:
        truth = data / "ground_truth" / label
        masks = [truth / f"{photo.stem}_mask.png", truth / f"{photo.stem}.png"]
        found = next((p for p in masks if p.is_file()), None) or next(iter(sorted((truth / photo.stem).glob("*"))))
        pixels, mask = read_image(photo), read_mask(found)
        if mask.any() and not mask.all():
            facts = EntryFacts(label, "structural", "anomaly", photo.name, mask.shape, (0, 0))
            yield BankEntry.cut_from(pixels, mask, facts).as_example()


def drawn(name: str, example: AnomalyExample, normal: NormalImage, seed: int) -> Sample:
    """The first sample that comes out, as a batch would take it."""
    chosen = engine(name)
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
            return next(iter(chosen.generate(asked, Context("cpu"))))
        except InputError as error:
            reason = error
    raise reason


def window(image: Image, mask: Mask) -> Image:
    """CELL pixels about the middle of ``mask``, at 1:1; grey where the photo ends."""
    ys, xs = np.nonzero(mask)
    top, left = int(ys.min() + ys.max()) // 2 - CELL // 2, int(xs.min() + xs.max()) // 2 - CELL // 2
    padded = np.pad(image, ((CELL, CELL), (CELL, CELL), (0, 0)), constant_values=200)
    return padded[top + CELL : top + 2 * CELL, left + CELL : left + 2 * CELL]


def sheet(samples: list[tuple[AnomalyExample, NormalImage, Sample]]) -> Image:
    """COLUMNS rows of cells side by side."""
    rows = []
    for example, normal, sample in samples:
        shown = np.repeat((sample.mask * np.uint8(255))[..., None], 3, axis=2)
        cells = [window(example.pixels, example.mask)]
        cells += [window(one, sample.mask) for one in (normal.pixels, sample.image, shown)]
        rows.append(np.hstack([np.pad(cell, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for cell in cells]))
    rows += [np.full_like(rows[0], 255)] * (-len(rows) % COLUMNS)
    part = len(rows) // COLUMNS
    return np.hstack([np.vstack(rows[i * part : (i + 1) * part]) for i in range(COLUMNS)])


def made(name: str, data: Path, labels: list[str]) -> Iterator[tuple[AnomalyExample, NormalImage, Sample]]:
    """EACH samples for each label, from as many real anomalies."""
    goods = [NormalImage(p.stem, p.name, read_image(p)) for p in sorted((data / "train" / "good").iterdir())[:24]]
    for label in labels:
        for index, example in zip(range(EACH), entries(data, label, 3 * EACH), strict=False):
            normal = goods[(7 * index + 3) % len(goods)]
            yield example, normal, drawn(name, example, normal, index)


def copies(samples: list[tuple[AnomalyExample, NormalImage, Sample]], data: Path, label: str) -> str:
    """What the copy check says of a label's samples, in words."""
    ours = [crop_around(s.image, s.mask) for example, _, s in samples if example.label == label]
    real = [crop_around(e.pixels, e.mask) for e in entries(data, label, 40)]
    found = find_nearest_real(ours, real, lambda: None).metrics()
    share, alike = found.get("memorised", float("nan")), found["nearest_similarity"]
    return f"{label}: {share:.0%} of {len(ours)} called copies; similarity to the nearest real one {alike:.2f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=("stamp", "graft"))
    parser.add_argument("path", nargs="?", type=Path)
    parser.add_argument("--data", type=Path, default=DEMO)
    parser.add_argument("--labels", nargs="*")
    given = parser.parse_args()
    wanted = given.labels or sorted(p.name for p in (given.data / "test").iterdir() if p.name != "good")
    samples = list(made(given.engine, given.data, wanted))
    picture = cv2.cvtColor(sheet(samples), cv2.COLOR_RGB2BGR)
    cv2.imwrite(
        str(given.path or Path("docs/pictures") / f"{given.engine}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    for label in wanted:
        print(copies(samples, given.data, label))
