"""Adaptive multi-round feature clustering (GAA, AMFC): a coarse label's regions into groups that look alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core.device import derive_seed
from core.errors import Cancelled, InputError
from core.methods.gaa.clustering.clusters import Clustering, build_clusters
from core.methods.gaa.clustering.descriptors import (
    ClusteringPreset,
    check_clustering_preset,
    describe_region,
    features_name,
)
from core.methods.gaa.clustering.feature_fusion import fuse_features
from core.methods.gaa.clustering.kmeans_rounds import MOST, split_in_rounds
from core.progress import Steps, unwatched
from core.types import AnomalyExample, check_label


@dataclass(frozen=True)
class RegionDescriptors:
    """N regions in parts of numbers: ``parts`` are float64 (N, d) by name, in the order of ``ids``."""

    ids: tuple[str, ...]
    parts: Mapping[str, npt.NDArray[np.float64]]
    preset: ClusteringPreset
    features: str


def describe_regions(
    examples: Sequence[AnomalyExample],
    preset: ClusteringPreset = "flawsmith",
    progress: Steps = unwatched,
    cancelled: Callable[[], bool] = lambda: False,
) -> RegionDescriptors:
    """Describe each example's mask, the slow half of clustering: about 0.1 s of one core per region.

    InputError if there is no example or two have one id; Cancelled; else as describe.
    """
    check_clustering_preset(preset)
    ids = tuple(e.id for e in examples)
    if not ids:
        raise InputError("clusters: expected at least one example with a mask, got none; import or draw some first")
    if len(set(ids)) != len(ids):
        double = next(i for i in ids if ids.count(i) > 1)
        raise InputError(f"clusters: example {double!r} was given twice; give each region once")
    rows = []
    for done, example in enumerate(examples):
        if cancelled():
            raise Cancelled("clustering was stopped")
        progress(done, len(ids))
        rows.append(describe_region(example.pixels, example.mask, preset))
    progress(len(ids), len(ids))
    parts = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return RegionDescriptors(ids, parts, preset, features_name(preset))


def cluster_regions(
    described: RegionDescriptors, label: str = "cluster", seed: int = 0, most: int = MOST
) -> Clustering:
    """Clusters ``<label>_1``, ``<label>_2``, ... by falling size, at most ``most`` from one round of KMeans.

    Fewer than 4 regions are one cluster. The same regions, seed and preset give the same clusters.
    """
    if most < 2:
        raise InputError(f"most: expected 2 clusters or more, got {most}")
    name = check_label(label)
    vectors, weights = fuse_features(described.parts, derive_seed(seed, "fuse"))
    groups, limit, rounds = split_in_rounds(vectors, derive_seed(seed, "rounds"), described.preset, most)
    names = [f"{name[:60]}_{n}" for n in range(1, int(groups.max()) + 2)]
    clusters = build_clusters(vectors, described.ids, groups, names)
    return Clustering(
        clusters, described.ids, vectors, described.features, described.preset, seed, weights, limit, rounds
    )


def cluster_examples(
    examples: Sequence[AnomalyExample],
    preset: ClusteringPreset = "flawsmith",
    label: str = "cluster",
    seed: int = 0,
    most: int = MOST,
    progress: Steps = unwatched,
    cancelled: Callable[[], bool] = lambda: False,
) -> Clustering:
    """Describe and cluster in one call; see describe_regions and cluster for errors."""
    return cluster_regions(describe_regions(examples, preset, progress, cancelled), label, seed, most)


def examples_in_cluster(
    clustering: Clustering, name: str, examples: Sequence[AnomalyExample]
) -> tuple[AnomalyExample, ...]:
    """Those of ``examples`` that are in cluster ``name``, with its name for a label: what a concept learns from."""
    members = set(clustering[name].members)
    found = tuple(replace(e, label=check_label(name)) for e in examples if e.id in members)
    if missing := members - {e.id for e in found}:
        raise InputError(f"cluster {name!r}: region {sorted(missing)[0]!r} is not among the examples; cluster again")
    return found
