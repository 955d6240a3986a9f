"""Inception Score, KID and intra-cluster diversity: closed forms, and torchmetrics' word on the same numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.generation.distribution_metrics import (
    LEAST_FOR_SPLITS,
    PER_CLUSTER,
    SPLITS,
    cluster_by_nearest,
    inception_score,
    kernel_distance,
    mean_intra_cluster_distance,
)
from core.evaluation.generation.feature_networks import squared_distances

SURE = 60.0


def logits(n, k, seed=0):
    return np.random.default_rng(seed).normal(0, 2, (n, k)).astype(np.float32)


@pytest.mark.parametrize("n", [7, 300])
def test_is_of_a_classifier_that_says_the_same_of_all_is_1(n):
    assert inception_score(np.zeros((n, 10))) == pytest.approx(1)
    assert inception_score(np.repeat(logits(1, 10), n, axis=0)) == pytest.approx(1)


@pytest.mark.parametrize("k", [2, 5])
def test_is_of_k_sure_and_equally_frequent_classes_is_k(k):
    assert inception_score(np.tile(SURE * np.eye(k), (6, 1))) == pytest.approx(k)


@given(st.integers(0, 10_000), st.integers(2, 40))
@settings(max_examples=30, deadline=None)
def test_is_lies_between_1_and_the_number_of_classes_in_any_order(seed, n):
    given_logits = logits(n, 8, seed)
    score = inception_score(given_logits)
    assert 1 - 1e-9 <= score <= 8
    assert inception_score(given_logits[::-1]) == pytest.approx(score)


def test_is_in_splits_is_the_mean_of_the_splits():
    # One sure class per image, as many of each in every split only by chance: below k, above 1.
    score = inception_score(SURE * np.eye(4)[np.arange(LEAST_FOR_SPLITS) % 4])
    assert SPLITS > 1 and 2.5 < score < 4
    assert inception_score(logits(200, 8), seed=1) != inception_score(logits(200, 8), seed=2)
    assert inception_score(logits(200, 8), seed=1) == inception_score(logits(200, 8), seed=1)


def test_is_agrees_with_torchmetrics():
    torch = pytest.importorskip("torch")
    inception = pytest.importorskip("torchmetrics.image.inception")
    with pytest.warns(UserWarning, match="save all extracted features"):
        metric = inception.InceptionScore(feature=torch.nn.Identity(), splits=1)
    ours = logits(60, 12)
    metric.update(torch.from_numpy(ours))
    with pytest.warns(UserWarning, match="degrees of freedom"):
        theirs = float(metric.compute()[0])
    assert inception_score(ours) == pytest.approx(theirs, abs=1e-4)


def test_kid_agrees_with_torchmetrics():
    torch = pytest.importorskip("torch")
    kid = pytest.importorskip("torchmetrics.image.kid")
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, (40, 24)), rng.normal(0.3, 1.2, (40, 24))
    theirs = float(kid.poly_mmd(torch.from_numpy(x), torch.from_numpy(y)))
    assert kernel_distance(x, y) == pytest.approx(theirs, abs=1e-9)


def test_kid_of_two_by_hand():
    x, y = np.array([[1.0], [2.0]]), np.array([[0.0], [1.0], [3.0]])
    kernel = lambda a, b: (a * b + 1) ** 3  # noqa: E731
    within_x, within_y = kernel(1, 2), (kernel(0, 1) + kernel(0, 3) + kernel(1, 3)) / 3
    across = np.mean([kernel(a, b) for a in (1, 2) for b in (0, 1, 3)])
    assert kernel_distance(x, y) == pytest.approx(within_x + within_y - 2 * across)
    assert kernel_distance(y, x) == pytest.approx(kernel_distance(x, y))


def test_kid_is_unbiased_about_0_for_one_distribution_and_grows_with_distance():
    rng = np.random.default_rng(1)
    same = [kernel_distance(rng.normal(0, 1, (20, 6)), rng.normal(0, 1, (30, 6))) for _ in range(200)]
    assert min(same) < 0 < max(same)
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(len(same))
    x = rng.normal(0, 1, (400, 6))
    assert abs(kernel_distance(x, x)) < 0.05
    shifted = [kernel_distance(x, x + step) for step in (0.0, 0.5, 1.0)]
    assert shifted == sorted(shifted) and shifted[2] > 1


def test_kid_does_not_depend_on_the_order():
    rng = np.random.default_rng(2)
    x, y = rng.normal(0, 1, (12, 5)), rng.normal(1, 1, (9, 5))
    assert kernel_distance(x[::-1], rng.permutation(y)) == pytest.approx(kernel_distance(x, y))


def test_kid_of_one_image_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        kernel_distance(np.zeros((1, 3)), np.zeros((5, 3)))


def test_clusters_take_the_nearest_centre_and_at_most_so_many():
    far = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.4], [0.5, 0.5]])
    assert cluster_by_nearest(far) == [[0, 2, 3], [1]]
    many = cluster_by_nearest(np.zeros((PER_CLUSTER + 30, 1)), seed=3)[0]
    assert len(set(many)) == len(many) == PER_CLUSTER and many == sorted(many)
    assert many == cluster_by_nearest(np.zeros((PER_CLUSTER + 30, 1)), seed=3)[0]
    assert many != cluster_by_nearest(np.zeros((PER_CLUSTER + 30, 1)), seed=4)[0]


def test_mean_pairwise_by_hand():
    triangle = np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0]], float)
    pair = np.array([[0, 6], [6, 0]], float)
    assert mean_intra_cluster_distance([triangle]) == pytest.approx(2)
    assert mean_intra_cluster_distance([triangle, pair]) == pytest.approx(
        4
    )  # clusters count alike, whatever their size
    assert mean_intra_cluster_distance([triangle, np.zeros((1, 1))]) == pytest.approx(2)
    assert mean_intra_cluster_distance([np.zeros((4, 4))]) == 0
    assert mean_intra_cluster_distance([np.zeros((1, 1))]) is None and mean_intra_cluster_distance([]) is None


def test_distances_are_right_and_exactly_0_for_the_same():
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, (5, 3000)).astype(np.float32), rng.normal(0, 1, (4, 3000)).astype(np.float32)
    assert np.allclose(squared_distances(a, b), cdist(a, b, "sqeuclidean"), rtol=1e-4)
    assert (np.diag(squared_distances(a, a)) == 0).all()
    assert (squared_distances(np.repeat(a[:1], 3, 0), a[:1]) == 0).all()
