"""The click benchmark: what its cases are and that its score is the IoU."""

import cv2
import numpy as np
import pytest

from core.bench import click
from core.bench import click_cases as cases
from core.bench.click_cases import ClickCase
from core.segmentation.segmenter import MaskCandidate


class Knowing:
    """Finds the truth at the third click."""

    def __init__(self, truth, at=3):
        self.truth, self.at = truth, at

    def available(self):
        return None

    def prepare(self, image):
        return self

    def predict(self, clicks, box_xyxy=None, mask=None):
        half = self.truth.copy()
        half[: self.truth.shape[0] // 2] = False
        return [MaskCandidate(self.truth if len(clicks) >= self.at else half, 1.0)]


def test_clicks_are_counted_until_the_region_is_good():
    truth = np.zeros((40, 40), bool)
    truth[10:30, 10:30] = True
    case = ClickCase("part", np.zeros((40, 40, 3), np.uint8), truth)
    found = click.score(Knowing(truth), [case, case])
    assert found["noc85"] == found["noc90"] == 3 and found["failures"] == 0
    assert found["iou_1"] == found["box_iou"] == found["worst_component"] == 0.5
    assert found["worst_component_name"] == "part"


def test_what_is_never_good_fails_and_counts_as_all_clicks():
    truth = np.zeros((40, 40), bool)
    truth[10:30, 10:30] = True
    never = Knowing(truth, at=99)
    found = click.score(never, [ClickCase("part", np.zeros((40, 40, 3), np.uint8), truth)])
    assert found["failures"] == 1 and found["noc85"] == click.MOST_CLICKS == 20


def test_demo_cases_are_every_component_of_nine_photos():
    names = [case.name for case in cases.demo_cases()]
    assert len(names) == 57 and {"bolt", "clip", "spring", "number", "gear"} <= set(names)


def test_coins_are_round_and_whole():
    pytest.importorskip("skimage")
    found = list(cases.coin_cases())
    assert len(found) == 24 and all(case.image.shape == (303, 384, 3) for case in found)


def test_scene_cases_are_the_same_every_time_and_never_trained_on():
    made, again = (list(cases.scene_cases(2)) for _ in range(2))
    assert len(made) >= 6 and len(made) == len(again)
    for one, same in zip(made, again, strict=True):
        assert np.array_equal(one.image, same.image) and np.array_equal(one.truth, same.truth)
        assert one.image.shape == (256, 256, 3) and np.count_nonzero(one.truth) >= cases.MIN_TARGET_PIXELS
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
    found = list(cases.photo_cases(tmp_path))
    assert [int(case.truth.sum()) for case in found] == [100, 30]


def test_real_photos_are_measured_only_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("FLAWSMITH_DATA", str(tmp_path))
    assert cases.real_folders() == {}
    (tmp_path / "deep_pcb_dev" / "test").mkdir(parents=True)
    assert list(cases.real_folders()) == ["boards"]
    monkeypatch.delenv("FLAWSMITH_DATA")
    assert cases.real_folders() == {}


def test_few_cases_are_taken_evenly():
    assert cases.evenly_chosen(list(range(10)), 5) == [0, 2, 4, 6, 8] and cases.evenly_chosen([1, 2], 5) == [1, 2]
