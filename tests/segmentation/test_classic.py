"""Clicks, boxes and corrections without weights."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_fill_holes
from skimage import data

from core.errors import Cancelled, InputError
from core.masks import rle
from core.segmentation import best_segmenter, segmenter, segmenters
from core.segmentation.classic import ClassicSegmenter
from core.segmentation.segmenter import Click, iou
from core.segmentation.simulated_clicks import click_curve, next_click

SEGMENTER = ClassicSegmenter()


def tray(seed: int = 0, size: int = 256) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Parts on a grainy surface, and where they are."""
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[:size, :size]
    grain = rng.normal(0, 6, (size, size, 1))
    image = np.full((size, size, 3), (70.0, 80.0, 75.0)) + grain
    s = size / 256
    truth = {
        "ring": (np.hypot(xx - 70 * s, yy - 70 * s) < 36 * s) & (np.hypot(xx - 70 * s, yy - 70 * s) > 14 * s),
        "plate": (abs(xx - 180 * s) < 40 * s) & (abs(yy - 75 * s) < 22 * s),
        "disc": np.hypot(xx - 75 * s, yy - 185 * s) < 30 * s,
        "bar": (abs((xx - 180 * s) + (yy - 180 * s)) < 10 * s) & (abs((xx - 180 * s) - (yy - 180 * s)) < 80 * s),
    }
    for name, colour in (
        ("ring", (190, 190, 195)),
        ("plate", (40, 60, 150)),
        ("disc", (200, 170, 60)),
        ("bar", (25, 25, 28)),
    ):
        image[truth[name]] = np.array(colour) + rng.normal(0, 3, (int(truth[name].sum()), 3))
    return np.clip(image, 0, 255).astype(np.uint8), truth


@pytest.mark.parametrize("name", ["ring", "plate", "disc", "bar"])
def test_one_click_finds_the_part(name):
    image, truth = tray()
    curve = click_curve(SEGMENTER, image, truth[name], 1)
    assert curve.iou[0] > 0.88


def test_a_bore_stays_a_hole():
    image, truth = tray()
    ring = truth["ring"]
    click = next_click(np.zeros_like(ring), ring)
    found = SEGMENTER.prepare(image).predict([click])[0].mask
    assert not found[70, 70] and found[70, 70 - 25]


def test_coins_come_out_of_a_photo():
    grey = data.coins()
    photo = np.repeat(grey[..., None], 3, 2)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((grey > 130).astype(np.uint8))
    order = np.argsort(-stats[1:, cv2.CC_STAT_AREA])[1:5] + 1
    for k in order:
        coin = binary_fill_holes(labels == k)
        assert click_curve(SEGMENTER, photo, coin, 1).best[0] > 0.7


def test_three_candidates_are_of_different_scale_and_best_first():
    image, truth = tray()
    found = SEGMENTER.prepare(image).predict([Click(75, 185)])
    areas = sorted(np.count_nonzero(c.mask) for c in found)
    assert 1 <= len(found) <= 3
    assert all(b > 1.2 * a for a, b in zip(areas, areas[1:], strict=False))
    scores = [c.score for c in found]
    assert scores == sorted(scores, reverse=True) and all(0 <= s <= 1 for s in scores)


def test_further_clicks_do_not_undo_a_good_mask():
    image, truth = tray()
    for mask in truth.values():
        curve = click_curve(SEGMENTER, image, mask, 4)
        assert curve.iou[-1] > 0.85


def test_a_second_positive_click_joins_two_parts():
    image, truth = tray()
    both = truth["plate"] | truth["disc"]
    found = SEGMENTER.prepare(image).predict([Click(180, 75), Click(75, 185)])[0].mask
    assert iou(found, both) > 0.85


def test_a_negative_click_takes_a_part_away():
    image, truth = tray()
    both = truth["plate"] | truth["disc"]
    found = SEGMENTER.prepare(image).predict([Click(75, 185, False)], None, both)[0].mask
    assert iou(found, truth["plate"]) > 0.85


def test_a_given_mask_is_drawn_to_the_edges():
    image, truth = tray()
    rough = np.roll(truth["plate"], 2, axis=1)
    found = SEGMENTER.prepare(image).predict([], None, rough)[0].mask
    assert iou(found, truth["plate"]) > iou(rough, truth["plate"])


@pytest.mark.parametrize("name", ["ring", "plate", "disc", "bar"])
def test_a_box_finds_the_part_and_is_never_left(name):
    image, truth = tray()
    ys, xs = np.nonzero(truth[name])
    box = (xs.min() - 4, ys.min() - 4, xs.max() + 5, ys.max() + 5)
    found = SEGMENTER.prepare(image).predict([], box)
    assert iou(found[0].mask, truth[name]) > 0.85
    for candidate in found:
        outside = candidate.mask.copy()
        outside[box[1] : box[3], box[0] : box[2]] = False
        assert not outside.any()


@settings(deadline=None, max_examples=12)
@given(
    st.lists(
        st.tuples(st.integers(0, 95), st.integers(0, 63), st.booleans()),
        min_size=1,
        max_size=4,
        unique_by=lambda c: c[:2],
    ),
    st.integers(0, 3),
)
def test_clicks_are_obeyed_whatever_they_are(raw, seed):
    image, _ = tray(seed, 96)
    clicks = [Click(x, y, positive) for x, y, positive in raw]
    clicks[0] = Click(clicks[0].x, clicks[0].y, True)
    for candidate in SEGMENTER.prepare(image[:64]).predict(clicks):
        assert candidate.mask.shape == (64, 96) and candidate.mask.any()
        for click in clicks:
            assert candidate.mask[int(click.y), int(click.x)] == click.positive


