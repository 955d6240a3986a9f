"""Pixel, region and image metrics: closed forms, invariances, and a slow evaluation that tries every threshold."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from core.device import numpy_rng
from core.errors import InputError
from core.evaluation.metrics import Saturation, auroc, average_precision, f1_max, map_metrics, rank_scores
from core.evaluation.metrics.ranking import ScoreRanking

GOOD_MAP = np.zeros((4, 5), np.float32)
KEYS = ("pixel_auroc", "pixel_ap", "pixel_f1_max", "pro", "spro", "image_auroc", "image_ap", "image_f1_max")


def area(x: Sequence[float], y: Sequence[float], limit: float) -> float:
    """Trapezoids under (x, y) from 0 to ``limit``, the last one cut by interpolation, over ``limit``."""
    total = 0.0
    for x0, x1, y0, y1 in zip(x[:-1], x[1:], y[:-1], y[1:], strict=True):
        if x0 >= limit:
            break
        end = min(x1, limit)
        y_end = y1 if x1 <= limit else y0 + (y1 - y0) * (end - x0) / (x1 - x0)
        total += 0.5 * (y0 + y_end) * (end - x0)
    return total / limit


def slow(maps, masks, saturations, limit: float) -> float:  # noqa: ANN001
    """sPRO at each threshold in turn, as its definition has it; regions with saturation None are components."""
    thresholds = sorted({float(s) for m in maps for s in m.ravel()}, reverse=True)
    shape = [m.shape for m in maps]
    unions = [np.logical_or.reduce(m) if m else np.zeros(s, bool) for m, s in zip(masks, shape, strict=True)]
    regions = []
    for i, instances in enumerate(masks):
        if saturations is None:
            count, labels = cv2.connectedComponents(unions[i].astype(np.uint8), connectivity=8)
            regions += [(i, labels == k, int((labels == k).sum())) for k in range(1, count)]
        else:
            regions += [(i, m, s.pixels(int(m.sum()))) for m, s in zip(instances, saturations[i], strict=True)]
    normal = sum(int((~u).sum()) for u in unions)
    x, y = [0.0], [0.0]
    for t in thresholds:
        hot = [m >= t for m in maps]
        x.append(sum(int((h & ~u).sum()) for h, u in zip(hot, unions, strict=True)) / normal)
        y.append(float(np.mean([min(int((hot[i] & m).sum()) / s, 1.0) for i, m, s in regions])))
    return area([*x, 1.0], [*y, 1.0], limit)


def scene(seed: int, levels: int | None = None, photos: int = 5, side: int = 14):
    """Random maps with blobs as defects; ``levels`` makes ties."""
    rng = numpy_rng(seed, "scene")
    maps, masks, labels = [], [], []
    for i in range(photos):
        values = rng.normal(size=(side, side))
        instances = []
        for _ in range(0 if i == 0 else int(rng.integers(1, 4))):
            y, x = rng.integers(0, side - 8, 2)
            h, w = rng.integers(2, 7, 2)
            mask = np.zeros((side, side), bool)
            mask[y : y + h, x : x + w] = True
            values[mask] += rng.uniform(0, 2)
            instances.append(mask)
        if levels:
            values = np.round(values * levels) / levels
        maps.append(values.astype(np.float32))
        masks.append(tuple(instances))
        labels.append("good" if i == 0 else ("dent", "stain")[i % 2])
    return maps, masks, labels


def pooled(maps, masks):  # noqa: ANN001
    truth = [np.logical_or.reduce(m) if m else np.zeros(s.shape, bool) for m, s in zip(masks, maps, strict=True)]
    return np.concatenate([t.ravel() for t in truth]), np.concatenate([m.ravel() for m in maps])


def hand_made():
    """One good photo of 20 zeros, one 4x5 photo with two regions: a pixel scored 3, and a pair scored 2 and 0.5."""
    values = np.zeros((4, 5), np.float32)
    mask = np.zeros((4, 5), bool)
    values[0, 0] = 3
    values[2, 2:4] = 2, 0.5
    mask[0, 0] = mask[2, 2:4] = True
    values[3, 4] = 1
    return [GOOD_MAP, values], [(), (mask,)], ["good", "bend"]


def test_a_case_by_hand() -> None:
    found = map_metrics(*hand_made()).overall
    # 37 normal pixels, one of them scored 1: above 0.5, below 2 and 3. Two of three positives beat all 37.
    assert found["pixel_auroc"] == pytest.approx((37 + 37 + 36) / (3 * 37))
    assert found["pixel_ap"] == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert found["pixel_f1_max"] == pytest.approx(2 * 3 / (3 + 4))
    # Overlap 0.75 from no false alarm on, 1 from 1/37 on: the pixel scored 0.5 is half of one of two regions.
    assert found["pro"] == pytest.approx((0.75 * (1 / 37) + 1.0 * (0.3 - 1 / 37)) / 0.3)
    assert found["spro"] == pytest.approx((0.75 * (1 / 37) + 1.0 * (0.05 - 1 / 37)) / 0.05)
    assert (found["image_auroc"], found["image_ap"], found["image_f1_max"]) == (1, 1, 1)


def test_saturation_by_hand() -> None:
    maps, masks, labels = hand_made()
    one = map_metrics(maps, masks, labels, saturation=[(), (Saturation(1, relative=False),)]).overall
    assert one["spro"] == pytest.approx(1.0)  # its best pixel beats every normal one
    two = map_metrics(maps, masks, labels, saturation={"bend": Saturation(0.67)}).overall  # int(0.67 * 3) = 2 pixels
    assert two["spro"] == pytest.approx(1.0)
    three = map_metrics(maps, masks, labels, saturation={"bend": Saturation(5, relative=False)}).overall
    assert three["spro"] == pytest.approx((2 / 3 * (1 / 37) + (0.05 - 1 / 37)) / 0.05)
    assert one["pro"] == two["pro"] == three["pro"] == map_metrics(maps, masks, labels).overall["pro"]


def test_perfect_reversed_and_blind_maps() -> None:
    mask = np.zeros((8, 8), bool)
    mask[2:5, 3:6] = True
    good = np.zeros((8, 8), np.float32)
    perfect = map_metrics([good, mask.astype(np.float32)], [(), (mask,)], ["good", "hole"]).overall
    assert perfect == dict.fromkeys(KEYS, 1.0)
    wrong = map_metrics([good + 1, 1 - mask.astype(np.float32)], [(), (mask,)], ["good", "hole"]).overall
    assert wrong["pixel_auroc"] == wrong["pro"] == wrong["spro"] == 0
    assert wrong["pixel_ap"] == pytest.approx(mask.sum() / 128)
    blind = map_metrics([good, good], [(), (mask,)], ["good", "hole"]).overall
    # All scores equal: the curve is the diagonal, whose normalised area up to L is L / 2.
    assert (blind["pixel_auroc"], blind["image_auroc"]) == (0.5, 0.5)
    assert (blind["pro"], blind["spro"]) == pytest.approx((0.15, 0.025))
    assert blind["pixel_f1_max"] == pytest.approx(2 * 9 / (9 + 128))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("levels", [None, 4, 1])
def test_pro_and_spro_against_every_threshold(seed: int, levels: int | None) -> None:
    maps, masks, labels = scene(seed, levels)
    saturations = [tuple(Saturation(0.4) if k % 2 else Saturation(6, False) for k in range(len(m))) for m in masks]
    found = map_metrics(maps, masks, labels, saturation=saturations).overall
    assert found["pro"] == pytest.approx(slow(maps, masks, None, 0.3), abs=1e-9)
    assert found["spro"] == pytest.approx(slow(maps, masks, saturations, 0.05), abs=1e-9)
    plain = map_metrics(maps, masks, labels, pro_fpr=1.0, spro_fpr=0.11).overall
    assert plain["pro"] == pytest.approx(slow(maps, masks, None, 1.0), abs=1e-9)
    assert plain["spro"] == pytest.approx(slow(maps, masks, None, 0.11), abs=1e-9)


@pytest.mark.parametrize("levels", [None, 3])
def test_pixel_metrics_against_scikit_learn(levels: int | None) -> None:
    maps, masks, labels = scene(7, levels)
    truth, scores = pooled(maps, masks)
    found = map_metrics(maps, masks, labels).overall
    assert found["pixel_auroc"] == pytest.approx(roc_auc_score(truth, scores), abs=1e-9)
    assert found["pixel_ap"] == pytest.approx(average_precision_score(truth, scores), abs=1e-9)
    precision, recall, _ = precision_recall_curve(truth, scores)
    best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
    assert found["pixel_f1_max"] == pytest.approx(best, abs=1e-9)


def test_a_label_is_judged_with_the_good_photos_alone() -> None:
    maps, masks, labels = scene(3, 5, photos=7)
    whole = map_metrics(maps, masks, labels)
    assert set(whole.per_label) == {"dent", "stain"}
    for label, values in whole.per_label.items():
        mine = [i for i, name in enumerate(labels) if name in ("good", label)]
        alone = map_metrics([maps[i] for i in mine], [masks[i] for i in mine], [labels[i] for i in mine])
        assert values == pytest.approx(alone.overall)
    alone = map_metrics(maps, masks, [name if name == "good" else "any" for name in labels])
    assert whole.overall == pytest.approx(alone.overall)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([None, 2, 8]))
def test_only_the_order_of_scores_counts(seed: int, levels: int | None) -> None:
    maps, masks, labels = scene(seed, levels, photos=3, side=12)
    found = map_metrics(maps, masks, labels).overall
    order = np.unique(np.concatenate([m.ravel() for m in maps]))
    ranks = [np.searchsorted(order, m).astype(np.float32) for m in maps]
    assert map_metrics(ranks, masks, labels).overall == pytest.approx(found)
    assert all(0 <= v <= 1 for v in found.values())
    back = list(reversed(range(len(maps))))
    turned = map_metrics([maps[i] for i in back], [masks[i] for i in back], [labels[i] for i in back]).overall
    assert turned == pytest.approx(found)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=30),
    st.lists(st.integers(0, 6), min_size=1, max_size=30),
)
def test_ranking_counts_pairs(positives: list[int], negatives: list[int]) -> None:
    ranking = rank_scores(positives, negatives)
    pairs = [(p > n) + 0.5 * (p == n) for p in positives for n in negatives]
    assert auroc(ranking) == pytest.approx(np.mean(pairs))
    truth = [1] * len(positives) + [0] * len(negatives)
    assert average_precision(ranking) == pytest.approx(average_precision_score(truth, positives + negatives))
    best, at = f1_max(ranking)
    hits, alarms = sum(p >= at for p in positives), sum(n >= at for n in negatives)
    assert best == pytest.approx(2 * hits / (hits + alarms + len(positives)))


def test_overlapping_and_touching_channels_count_each() -> None:
    left, right = np.zeros((6, 6), bool), np.zeros((6, 6), bool)
    left[1:4, 1:4] = right[2:5, 2:5] = True
    maps = [np.zeros((6, 6), np.float32), numpy_rng(5).random((6, 6)).astype(np.float32)]
    masks, saturations = [(), (left, right)], [(), (Saturation(3, False), Saturation(0.5))]
    found = map_metrics(maps, masks, ["good", "both"], saturation=saturations).overall
    assert found["spro"] == pytest.approx(slow(maps, masks, saturations, 0.05), abs=1e-9)
    assert found["pro"] == pytest.approx(slow(maps, masks, None, 0.3), abs=1e-9)


def test_photos_of_different_sizes_and_without_good_ones() -> None:
    rng = numpy_rng(11)
    maps = [rng.random(size).astype(np.float32) for size in ((9, 12), (20, 7))]
    masks = []
    for values in maps:
        mask = np.zeros(values.shape, bool)
        mask[2:6, 1:4] = True
        masks.append((mask,))
    found = map_metrics(maps, masks, ["cut", "cut"]).overall
    assert found["pro"] == pytest.approx(slow(maps, masks, None, 0.3), abs=1e-9)
    assert not any(key.startswith("image") for key in found)


def test_image_scores_can_be_given() -> None:
    maps, masks, labels = hand_made()
    found = map_metrics(maps, masks, labels, image_scores=[2.0, 1.0]).overall
    assert found["image_auroc"] == 0 and found["image_ap"] == 0.5


def test_curves_are_short_and_true() -> None:
    maps, masks, labels = scene(2, side=64)
    found = map_metrics(maps, masks, labels)
    assert set(found.curves) == {"roc", "pr", "pro", "spro", "image_roc"}
    assert all(len(curve.x) <= 400 for curve in found.curves.values())
    for name, limit in (("roc", 1.0), ("pro", 0.3), ("spro", 0.05)):
        curve = found.curves[name]
        assert curve.x[0] == 0 and curve.x[-1] == pytest.approx(limit)
        assert min(np.diff(curve.x)) >= 0 and min(np.diff(curve.y)) >= 0
        key = {"roc": "pixel_auroc"}.get(name, name)
        assert area(curve.x, curve.y, limit) == pytest.approx(found.overall[key], abs=5e-3)
    assert found.curves["pr"].x[-1] == 1
    truth, scores = pooled(maps, masks)
    at = scores >= found.threshold
    f1 = 2 * (at & truth).sum() / (at.sum() + truth.sum())
    assert f1 == pytest.approx(found.overall["pixel_f1_max"])


def test_the_same_bytes_twice() -> None:
    maps, masks, labels = scene(9)
    before = [m.copy() for m in maps]
    assert map_metrics(maps, masks, labels) == map_metrics(maps, masks, labels)
    assert all(np.array_equal(a, b) for a, b in zip(maps, before, strict=True))


def test_minus_zero_is_zero() -> None:
    maps, masks, labels = hand_made()
    flipped = [np.where(m == 0, np.float32(-0.0), m) for m in maps]
    assert map_metrics([maps[0], flipped[1]], masks, labels).overall == map_metrics(maps, masks, labels).overall


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda maps, masks, labels: maps[1].__setitem__((0, 0), np.nan), "NaN"),
        (lambda maps, masks, labels: maps[1].__setitem__((0, 0), np.inf), "infinite"),
        (lambda maps, masks, labels: masks.__setitem__(1, (np.zeros((5, 4), bool),)), "5x4|4x5"),
        (lambda maps, masks, labels: masks.__setitem__(1, ()), "mask is empty"),
        (lambda maps, masks, labels: masks.__setitem__(0, masks[1]), "good, but"),
        (lambda maps, masks, labels: maps.__setitem__(0, maps[0][None]), "expected one score for each pixel"),
        (lambda maps, masks, labels: maps.pop(), "one mask list"),
        (lambda maps, masks, labels: [x.pop() for x in (maps, masks, labels)], "only good photos"),
        (lambda maps, masks, labels: masks.__setitem__(1, (np.ones((4, 5), bool),)) or maps.pop(0), "one mask list"),
    ],
)
def test_bad_input_is_told_in_one_line(change, told: str) -> None:  # noqa: ANN001
    maps, masks, labels = hand_made()
    maps = [m.copy() for m in maps]
    change(maps, masks, labels)
    with pytest.raises(InputError, match=told) as caught:
        map_metrics(maps, masks, labels)
    assert "\n" not in str(caught.value)


def test_nothing_normal_and_wrong_limits() -> None:
    whole = np.ones((4, 5), bool)
    with pytest.raises(InputError, match="every pixel is marked"):
        map_metrics([GOOD_MAP], [(whole,)], ["dirt"])
    with pytest.raises(InputError, match="pro_fpr"):
        map_metrics(*hand_made(), pro_fpr=0)
    with pytest.raises(InputError, match="saturation for each"):
        map_metrics(*hand_made(), saturation=[(), ()])


def test_no_negatives_leaves_image_metrics_out() -> None:
    ranking = rank_scores([1.0, 2.0], [])
    assert isinstance(ranking, ScoreRanking) and ranking.negatives == 0
    assert ranking.negatives_above.tolist() == [0, 0]
