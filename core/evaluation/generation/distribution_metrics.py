"""The field's numbers for a set of generated images, from features and distances that were measured elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.device import numpy_rng

Floats = npt.NDArray[np.floating]

SPLITS = 10
LEAST_FOR_SPLITS = 100
"""Below this many images the Inception Score is of all of them at once: splits of a few images say nothing."""

PER_CLUSTER = 50
"""Images of a cluster that IC-LPIPS compares, as in the published scripts."""


def inception_score(logits: Floats, seed: int = 0) -> float:
    """Inception Score (Salimans et al. 2016) of logits (N, K): exp of the mean KL(p(y|x) || p(y)), in 1..K.

    1: the classifier says the same of every image. In SPLITS parts in an order drawn by the seed, then their mean,
    from LEAST_FOR_SPLITS images on; over all images at once below.
    """
    logs = _log_softmax(np.asarray(logits, np.float64))
    order = numpy_rng(seed, "inception-score").permutation(len(logs))
    parts = np.array_split(logs[order], SPLITS if len(logs) >= LEAST_FOR_SPLITS else 1)
    return float(np.mean([_score(part) for part in parts]))


def _score(logs: Floats) -> float:
    p = np.exp(logs)
    mean = np.log(np.maximum(p.mean(axis=0), 1e-300))
    return float(np.exp((p * (logs - mean)).sum(axis=1).mean()))


def _log_softmax(logits: Floats) -> Floats:
    top = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(top - np.log(np.exp(top).sum(axis=1, keepdims=True)))


def kernel_distance(made: Floats, real: Floats) -> float:
    """KID (Binkowski et al. 2018): unbiased squared MMD of features (N, D) and (M, D), kernel (x.y / D + 1)^3.

    0 when both come from one distribution; being unbiased, it may be a little below 0. All images are used rather
    than random subsets of them, which has the same mean and less noise. Two of each at least: ValueError.
    """
    n, m = len(made), len(real)
    if n < 2 or m < 2:
        raise ValueError(f"KID: expected at least 2 images on each side, got {n} and {m}")
    x, y = np.asarray(made, np.float64), np.asarray(real, np.float64)
    within = [(_kernel(a, a).sum() - np.trace(_kernel(a, a))) / (len(a) * (len(a) - 1)) for a in (x, y)]
    return float(within[0] + within[1] - 2 * _kernel(x, y).mean())


def _kernel(a: Floats, b: Floats) -> Floats:
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3)


def cluster_by_nearest(to_centres: Floats, seed: int = 0) -> list[list[int]]:
    """Which images belong to each centre: distances (N, C) to C lists of image numbers, each image at its nearest.

    At most PER_CLUSTER of each, drawn by the seed.
    """
    nearest = np.asarray(to_centres).argmin(axis=1)
    found = []
    for centre in range(to_centres.shape[1]):
        members = np.flatnonzero(nearest == centre)
        if len(members) > PER_CLUSTER:
            members = np.sort(numpy_rng(seed, "clusters", centre).permutation(members)[:PER_CLUSTER])
        found.append([int(k) for k in members])
    return found


def mean_intra_cluster_distance(within: Sequence[Floats]) -> float | None:
    """Intra-cluster diversity: the mean over clusters of the mean distance of two different images in it.

    ``within`` holds a square matrix of distances for each cluster; clusters of fewer than two images don't count.
    None if none does. 0: all images of a cluster are the same.
    """
    means = []
    for matrix in within:
        n = len(matrix)
        if n >= 2:
            means.append((np.asarray(matrix, np.float64).sum() - np.trace(matrix)) / (n * (n - 1)))
    return float(np.mean(means)) if means else None
