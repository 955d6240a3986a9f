"""Does clustering find the defect types again that were given as one label?

The labels of a folder of real anomalies are hidden, its regions are clustered, and the clusters are held against the
labels: adjusted Rand index, 1 is the same grouping and 0 is chance.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Unavailable
from core.images import read_image, read_mask
from core.methods.gaa.clustering import (
    CLUSTERING_PRESETS,
    ClusteringPreset,
    RegionDescriptors,
    cluster_regions,
    describe_regions,
    features_name,
)
from core.methods.gaa.clustering.clusters import GroupNumbers, Vectors
from core.methods.gaa.clustering.kmeans_rounds import MOST, kmeans, mean_silhouette
from core.types import GOOD, AnomalyExample

SETS = ("deep_pcb", "magnetic_tile")
HEADLINE: tuple[str, ClusteringPreset] = ("deep_pcb", "flawsmith")
"""What ``amfc_ari`` and ``kmeans_ari`` are about: six defects of printed circuit boards, twelve of each."""
SEEDS = 5
ONE_LABEL = "defect"


def measure_clusters(quick: bool = False, presets: Sequence[ClusteringPreset] = CLUSTERING_PRESETS) -> dict[str, Any]:
    """``amfc_ari`` and ``kmeans_ari`` (see HEADLINE), and under ``clusters`` the same per set and preset.

    Unavailable if FLAWSMITH_DATA does not name the folder of real photos.
    """
    found: dict[str, Any] = {}
    for name, folder in folders().items():
        examples, labels = read_as_one_label(folder, 6 if quick else None)
        found[name] = {
            p: agreement_with_labels(describe_regions(examples, p), labels, 2 if quick else SEEDS) for p in presets
        }
    first = found.get(HEADLINE[0], {}).get(HEADLINE[1], {})
    return {**{key: first[key] for key in ("amfc_ari", "kmeans_ari") if key in first}, "clusters": found}


def agreement_with_labels(described: RegionDescriptors, labels: Sequence[str], seeds: int) -> dict[str, Any]:
    """Medians over ``seeds``: AMFC, and plain KMeans on the same features in three forms.

    ``kmeans_ari``: every column brought to the same spread, the number of clusters told, which AMFC has to find;
    ``kmeans_own_k_ari``: the number with the best silhouette instead. ``told_k_ari``: KMeans on AMFC's own weighted
    vectors, the number told, so that what the weights and what the choice of k are worth can be read apart.
    """
    from sklearn.metrics import adjusted_rand_score

    plain, true_k = _concatenated_features(described), len(set(labels))
    rows: dict[str, list[float]] = {k: [] for k in ("amfc", "kmeans", "kmeans_own_k", "told_k")}
    counts = []
    for seed in range(seeds):
        made = cluster_regions(described, ONE_LABEL, seed)
        groups = {
            "amfc": made.groups,
            "kmeans": kmeans(plain, true_k, seed),
            "kmeans_own_k": _kmeans_best_k(plain, seed),
            "told_k": kmeans(made.vectors, true_k, seed),
        }
        for key, value in groups.items():
            rows[key].append(float(adjusted_rand_score(list(labels), value)))
        counts.append(len(made.clusters))
    return {
        **{f"{key}_ari": round(statistics.median(values), 3) for key, values in rows.items()},
        "amfc_ari_range": [round(min(rows["amfc"]), 3), round(max(rows["amfc"]), 3)],
        "k": counts,
        "true_k": true_k,
        "regions": len(labels),
        "features": features_name(described.preset),
    }


def read_as_one_label(folder: Path, each: int | None = None) -> tuple[list[AnomalyExample], list[str]]:
    """The anomalies of a folder in MVTec AD layout as one label, at most ``each`` of a type, and their true labels."""
    examples, labels = [], []
    for kind in sorted(p.name for p in (folder / "test").iterdir() if p.is_dir() and p.name != GOOD):
        for path in sorted((folder / "test" / kind).glob("*.png"))[:each]:
            mask = read_mask(folder / "ground_truth" / kind / f"{path.stem}_mask.png")
            examples.append(AnomalyExample(f"{kind}/{path.stem}", ONE_LABEL, read_image(path), (mask,)))
            labels.append(kind)
    return examples, labels


def folders() -> dict[str, Path]:
    """The sets that are there; Unavailable if none is."""
    given = os.environ.get("FLAWSMITH_DATA")
    found = {name: Path(given) / name for name in SETS if (Path(given) / name / "test").is_dir()} if given else {}
    if not found:
        raise Unavailable(
            f"bench few-shot: set FLAWSMITH_DATA to a folder with {' or '.join(SETS)} in MVTec AD layout to measure"
        )
    return found


def _concatenated_features(described: RegionDescriptors) -> Vectors:
    from sklearn.preprocessing import StandardScaler

    columns = np.concatenate(list(described.parts.values()), axis=1)
    return np.asarray(StandardScaler().fit_transform(columns), np.float32)


def _kmeans_best_k(vectors: Vectors, seed: int) -> GroupNumbers:
    tried = [kmeans(vectors, k, seed) for k in range(2, min(MOST, len(vectors) // 2) + 1)]
    return max(tried, key=lambda groups: mean_silhouette(vectors, groups))
