"""The click benchmark: what its cases are and that its score is the IoU."""

import cv2
import numpy as np
import pytest

from core.bench import click
from core.segmentation.segmenter import MaskCandidate


class Knowing:
    """Finds the truth at the third click."""

    def __init__(self, truth):
        self.truth = truth

    def prepare(self, image):
        return self

    def predict(self, clicks, box_xyxy=None, mask=None):
        half = self.truth.copy()
        half[: self.truth.shape[0] // 2] = False
        return [MaskCandidate(self.truth if len(clicks) > 2 else half, 1.0)]


def test_the_score_is_the_mean_iou_by_click():
    truth = np.zeros((40, 40), bool)
    truth[10:30, 10:30] = True
    image = np.zeros((40, 40, 3), np.uint8)
    assert click.score(Knowing(truth), [(image, truth)] * 2) == {"1": 0.5, "3": 1.0, "5": 1.0}


def test_scene_cases_are_the_same_every_time_and_never_trained_on():
    made, again = (list(click.scene_cases(2)) for _ in range(2))
    assert len(made) >= 6 and len(made) == len(again)
    for (image, truth), (other, same) in zip(made, again, strict=True):
        assert np.array_equal(image, other) and np.array_equal(truth, same)
        assert image.shape == (256, 256, 3) and np.count_nonzero(truth) >= click.MIN_TARGET_PIXELS
    sources = pytest.importorskip("tools.mini_click.sources")
    assert sources.TRAINING_SEEDS > 10_000


def test_photo_cases_are_defects_one_by_one_without_uneven(tmp_path):
    for kind in ("good", "hole", "uneven"):
        for part in ("test", "ground_truth"):
            (tmp_path / part / kind).mkdir(parents=True)
        mask = np.zeros((64, 64), np.uint8)
        mask[5:15, 5:15] = mask[40:45, 40:46] = 255
        mask[60, 60] = 255
        cv2.imwrite(str(tmp_path / "test" / kind / "000.png"), np.full((64, 64, 3), 90, np.uint8))
        cv2.imwrite(str(tmp_path / "ground_truth" / kind / "000_mask.png"), mask)
    found = list(click.photo_cases(tmp_path))
    assert [int(truth.sum()) for _, truth in found] == [100, 30]


def test_real_photos_are_measured_only_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("FLAWSMITH_DATA", str(tmp_path))
    assert click._folders() == {}
    (tmp_path / "deep_pcb_dev" / "test").mkdir(parents=True)
    assert list(click._folders()) == ["deep_pcb"]
    monkeypatch.delenv("FLAWSMITH_DATA")
    assert click._folders() == {}


def test_few_cases_are_taken_evenly():
    assert click._evenly_chosen(list(range(10)), 5) == [0, 2, 4, 6, 8] and click._evenly_chosen([1, 2], 5) == [1, 2]
