"""The rules as a detector: what breaks one stands out, alone and beside another detector."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import InputError
from core.evaluation.detectors.api import TrainContext, TrainedDetector
from core.evaluation.detectors.rules import FittedRules, RulesDetector, RulesParams
from core.evaluation.photo_sets import Shot
from core.segmentation.classic import ClassicSegmenter
from core.types import GOOD
from tests.rules.drawn_parts import drawn_photo


def good_shots(folder: Path, count: int) -> list[Shot]:
    shots = []
    for seed in range(count):
        image, masks = drawn_photo(seed)
        files = {name: folder / f"{seed}-{name}.png" for name in masks}
        for name, file in files.items():
            cv2.imwrite(str(file), masks[name].astype(np.uint8) * 255)
        shots.append(Shot(f"good/{seed}", image, GOOD, regions=tuple(files.items())))
    return shots


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> TrainedDetector:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.rules.part_finder.best_segmenter", ClassicSegmenter)
        shots = good_shots(tmp_path_factory.mktemp("shots"), 8)
        return RulesDetector().fit(shots, RulesParams(), TrainContext())


def test_a_missing_part_scores_above_every_good_photo_and_in_its_place(fitted: TrainedDetector) -> None:
    goods = fitted.score([drawn_photo(seed)[0] for seed in range(40, 44)])
    image, masks = drawn_photo(50, without="bar")
    bad = fitted.score([image])[0]
    score = RulesDetector().image_score
    assert score(bad) > max(map(score, goods))
    assert bad.shape == image.shape[:2] and bad.dtype == np.float32
    assert bad[masks["bar"]].mean() > 0.5 > bad[~masks["bar"]].mean()


def test_beside_another_detector_the_maps_are_added(fitted: TrainedDetector) -> None:
    class Flat:
        def score(self, images):
            return [np.full(image.shape[:2], 0.25, np.float32) for image in images]

    assert isinstance(fitted, FittedRules)
    both = FittedRules(fitted._finder, fitted._rules, Flat())
    good, bad = both.score([drawn_photo(45)[0], drawn_photo(46, without="disc")[0]])
    assert np.allclose(good, 0.25) and bad.max() > 0.75


def test_without_regions_it_says_what_to_do() -> None:
    with pytest.raises(InputError, match="no named regions; train on a project"):
        RulesDetector().fit([Shot("good/0", drawn_photo(0)[0], GOOD)], RulesParams(), TrainContext())
