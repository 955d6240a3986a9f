"""Clustering's core: weights, the number of clusters, rounds; on points whose groups are known."""

import math

import numpy as np
import pytest

from core.methods.gaa.clustering.clusters import silhouettes
from core.methods.gaa.clustering.feature_fusion import fuse_features, standardized_part
from core.methods.gaa.clustering.kmeans_rounds import (
    agreement,
    choose_k,
    kmeans,
    renumbered_by_size,
    size_limit,
    split_in_rounds,
)


def blobs(centres, each, spread=0.1, dimensions=4, seed=0):
    """Points (N, dimensions) around ``centres`` on the first two axes, and the group of each."""
    rng = np.random.default_rng(seed)
    sizes = [each] * len(centres) if isinstance(each, int) else each
    rows = []
    for centre, size in zip(centres, sizes, strict=True):
        middle = np.zeros(dimensions)
        middle[:2] = centre
        rows.append(middle + rng.normal(0, spread, (size, dimensions)))
    return np.concatenate(rows).astype(np.float32), np.repeat(np.arange(len(sizes)), sizes)


def same(one, other):
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))


def test_the_limit_is_the_paper_s_and_safe_for_few():
    assert size_limit(72) == pytest.approx(72 / (math.log(7.2) + 0.4))
    assert size_limit(18) > 18 > size_limit(19) - 1.2
    assert all(math.isinf(size_limit(n)) for n in range(7))
    assert all(size_limit(n) > 0 for n in range(1, 300))


@pytest.mark.parametrize("preset", ["paper", "flawsmith"])
def test_separate_groups_are_found(preset):
    points, truth = blobs([(0, 0), (5, 0), (0, 5), (5, 5.5)], 8)
    groups, made = choose_k(points, 3, preset)
    assert made.k == 4 and same(groups, truth)
    assert [t.k for t in made.trials] == list(range(2, 11))
    assert made.trials[2].calinski_harabasz == max(t.calinski_harabasz for t in made.trials)
    assert made.trials[2].score == min(t.score for t in made.trials)


def test_a_larger_calinski_harabasz_counts_for_a_k():
    # With the sign as printed in the paper, the worst of these would win.
    points, _ = blobs([(0, 0), (6, 0), (3, 5)], 10)
    _, made = choose_k(points, 0, "paper")
    worst = min(made.trials, key=lambda t: t.calinski_harabasz)
    assert made.k == 3 and worst.score > min(t.score for t in made.trials) + 0.3


def test_a_coarse_difference_does_not_hide_finer_ones():
    # Two far families of three kinds each: eq. 2 sees the families, what comes back are the kinds.
    centres = [(x + 1.2 * math.cos(a), 1.2 * math.sin(a)) for x in (0, 12) for a in (0, 2.1, 4.2)]
    points, truth = blobs(centres, 10, spread=0.4, dimensions=8)
    assert choose_k(points, 0, "paper")[1].k == 2
    groups, made = choose_k(points, 0, "flawsmith")
    assert made.k == 6 and same(groups, truth)


def test_noise_is_one_group():
    points = np.random.default_rng(5).normal(0, 1, (30, 40)).astype(np.float32)
    groups, made = choose_k(points, 0, "flawsmith")
    assert made.k == 1 and not groups.any()
    assert max(t.agreement for t in made.trials) < 0.75


def test_agreement_is_one_for_what_is_certain_and_less_for_what_is_not():
    points, truth = blobs([(0, 0), (9, 0)], 12)
    assert agreement(points, renumbered_by_size(truth), 0) == 1.0
    assert agreement(points, kmeans(points, 5, 0), 0) < 0.9


@pytest.mark.parametrize("count", [1, 2, 3])
def test_too_few_to_divide(count):
    points = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    groups, _, rounds = split_in_rounds(points, 0, "paper")
    assert groups.tolist() == [0] * count and [r.k for r in rounds] == [1]


def test_equal_regions_stay_together():
    for preset in ("paper", "flawsmith"):
        groups, _, _ = split_in_rounds(np.ones((50, 3), np.float32), 0, preset)
        assert not groups.any()


def test_a_dense_cluster_is_split_again():
    # Of 40 the limit is 22: the far group of 30 is dense and holds two kinds, too close for the first round.
    points, truth = blobs([(0, 0), (20, 0), (20, 3)], [10, 15, 15], spread=0.5, dimensions=8)
    assert choose_k(points, 0, "paper")[1].k == 2
    groups, limit, rounds = split_in_rounds(points, 0, "paper")
    assert limit < 30 and [r.size for r in rounds] == [40, 30]
    assert same(groups, truth)


def test_groups_are_numbered_by_falling_size():
    assert renumbered_by_size([7, 3, 3, 9, 9, 9, 1]).tolist() == [2, 1, 1, 0, 0, 0, 3]


def test_the_same_seed_gives_the_same_groups():
    points = np.random.default_rng(1).normal(size=(24, 6)).astype(np.float32)
    first = split_in_rounds(points, 4, "paper")
    again = split_in_rounds(points.copy(), 4, "paper")
    assert np.array_equal(first[0], again[0]) and first[2] == again[2]


def test_weights_follow_what_a_part_tells_apart():
    points, truth = blobs([(0, 0), (8, 0), (0, 8)], 10)
    noise = np.random.default_rng(2).normal(size=(30, 25))
    parts = {"layer_1": points.astype(float), "lab": noise, "rim": np.ones((30, 5))}
    vectors, weights = fuse_features(parts, 0)
    assert sum(weights.values()) == pytest.approx(1, abs=2e-4)
    assert weights["layer_1"] > 3 * weights["lab"] > 0 == weights["rim"]
    shares = [np.square(vectors[:, at]).sum() for at in (np.s_[:4], np.s_[4:29], np.s_[29:])]
    assert np.array(shares) / sum(shares) == pytest.approx(list(weights.values()), abs=1e-3)
    assert silhouettes(vectors, truth).mean() > 0.5


def test_units_do_not_matter_for_hand_made_parts():
    values = np.random.default_rng(3).normal(size=(12, 4))
    assert standardized_part("lab", values) == pytest.approx(standardized_part("lab", values * [1, 1e3, 1e-4, 7] + 5))
    assert np.mean(np.sum(standardized_part("layer_1", values * 9) ** 2, axis=1)) == pytest.approx(1)
