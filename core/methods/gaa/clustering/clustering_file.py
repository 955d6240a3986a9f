"""Clusterings as JSON files, vectors included, so that a person's changes go on after a restart."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import InputError, NotFound
from core.images import atomic_write
from core.methods.gaa.clustering.clusters import Cluster, Clustering, ClusteringRound
from core.stored import StoredFormat, read_record

FORMAT = StoredFormat("clustering")


def save_clustering(path: Path, clustering: Clustering) -> None:
    """Write ``clustering`` to ``path``, whole or not at all; StoreError if the disk refuses."""
    atomic_write(path, to_json(clustering).encode())


def load_clustering(path: Path, features: str | None = None) -> Clustering:
    """What save_clustering wrote. NotFound; NewerFormat; InputError if it is broken or not made of ``features``."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise NotFound(f"{path.name}: there is no such file of clusters in {path.parent}; cluster first") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: it cannot be read ({error}); cluster again, it is kept beside the new one"
        ) from error
    clustering = from_json(text, path.name)
    if features is not None and clustering.features != features:
        raise InputError(
            f"{path.name}: its clusters were made of {clustering.features!r}, here it would be {features!r}; "
            "cluster again"
        )
    return clustering


def to_json(clustering: Clustering) -> str:
    """One JSON object; equal clusterings are equal text, and from_json gives back the same vectors, bit for bit."""
    limit = None if math.isinf(clustering.limit) else clustering.limit
    record = {
        **clustering.extra,
        "features": clustering.features,
        "preset": clustering.preset,
        "seed": clustering.seed,
        "edited": clustering.edited,
        "limit": limit,
        "weights": dict(clustering.weights),
        "clusters": [asdict(c) for c in clustering.clusters],
        "rounds": [asdict(r) for r in clustering.rounds],
        "ids": list(clustering.ids),
        # Nine digits are a float32's own.
        "vectors": [[float(f"{x:.9g}") for x in row] for row in clustering.vectors],
    }
    return json.dumps(FORMAT.stamped(record), sort_keys=True)


def from_json(text: str, name: str = "clusters") -> Clustering:
    """Inverse of to_json; InputError, or NewerFormat, on anything else."""
    stored = read_record(_StoredClustering, FORMAT.parse(text, name), name)
    if len({len(row) for row in stored.vectors}) > 1:
        raise InputError(f"{name}: expected vectors of one length; cluster again")
    with np.errstate(over="ignore"):
        vectors = np.array(stored.vectors, np.float32).reshape(len(stored.vectors), -1)
    if not np.isfinite(vectors).all():
        raise InputError(f"{name}: expected finite vectors; cluster again")
    return Clustering(
        clusters=stored.clusters,
        ids=stored.ids,
        vectors=vectors,
        features=stored.features,
        preset=stored.preset,
        seed=stored.seed,
        weights=stored.weights,
        limit=math.inf if stored.limit is None else stored.limit,
        rounds=stored.rounds,
        edited=stored.edited,
        extra=stored.extra,
    )


@dataclass(frozen=True)
class _StoredClustering:
    """A clustering's file, key by key; ``limit`` is None where nothing was split again."""

    clusters: tuple[Cluster, ...]
    ids: tuple[str, ...]
    vectors: tuple[tuple[float, ...], ...]
    features: str
    preset: str
    seed: int
    weights: dict[str, float]
    limit: float | None
    rounds: tuple[ClusteringRound, ...]
    edited: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
