"""Parts of a description brought to one scale, weighed and put side by side.

The paper says "adaptively weighted" and no more. Here every part is first given the same mean square length; then its
share of the squared distance is set by how well it groups the regions on its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from core.methods.gaa.clustering.clusters import Vectors
from core.methods.gaa.clustering.descriptors import FeaturePart
from core.methods.gaa.clustering.kmeans_rounds import kmeans, mean_silhouette

_TRIED = range(2, 9)
_FLOOR = 0.1
"""A part whose best grouping has a lower silhouette is weighed as if it had this: none is ever silenced."""


def fuse_features(parts: Mapping[str, npt.NDArray[np.float64]], seed: int) -> tuple[Vectors, dict[str, float]]:
    """float32 (N, D) of parts (N, d) each, and their weights, which sum to 1.

    A part's weight is its best mean silhouette over KMeans with 2 to 8 clusters of that part alone, divided by the
    sum; its columns are multiplied by the root of it, so that the weight is its share of the total variance. A part in
    which no two regions differ gets none.
    """
    levelled = {name: standardized_part(name, values) for name, values in parts.items()}
    merit = {name: _merit(values, seed) for name, values in levelled.items()}
    total = sum(merit.values()) or 1.0
    weights = {name: value / total for name, value in merit.items()}
    columns = [values * np.sqrt(weights[name]) for name, values in levelled.items()]
    return np.concatenate(columns, axis=1).astype(np.float32), {n: round(w, 4) for n, w in weights.items()}


def standardized_part(name: str, values: FeaturePart) -> FeaturePart:
    """Part (N, d) around its mean, with mean square length 1.

    Columns of hand-made parts, which have units of their own, are brought to the same spread first; a network's
    channels keep theirs, since a channel that hardly moves says little.
    """
    centred = values - values.mean(axis=0)
    if not name.startswith("layer_"):
        spread = centred.std(axis=0)
        centred = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-9)
    length = np.sqrt(np.mean(np.sum(centred**2, axis=1)))
    return np.asarray(centred / length) if length > 1e-9 else np.zeros_like(centred)


def _merit(values: FeaturePart, seed: int) -> float:
    distinct = len(np.unique(np.round(values, 6), axis=0))
    if distinct < 2:
        return 0.0
    vectors = values.astype(np.float32)
    found = [
        mean_silhouette(vectors, kmeans(vectors, k, seed, 5)) for k in _TRIED if k < min(distinct + 1, len(vectors))
    ]
    return max([_FLOOR, *found])
