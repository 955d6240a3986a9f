"""What a clustering is: groups of anomaly regions that look alike, with what is needed to regroup them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import InputError, NotFound
from core.lookup import named

Vectors = npt.NDArray[np.float32]
"""``float32 (N, D)``: one fused vector per region; Euclidean distance says how unlike two regions look."""
GroupNumbers = npt.NDArray[np.int64]
"""``int64 (N,)``: the number of each region's group, counted from 0."""


@dataclass(frozen=True)
class Cluster:
    """Regions that look alike.

    ``members`` are ids in the clustering's order. ``silhouette``, -1..1, is the mean over the members: near 1 they
    lie apart from all other clusters, below 0 they lie closer to another one; 0 for a lone member or a lone cluster.
    ``representative`` is the member with the least sum of distances to the others.
    """

    name: str
    members: tuple[str, ...]
    silhouette: float
    representative: str


@dataclass(frozen=True)
class ClusterCountTrial:
    """How good ``k`` clusters of some regions are: larger ``calinski_harabasz``, smaller ``davies_bouldin``.

    ``score`` is what the choice goes by, 0 (best) .. 1, comparable among the trials of one round only; ``agreement``,
    0..1, says how surely the least sure cluster comes back without a quarter of the regions (0: it was not asked).
    """

    k: int
    calinski_harabasz: float
    davies_bouldin: float
    score: float
    agreement: float = 0.0


@dataclass(frozen=True)
class ClusteringRound:
    """One call of KMeans: ``size`` regions became ``k`` clusters, the best of ``trials``."""

    size: int
    k: int
    trials: tuple[ClusterCountTrial, ...]


@dataclass(frozen=True)
class Clustering:
    """Clusters of N regions, the largest first at the start; a person's changes keep the order.

    ``features`` names what the vectors were made of, and vectors of different names are not comparable; ``weights``
    are the shares of the feature parts, which sum to 1; ``limit`` is the size above which a cluster was split again.
    ``edited`` says that a person has changed the clusters since, ``extra`` holds a file's keys of a newer version.
    """

    clusters: tuple[Cluster, ...]
    ids: tuple[str, ...]
    vectors: Vectors
    features: str
    preset: str
    seed: int
    weights: Mapping[str, float] = field(default_factory=dict)
    limit: float = float("inf")
    rounds: tuple[ClusteringRound, ...] = ()
    edited: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        vectors = np.array(self.vectors, np.float32)
        vectors.flags.writeable = False
        object.__setattr__(self, "vectors", vectors)
        if vectors.ndim != 2 or len(vectors) != len(self.ids):
            raise InputError(f"clusters: expected one vector for each of {len(self.ids)} regions, got {vectors.shape}")
        members = [m for c in self.clusters for m in c.members]
        if len(set(self.ids)) != len(self.ids) or sorted(members) != sorted(self.ids):
            raise InputError("clusters: expected every region in exactly one cluster, each with an id of its own")
        if len({c.name for c in self.clusters}) != len(self.clusters):
            raise InputError("clusters: expected a name of its own for each cluster")

    def __getitem__(self, name: str) -> Cluster:
        """The cluster called ``name``; NotFound names those there are."""
        return named({cluster.name: cluster for cluster in self.clusters}, name, "cluster")

    @property
    def names(self) -> tuple[str, ...]:
        """The clusters' names, in order."""
        return tuple(c.name for c in self.clusters)

    @property
    def groups(self) -> GroupNumbers:
        """The number of each region's cluster, in the order of ``ids``."""
        where = {m: k for k, c in enumerate(self.clusters) for m in c.members}
        return np.array([where[i] for i in self.ids], np.int64)

    def cluster_of(self, member: str) -> Cluster:
        """The cluster that region ``member`` is in; NotFound if it is in none."""
        for cluster in self.clusters:
            if member in cluster.members:
                return cluster
        raise NotFound(f"region {member!r} is in none of the clusters; cluster the label's examples again")


def build_clusters(
    vectors: Vectors, ids: Sequence[str], groups: npt.NDArray[Any], names: Sequence[str]
) -> tuple[Cluster, ...]:
    """Clusters number 0, 1, ... called ``names``, with silhouettes over all of ``vectors`` and representatives."""
    scores = silhouettes(vectors, groups)
    clusters = []
    for number, name in enumerate(names):
        at = np.flatnonzero(groups == number)
        members = tuple(ids[int(i)] for i in at)
        sums = distances(vectors[at]).sum(axis=1)
        central = members[int(np.argmin(np.round(sums, 6)))]
        clusters.append(Cluster(name, members, round(float(scores[at].mean()), 4), central))
    return tuple(clusters)


def silhouettes(vectors: Vectors, groups: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Each region's silhouette (Rousseeuw 1987), float64 (N,) in -1..1; all 0 with one group or N groups."""
    if not 2 <= len(np.unique(groups)) < len(groups):
        return np.zeros(len(groups))
    from sklearn.metrics import silhouette_samples

    return np.asarray(silhouette_samples(distances(vectors), groups, metric="precomputed"), np.float64)


def distances(vectors: Vectors) -> npt.NDArray[np.float64]:
    """Euclidean distances, float64 (N, N), exactly 0 on the diagonal and symmetric."""
    from scipy.spatial.distance import pdist, squareform

    if len(vectors) < 2:
        return np.zeros((len(vectors),) * 2)
    return np.asarray(squareform(pdist(vectors.astype(np.float64))))
