"""Clusterings as JSON files, vectors included, so that a person's changes go on after a restart."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import InputError, NotFound
from core.images import atomic_write
from core.methods.gaa.clustering.clusters import Cluster, ClusterCountTrial, Clustering, Round

_FORMAT = 1


def save_clustering(path: Path, clustering: Clustering) -> None:
    """Write ``clustering`` to ``path``, whole or not at all; StoreError if the disk refuses."""
    atomic_write(path, to_json(clustering).encode())


def load_clustering(path: Path, features: str | None = None) -> Clustering:
    """What save_clustering wrote. NotFound, or InputError if it is broken or made of other than ``features``."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise NotFound(f"{path.name}: there is no such file of clusters in {path.parent}; cluster first") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: it cannot be read ({error}); delete it and cluster again") from error
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
        "format": _FORMAT,
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
    return json.dumps(record, sort_keys=True)


def from_json(text: str, name: str = "clusters") -> Clustering:
    """Inverse of to_json; InputError on anything else."""
    try:
        raw: dict[str, Any] = json.loads(text)
        if raw["format"] != _FORMAT:
            raise InputError(f"{name}: expected format {_FORMAT}, got {raw['format']}; cluster again")
        ids = tuple(raw["ids"])
        return Clustering(
            clusters=tuple(Cluster(**{**c, "members": tuple(c["members"])}) for c in raw["clusters"]),
            ids=ids,
            vectors=np.array(raw["vectors"], np.float32).reshape(len(ids), -1),
            features=raw["features"],
            preset=raw["preset"],
            seed=int(raw["seed"]),
            weights=raw["weights"],
            limit=math.inf if raw["limit"] is None else float(raw["limit"]),
            rounds=tuple(
                Round(r["size"], r["k"], tuple(ClusterCountTrial(**t) for t in r["trials"])) for r in raw["rounds"]
            ),
            edited=bool(raw.get("edited", False)),
        )
    except InputError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{name}: expected the JSON of a clustering, got {text[:40]!r}; cluster again") from error
