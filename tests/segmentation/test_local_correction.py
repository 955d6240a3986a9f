"""Corrections by click: what the network may change, and what each click changes whatever the network says."""

import cv2
import numpy as np
import pytest

from core.segmentation.local_correction import answer_on, click_reach, corrected_regions
from core.segmentation.network_scores import NetworkView
from core.segmentation.segmenter import Click, iou
from core.segmentation.simulated_clicks import next_click
from core.segmentation.view_pyramid import ImagePyramid

FRAME = (0, 0, 160, 160)


def blob(seed, bulge=0.25):
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radii = 40 * (1 + sum(rng.normal(0, bulge / k) * np.cos(k * angle + rng.uniform(0, 6)) for k in (2, 3, 4)))
    points = 80 + np.stack([np.cos(angle), np.sin(angle)], 1) * radii[:, None]
    return cv2.fillPoly(np.zeros((160, 160), np.uint8), [np.rint(points).astype(np.int32)], 1) > 0


def look(probability, x0=0, y0=0):
    view = ImagePyramid(np.zeros((160, 160, 3), np.uint8)).raw_window(
        x0, y0, x0 + probability.shape[1], y0 + probability.shape[0], max(probability.shape)
    )
    return NetworkView(view, probability.astype(np.float32))


@pytest.mark.parametrize("seed", range(6))
def test_ideal_clicks_come_near_the_truth_even_where_the_network_is_blind(seed):
    truth, found = blob(seed), blob(seed + 100)
    clicks, curve = [Click(80, 80)], [iou(found, truth)]
    blind = [look(np.full((160, 160), 0.5))]
    for _ in range(12):
        clicks.append(next_click(found, truth))
        found = corrected_regions(found, FRAME, clicks, blind, [])[0].part
        curve.append(iou(found, truth))
    assert all(b > a - 0.01 for a, b in zip(curve, curve[1:], strict=False)), curve
    assert 1 - curve[-1] < 0.85 * (1 - curve[0]), curve


def test_a_click_takes_what_the_network_says_there_and_leaves_the_rest():
    truth = np.zeros((160, 160), bool)
    truth[40:120, 40:120] = True
    found = truth.copy()
    found[40:80, 90:120] = False
    says = truth.astype(float) * 0.98 + 0.01
    says[100:120, 40:60] = 0.1  # The network is wrong elsewhere, where nobody clicked.
    best = corrected_regions(found, FRAME, [Click(60, 100), Click(105, 60)], [look(says)], [])[0]
    assert iou(best.part, truth) > 0.99


def test_a_negative_click_keeps_what_a_positive_one_asked_for():
    found = np.zeros((160, 160), bool)
    found[60:100, 20:140] = True
    nothing = [look(np.zeros((160, 160)))]
    best = corrected_regions(found, FRAME, [Click(30, 80), Click(120, 80, False)], nothing, [])[0]
    assert best.part[80, 30] and not best.part[80, 120]


def test_an_answer_lies_on_the_photo_where_its_window_was():
    probability = np.zeros((64, 64))
    probability[20:30, 8:20] = 1
    on = answer_on(look(probability, 50, 40), FRAME)
    ys, xs = np.nonzero(on > 0.5)
    assert (ys.min(), ys.max(), xs.min(), xs.max()) == (60, 69, 58, 69)


def test_reach_is_the_distance_from_the_outline():
    part = np.zeros((50, 50), bool)
    part[10:40, 10:40] = True
    assert click_reach(part, (25, 25)) == pytest.approx(15, abs=1.1)
    assert click_reach(part, (5, 25)) == pytest.approx(5, abs=1.1)
    assert click_reach(np.zeros((50, 50), bool), (3, 3)) == 50
