"""Can a classifier tell edited photos from untouched ones by the background about the missing part?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from core.bench.edits.measures import telea
from core.bench.edits.twins import EditTwin
from core.features.extract import patch_features
from core.images.geometry import mask_box
from core.types import Image, Mask

AROUND = 24 / 512
"""Sides of the photo around the change that the classifier sees."""
RIDGES = (1.0, 10.0, 100.0, 1000.0)
"""Regularisations of the classifier, of which the training half chooses one, each photo left out once."""
TURNS = 4
"""How often the twins are parted into halves; each time both halves test what the other trained."""


@dataclass(frozen=True)
class BlindPair:
    """Features float32 (n,) of the place of one twin's missing part, for each way that it was emptied and in truth."""

    edits: Mapping[str, np.ndarray]
    true: np.ndarray


def blind_pair(twin: EditTwin, edits: Mapping[str, Image]) -> BlindPair:
    """The twin's place in truth, in each of ``edits`` and as OpenCV's Telea fills it."""
    filled = {**edits, "telea": telea(twin.photo.pixels, twin.changed)}
    return BlindPair(
        {name: _seen(image, twin.changed) for name, image in filled.items()}, _seen(twin.true, twin.changed)
    )


def blind_figures(found: Iterable[BlindPair], seed: int = 0) -> dict[str, float]:
    """Share of held-out photos, edited or untouched, of which a classifier says rightly which they are; 0.5 is chance.

    ``twins``, and one figure for each way of emptying. Half of the twins train it, the other half tests it.
    """
    pairs = list(found)
    out: dict[str, float] = {"twins": float(len(pairs))}
    if len(pairs) < 4:
        return out
    for name in pairs[0].edits:
        rng = np.random.default_rng([seed, len(pairs)])
        right = [_halves(pairs, name, rng) for _ in range(TURNS)]
        out[name] = round(float(np.mean(right)), 3)
    return out


def _halves(pairs: list[BlindPair], name: str, rng: np.random.Generator) -> float:
    """Share told rightly when either half of the twins tests what the other trained."""
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    order = rng.permutation(len(pairs))
    halves = order[: len(pairs) // 2], order[len(pairs) // 2 :]
    right = []
    for train, test in (halves, halves[::-1]):
        model = make_pipeline(StandardScaler(), RidgeClassifierCV(RIDGES))
        model.fit(*_rows(pairs, train, name))
        seen, is_edit = _rows(pairs, test, name)
        right.append(float(np.mean(model.predict(seen) == is_edit)))
    return float(np.mean(right))


def _rows(pairs: list[BlindPair], chosen: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    few = [pairs[int(i)] for i in chosen]
    return np.stack([*(p.edits[name] for p in few), *(p.true for p in few)]), np.repeat([True, False], len(few))


def _seen(image: Image, changed: Mask) -> np.ndarray:
    """Mean and deviation of each feature over the place of the change and what is about it."""
    box = mask_box(changed, pad=max(8, round(AROUND * max(image.shape[:2]))))
    maps = patch_features(np.ascontiguousarray(image[box]), stride=4, longest=None)
    flat = maps.reshape(-1, maps.shape[-1])
    return np.concatenate([flat.mean(axis=0), flat.std(axis=0)])