def test_same_clicks_same_masks_whether_asked_before_or_not():
    image, _ = tray()
    clicks = [Click(70, 45), Click(180, 75), Click(70, 70, False)]
    stepwise, at_once = SEGMENTER.prepare(image), SEGMENTER.prepare(image)
    for k in range(1, 4):
        last = stepwise.predict(clicks[:k])
    for a, b in zip(last, at_once.predict(clicks), strict=True):
        assert np.array_equal(a.mask, b.mask) and a.score == b.score


@pytest.mark.parametrize("shape", [(16, 400, 3), (300, 17, 3), (16, 16, 3)])
def test_any_format_works(shape):
    image = np.random.default_rng(1).integers(0, 255, shape, dtype=np.uint8)
    found = SEGMENTER.prepare(image).predict([Click(shape[1] - 1, shape[0] - 1)])
    assert all(c.mask.shape == shape[:2] for c in found)


def test_a_blank_photo_gives_a_dot_not_an_error():
    found = SEGMENTER.prepare(np.full((64, 64, 3), 128, np.uint8)).predict([Click(30, 30)])
    assert found[0].mask[30, 30]


@pytest.mark.parametrize(
    ("clicks", "box", "word"),
    [
        ([], None, "positive click or a box"),
        ([Click(3, 3, False)], None, "positive click or a box"),
        ([Click(300, 3)], None, "off the"),
        ([Click(-1, 3)], None, "off the"),
        ([], (10, 10, 11, 11), "2x2"),
        ([], (10, 10, 20), "four numbers"),
        ([], (10, 10, float("nan"), 20), "four numbers"),
        ([Click(100, 100)], (10, 10, 20, 20), "outside the box"),
    ],
)
def test_wrong_prompts_say_what_to_do(clicks, box, word):
    prepared = SEGMENTER.prepare(tray()[0])
    with pytest.raises(InputError, match=word):
        prepared.predict(clicks, box)


def test_all_regions_finds_the_parts_and_nothing_on_a_plain_surface():
    image, truth = tray()
    found = SEGMENTER.regions(image)
    for name, mask in truth.items():
        assert max(iou(c.mask, mask) for c in found) > 0.75, name
    areas = [np.count_nonzero(c.mask) for c in found]
    assert areas == sorted(areas, reverse=True)
    assert all(iou(a.mask, b.mask) < 0.9 for i, a in enumerate(found) for b in found[:i])
    assert SEGMENTER.regions(np.full((200, 200, 3), 90, np.uint8)) == []


def test_all_regions_stops_when_told():
    calls = []

    def cancelled():
        calls.append(1)
        return len(calls) > 4

    with pytest.raises(Cancelled):
        SEGMENTER.regions(tray()[0], None, cancelled)


def test_the_registry_always_has_one_that_works():
    assert segmenter("classic").available() is None
    assert best_segmenter().available() is None
    assert list(segmenters())[-1] == "classic"


def test_next_click_is_in_the_error():
    truth = np.zeros((20, 20), bool)
    truth[5:15, 5:15] = True
    click = next_click(np.zeros_like(truth), truth)
    assert click.positive and truth[int(click.y), int(click.x)]
    click = next_click(np.ones_like(truth), truth)
    assert not click.positive and not truth[int(click.y), int(click.x)]
    assert next_click(truth, truth) is None


def test_an_extra_click_on_a_good_mask_leaves_it_alone():
    image, truth = tray()
    prepared = SEGMENTER.prepare(image)
    disc = prepared.predict([Click(75, 185)])[0].mask
    assert iou(disc, truth["disc"]) > 0.9
    for extra in (Click(60, 190), Click(180, 180, False)):
        assert np.array_equal(prepared.predict([Click(75, 185), extra])[0].mask, disc)
        assert np.array_equal(prepared.predict([Click(75, 185), extra], None, disc)[0].mask, disc)


def test_a_click_beside_the_outline_moves_only_the_outline():
    image, _ = tray()
    prepared = SEGMENTER.prepare(image)
    disc = prepared.predict([Click(75, 185)])[0].mask
    edge = int(np.flatnonzero(disc[185])[-1]) + 1
    found = prepared.predict([Click(75, 185), Click(edge, 185)])[0].mask
    ys, xs = np.nonzero(found != disc)
    assert found[185, edge] and np.hypot(xs - edge, ys - 185).max() <= 3


def test_the_mask_that_was_shown_is_recognised():
    image, _ = tray()
    prepared = SEGMENTER.prepare(image)
    clicks = [Click(70, 45), Click(180, 75)]
    plain = prepared.predict(clicks)
    shown = prepared.predict(clicks[:1])
    for a, b in zip(plain, prepared.predict(clicks, None, shown[0].mask), strict=True):
        assert np.array_equal(a.mask, b.mask)
    other = prepared.predict(clicks, None, shown[-1].mask)[0].mask
    assert np.count_nonzero(shown[-1].mask & other) > 0.9 * shown[-1].area


def test_a_candidate_is_the_same_as_window_runs_and_mask():
    image, _ = tray()
    for candidate in SEGMENTER.prepare(image).predict([Click(75, 185)]):
        assert candidate.mask.shape == (256, 256)
        assert candidate.area == np.count_nonzero(candidate.mask)
        assert candidate.run_lengths() == rle.encode(candidate.mask)


def test_a_click_on_a_large_photo_keeps_thin_outlines_sharp():
    image, truth = tray()
    large = cv2.resize(image, (2048, 2048), interpolation=cv2.INTER_CUBIC)
    want = cv2.resize(truth["disc"].astype(np.float32), (2048, 2048), interpolation=cv2.INTER_CUBIC) > 0.5
    assert iou(SEGMENTER.prepare(large).predict([Click(600, 1480)])[0].mask, want) > 0.97
