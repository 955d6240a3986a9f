"""Look-alikes of misses are found among unlabelled photos, copies and photos seen before are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import InputError
from core.evaluation.photo_sets import Shot
from core.features.extract import available
from core.images import png_bytes
from core.loop.mining import MiningQuery, mine_photos
from tests.loop.toy_loop import toy_dent, toy_plate

pytestmark = pytest.mark.skipif(available() is not None, reason="the pretrained features are not installed")


def dent(seed: int, depth: int = 100) -> Shot:
    image, mask = toy_dent(seed, depth)
    return Shot(f"dent/{seed}", image, "dent", (mask,))


def test_photos_with_the_defect_are_found_and_none_twice(tmp_path: Path) -> None:
    for i in range(6):
        (tmp_path / f"plain{i}.png").write_bytes(png_bytes(toy_plate(500 + i)))
    for i in range(3):
        (tmp_path / f"dented{i}.png").write_bytes(png_bytes(toy_dent(60 + i, 100)[0]))
    (tmp_path / "copy.png").write_bytes(png_bytes(toy_dent(1, 100)[0]))
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / "broken.png").write_bytes(b"no photo either")
    good = [Shot(f"good/{i}", toy_plate(i), "good") for i in range(8)]
    query = MiningQuery([dent(1), dent(2)], good, [dent(1)])
    found = mine_photos(tmp_path, query)
    names = [Path(one.path).name for one in found]
    assert set(names[:3]) == {"dented0.png", "dented1.png", "dented2.png"}, names
    assert "copy.png" not in names and found[0].likeness > 0 and found[0].like in ("dent/1", "dent/2")
    again = mine_photos(tmp_path, MiningQuery(query.misses, good, query.kept, {one.digest for one in found}))
    assert not {one.path for one in again} & {one.path for one in found}


def test_nothing_is_sought_without_misses_and_a_folder_has_to_be_there(tmp_path: Path) -> None:
    assert mine_photos(tmp_path, MiningQuery([], [], [])) == ()
    with pytest.raises(InputError, match="there is no such folder"):
        mine_photos(tmp_path / "gone", MiningQuery([dent(1)], [], []))
