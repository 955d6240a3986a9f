"""What the export tests share: small scenes with every kind of mask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core.exporters import DatasetItem, atomic_folder
from core.images import read_image, read_mask

LABELS = ("crack", "missing_nut", "no")
KINDS = ("structural", "logical", "combined")


def noise(seed: int, shape: tuple[int, int] = (33, 47), grey: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (*shape, 1 if grey else 3), dtype=np.uint8)
    return np.repeat(pixels, 3, axis=2) if grey else pixels


def ring(shape: tuple[int, int] = (33, 47), shift: int = 0) -> np.ndarray:
    """A square with a hole, and a pixel on the border."""
    mask = np.zeros(shape, bool)
    mask[5:20, 4 + shift : 20 + shift] = True
    mask[9:14, 8 + shift : 14 + shift] = False
    mask[0, -1] = True
    return mask


def spot(shape: tuple[int, int] = (33, 47)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[25:30, 30:41] = True
    return mask


def items(normals: int = 10, anomalies: int = 6, grey: bool = False) -> list[DatasetItem]:
    good = [DatasetItem(f"part {i}", noise(i, grey=grey)) for i in range(normals)]
    bad = [
        DatasetItem(
            f"Straße {i}, 部品 \N{SNOWMAN}",
            noise(100 + i, grey=grey),
            LABELS[i % 3],
            KINDS[i % 3],
            (ring(shift=i), spot()) if i % 2 == 0 else (ring(shift=i),),
            recipe_json=f'{{"engine":"cut_paste","seed":{i}}}',
            source=f"part {i}",
        )
        for i in range(anomalies)
    ]
    return good + bad


def pixels(item: DatasetItem) -> np.ndarray:
    return read_image(item.image) if isinstance(item.image, Path) else item.image


def masks(item: DatasetItem) -> list[np.ndarray]:
    return [read_mask(m) if isinstance(m, Path) else m for m in item.masks]


def union(item: DatasetItem) -> np.ndarray:
    found = masks(item)
    return np.logical_or.reduce(found) if found else np.zeros(pixels(item).shape[:2], bool)


def key(item: DatasetItem) -> bytes:
    return pixels(item).tobytes()


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def matched(given: Sequence[DatasetItem], back: Sequence[DatasetItem]) -> list[tuple[DatasetItem, DatasetItem]]:
    """Pairs of items with the same pixels; fails if one has no partner."""
    by_pixels = {key(item): item for item in back}
    assert len(by_pixels) == len(given) == len(back)
    return [(item, by_pixels[key(item)]) for item in given]


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk() -> Iterator[None]:
    """Hundreds of tiny exports need not each be flushed to the disk; one test sees to it that they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(atomic_folder, "_flush", lambda folder: None)
        yield


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    functions: list[Callable] = [noise, ring, spot, items, pixels, masks, union, tree, matched]
    return SimpleNamespace(**{f.__name__: f for f in functions})
