"""How many kinds of components there are, where nobody has said: clusters of what places on the photos look like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.features.extract import patch_features
from core.types import Image

PHOTOS, LONGEST = 6, 256
MOST = 9
"""Most clusters, the ground among them."""


def propose_component_count(photos: Sequence[Image]) -> int:
    """A proposal, 1 to MOST - 1: the number of clusters that are told apart best, less one for the ground.

    k-means over patch features (stride 16) of some photos; told apart by the mean silhouette (Rousseeuw 1987).
    Unavailable where the features are not installed.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    some = photos[:: max(1, len(photos) // PHOTOS)][:PHOTOS]
    places = [patch_features(photo, 16, LONGEST) for photo in some]
    rows = np.concatenate([found.reshape(-1, found.shape[-1]) for found in places])
    best, most = 2, -1.0
    for count in range(2, min(MOST, len(np.unique(rows, axis=0)) - 1) + 1):
        labels = KMeans(count, n_init=3, random_state=0).fit_predict(rows)
        apart = float(silhouette_score(rows, labels, sample_size=512, random_state=0))
        if apart > most:
            best, most = count, apart
    return best - 1
