"""Rounds of KMeans: how many clusters there are, and dense clusters split again.

Names here ↔ GAA eq. 2: calinski_harabasz ↔ Tr(B_k)(N-k) / (Tr(W_k)(k-1)); davies_bouldin ↔ (1/k) sum_i max_j
(sigma_i + sigma_j)/d_ij; INDEX_WEIGHTS ↔ w1, w2; size_limit ↔ N / (log(0.1 N) + 0.4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.device import derive_seed, numpy_rng
from core.methods.gaa.clustering.clusters import ClusterCountTrial, ClusteringRound, GroupNumbers, Vectors, silhouettes
from core.methods.gaa.clustering.descriptors import ClusteringPreset

INDEX_WEIGHTS = (0.5, 0.5)
MIN_AGREEMENT = 0.75
"""From here on a cluster is taken for a fact of the data, not of the draw (Hennig 2007: "valid, stable")."""
LEAST_TO_SPLIT = 4
"""Fewer regions are one cluster: both indices need k < N, and a pair of pairs is the least that can be told apart."""
MOST = 10
_SMALLEST = 2
_STARTS, _FEW_STARTS = 20, 4
_ROUNDS = 4
_DRAWS, _DRAWN = 12, 0.75


def size_limit(count: int) -> float:
    """The size above which a cluster of ``count`` regions in all is dense and split again; infinite below 7.

    N / (ln(0.1 N) + 0.4): about 42 % of 72 regions, 23 % of 500. Below N = 10 e^0.6 = 18.2 the limit exceeds N, so
    nothing is split; below N = 10 e^-0.4 = 6.7 the denominator is negative, and taken as written everything would be.
    """
    share = math.log(0.1 * count) + 0.4 if count > 0 else 0.0
    return count / share if share > 0 else math.inf


def choose_k(
    vectors: Vectors, seed: int, preset: ClusteringPreset, most: int = MOST
) -> tuple[GroupNumbers, ClusteringRound]:
    """Groups of the best k in 2..min(most, N // 2), and the trials it won.

    ``paper``: eq. 2 with its sign mended. The paper takes the arg min of w1 CH + w2 DB, but Calinski-Harabasz is
    better when larger. Here each index is brought to 0..1 over the k that were tried, and the least of w1 (1 - CH) +
    w2 DB wins, of equals the smaller k.

    ``flawsmith``: the largest k of whose clusters each comes back (``agreement``) and none is a lone region. Both
    indices of eq. 2 favour the coarsest difference (on mixed defects of circuit boards k = 2, missing against extra
    copper), however cleanly the finer ones separate. Where no k passes: one group.

    With fewer than LEAST_TO_SPLIT regions, or none that differ, there is one group.
    """
    distinct = len(np.unique(np.round(vectors, 6), axis=0))
    ks = range(2, min(most, len(vectors) // 2, distinct) + 1)
    if len(vectors) < LEAST_TO_SPLIT or not ks:
        return np.zeros(len(vectors), np.int64), ClusteringRound(len(vectors), 1, ())
    tried = [kmeans(vectors, k, seed) for k in ks]
    trials = _by_indices(vectors, tried) if preset == "paper" else _by_agreement(vectors, tried, seed)
    best = min(trials, key=lambda t: (t.score, t.k))
    if preset == "flawsmith" and best.agreement < MIN_AGREEMENT:
        return np.zeros(len(vectors), np.int64), ClusteringRound(len(vectors), 1, trials)
    return tried[best.k - 2], ClusteringRound(len(vectors), best.k, trials)


def _by_indices(vectors: Vectors, tried: Sequence[GroupNumbers]) -> tuple[ClusterCountTrial, ...]:
    high, low = _indices(vectors, tried)
    first, second = INDEX_WEIGHTS
    score = first * (1 - _scaled_to_unit(high)) + second * _scaled_to_unit(low)
    return tuple(
        ClusterCountTrial(k, round(a, 4), round(b, 4), round(float(s), 4))
        for k, (a, b, s) in enumerate(zip(high.tolist(), low.tolist(), score, strict=True), start=2)
    )


def _by_agreement(vectors: Vectors, tried: Sequence[GroupNumbers], seed: int) -> tuple[ClusterCountTrial, ...]:
    high, low = _indices(vectors, tried)
    trials = []
    for k, groups in enumerate(tried, start=2):
        found = agreement(vectors, groups, seed) if np.bincount(groups).min() >= _SMALLEST else 0.0
        # Those that come back are ranked by their number, the others behind them by how nearly they do.
        score = 0.5 / k if found >= MIN_AGREEMENT else 1 - 0.5 * found
        trials.append(
            ClusterCountTrial(k, round(float(high[k - 2]), 4), round(float(low[k - 2]), 4), round(score, 4), found)
        )
    return tuple(trials)


def agreement(vectors: Vectors, groups: GroupNumbers, seed: int) -> float:
    """How surely the least sure of ``groups`` comes back without a quarter of the regions, 0..1 (Hennig 2007).

    In each of 12 draws KMeans with as many clusters is run on three quarters of the regions, and the rest go to the
    nearest centre. A group's value is the mean over the draws of its largest Jaccard index with any cluster found.
    """
    from sklearn.cluster import KMeans

    k, count = int(groups.max()) + 1, len(vectors)
    found = np.zeros((_DRAWS, k))
    for draw in range(_DRAWS):
        rng = numpy_rng(seed, "agreement", k, draw)
        kept = rng.permutation(count)[: max(k, round(_DRAWN * count))]
        model = KMeans(k, n_init=_FEW_STARTS, random_state=int(rng.integers(2**32))).fit(vectors[kept])
        shared = np.zeros((k, k))
        np.add.at(shared, (groups, model.predict(vectors)), 1)
        union = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0, keepdims=True) - shared
        found[draw] = (shared / union).max(axis=1)
    return round(float(found.mean(axis=0).min()), 4)


def split_in_rounds(
    vectors: Vectors, seed: int, preset: ClusteringPreset, most: int = MOST
) -> tuple[GroupNumbers, float, tuple[ClusteringRound, ...]]:
    """Groups numbered by falling size, the limit, and the rounds: all regions once, then each cluster above it.

    A dense cluster stays as it is where its own best k is 1: with ``paper`` only if its regions are all the same, with
    ``flawsmith`` also if no division of it comes back.
    """
    limit = size_limit(len(vectors))
    groups, first = choose_k(vectors, seed, preset, most)
    rounds, whole = [first], set[int]()
    for step in range(_ROUNDS if first.k > 1 else 0):
        dense = [int(g) for g in np.flatnonzero(np.bincount(groups) > limit) if int(g) not in whole]
        for g in dense:
            own = np.flatnonzero(groups == g)
            parts, made = choose_k(vectors[own], derive_seed(seed, "round", step, g), preset, most)
            rounds.append(made)
            if made.k == 1:
                whole.add(g)
            groups[own[parts > 0]] = groups.max() + parts[parts > 0]
    return renumbered_by_size(groups), limit, tuple(rounds)


def kmeans(vectors: Vectors, k: int, seed: int, starts: int = _STARTS) -> GroupNumbers:
    """KMeans with k-means++ and the best of ``starts``; ``seed`` is any integer. Groups by falling size."""
    from sklearn.cluster import KMeans

    found = KMeans(k, n_init=starts, random_state=derive_seed(seed, "kmeans", k) % 2**32).fit_predict(vectors)
    return renumbered_by_size(found)


def renumbered_by_size(groups: Sequence[int] | GroupNumbers) -> GroupNumbers:
    """The same groups, numbered by falling size and, of equals, by their first member."""
    values, first, inverse, sizes = np.unique(
        np.asarray(groups), return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -sizes))
    rank = np.empty(len(values), np.int64)
    rank[order] = np.arange(len(values))
    return np.asarray(rank[inverse], np.int64)


def mean_silhouette(vectors: Vectors, groups: GroupNumbers) -> float:
    """Mean silhouette of all regions."""
    return float(silhouettes(vectors, groups).mean())


def _indices(
    vectors: Vectors, tried: Sequence[GroupNumbers]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Calinski-Harabasz and Davies-Bouldin of each grouping."""
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

    high = np.array([calinski_harabasz_score(vectors, g) for g in tried], np.float64)
    low = np.array([davies_bouldin_score(vectors, g) for g in tried], np.float64)
    return high, low


def _scaled_to_unit(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Brought to 0..1; zeros where all are equal."""
    width = values.max() - values.min()
    return np.asarray((values - values.min()) / width) if width > 1e-12 else np.zeros_like(values)
