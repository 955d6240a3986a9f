"""What ASBench's loaders find: three lists of equal names, the anomaly, its mask and the photo that it was made on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as Pil

from core.exporters import DatasetItem, export


def loaded(out: Path) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """As ``MVTecDataset_AD`` lists and opens them."""
    found = [sorted((out / use).glob("*.jpg")) for use in ("aug", "mask", "origin")]
    assert [p.name for p in found[0]] == [p.name for p in found[1]] == [p.name for p in found[2]]
    modes = ("RGB", "L", "RGB")
    opened = [[np.asarray(Pil.open(p).convert(mode)) for p in paths] for paths, mode in zip(found, modes, strict=True)]
    return list(zip(*opened, strict=True))


def made_on(photos: list[DatasetItem], kit, count: int) -> list[DatasetItem]:
    """Pairs that are their photo's outside the mask."""
    made = []
    for index in range(count):
        photo, mask = photos[index % len(photos)], kit.ring(shift=index)
        image = photo.image.copy()
        image[mask] = 255 - image[mask]
        made.append(DatasetItem(f"pair {index}", image, "crack", "structural", (mask,), "train", source=photo.name))
    return made


def test_a_triple_is_a_pair_and_its_photo_of_256_pixels(kit, tmp_path: Path) -> None:
    photos = kit.items(6, 0)
    # Two photos of one name: the pair tells on which it was made.
    photos = [*photos, replace(photos[0], image=kit.noise(77))]
    pairs = made_on(photos, kit, 7)
    report = export([*photos, *pairs], tmp_path / "set", "asbench", {"category": "gear"})
    triples = loaded(tmp_path / "set")
    assert len(triples) == 7 and not report.warnings
    for aug, mask, origin in triples:
        assert aug.shape == origin.shape == (256, 256, 3) and set(np.unique(mask)) == {0, 255}
        apart = (aug != origin).any(axis=2)
        # Enlarging smears an edge over a pixel or two of the small photo, each of about 8 here.
        far = np.asarray(Pil.fromarray(mask).resize((32, 32)).resize((256, 256))) == 0
        assert apart[mask > 0].mean() > 0.9 and apart[far & (mask == 0)].mean() < 0.35


def test_a_pair_without_its_photo_is_said_and_kept(kit, tmp_path: Path) -> None:
    photos = kit.items(6, 0)
    real = DatasetItem("real", kit.noise(9), "crack", "structural", (kit.ring(),), "train")
    report = export([*photos, *made_on(photos, kit, 2), real], tmp_path / "set", "asbench", {"category": "gear"})
    assert len(loaded(tmp_path / "set")) == 2
    assert any(line.startswith("1 of the pairs") for line in report.warnings)
