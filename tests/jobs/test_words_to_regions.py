"""Words to named regions: a detector's box, the segmenter's region in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.api import Workbench
from core.api import regions as regions_api
from core.errors import InputError, Unavailable
from core.segmentation.word_detector import WordBox


@pytest.fixture
def bench(tmp_path: Path, photo_folder: Path) -> Iterator[Workbench]:
    with Workbench.create(tmp_path / "p", "p") as made:
        made.photos.import_images(photo_folder)
        made.regions.choose_segmenter("classic")
        yield made


class DiscFinder:
    """Finds the drawn photos' left disc under any word."""

    def find(self, photo: np.ndarray, words: list[str], **more: Any) -> list[WordBox]:
        return [WordBox(word, (20.0, 32.0, 54.0, 64.0), 0.8) for word in words]


def test_words_become_named_regions(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, disc_masks: dict[str, np.ndarray]
) -> None:
    monkeypatch.setattr(regions_api, "missing_detector", lambda: None)
    monkeypatch.setattr(regions_api, "detector_folders", lambda: [Path("toy")])
    monkeypatch.setattr(regions_api, "_word_detector", lambda folder: DiscFinder())
    photo = bench.photos.page()[0].id
    rows = bench.regions.store_words(photo, "knob, knob , cap")
    assert [r.name for r in rows] == ["knob", "cap"] and {r.source for r in rows} == {"auto"}
    bench.regions.store_words(photo, "knob")
    assert set(bench.regions.names()) == {"knob", "knob_2", "cap"}
    mask, disc = bench.regions.with_masks(photo)[0].mask, disc_masks["left disc"]
    assert np.count_nonzero(mask & disc) > 0.8 * np.count_nonzero(mask | disc), "the region, not the box"


def test_without_a_detector_it_is_said_what_to_fetch(bench: Workbench) -> None:
    photo = bench.photos.page()[0].id
    with pytest.raises(Unavailable, match="grounding-dino-tiny"):
        bench.regions.find_words(photo, "washer")
    with pytest.raises(InputError, match="name what to look for"):
        bench.regions.start_find_words(photo, " , ")
