"""Who looks at the images: the published networks where their weights are, and the packaged stand-in always.

Their numbers bear different names and are never mixed: ``inception_score``, ``kid``, ``ic_lpips`` are the published
ones, ``is_efflite``, ``kid_efflite``, ``ic_efflite`` those of EfficientNet-Lite0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from core import weights
from core.device import choose_device
from core.features.extract import class_features, patch_features
from core.types import Image, Mask

Floats = npt.NDArray[np.float32]
SIDE = 256
"""Images are brought to SIDE x SIDE (bilinear with smoothing) before any of the networks sees them."""

INCEPTION, LPIPS = "inception_fid", "vgg16_lpips"
"""Their rows of core.weights."""

_BATCH_SIZE = 64
"""Vectors of LPIPS kept in memory: one has 8 million numbers."""

_CHUNK = 1 << 14


@dataclass(frozen=True)
class ClassFeatureNetwork:
    """Sees whole images: ``see`` gives features (D,) and class logits (K,) of one at SIDE x SIDE."""

    score_metric: str
    distance_metric: str
    features_and_logits: Callable[[Image], tuple[Floats, Floats]]


@dataclass(frozen=True)
class PerceptualNetwork:
    """Compares images: the squared distance of two of ``see``'s vectors (D,) is how different they look."""

    metric: str
    embed: Callable[[Image], Floats]

    def distances(self, a: Sequence[Image], b: Sequence[Image], tick: Callable[[], None]) -> Floats:
        """float32 (len(a), len(b)) of images at SIDE x SIDE; ``tick`` is called for each image seen."""
        blocks = []
        for start in range(0, len(b), _BATCH_SIZE):
            block = self._embeddings(b[start : start + _BATCH_SIZE], tick)
            rows = []
            for image in a:
                tick()
                rows.append(squared_distances(self.embed(image)[None], block))
            blocks.append(np.concatenate(rows))
        return np.concatenate(blocks, axis=1)

    def pairwise_distances(self, images: Sequence[Image], tick: Callable[[], None]) -> Floats:
        """float32 (N, N): each image against each; all N vectors are in memory at once."""
        seen = self._embeddings(images, tick)
        return squared_distances(seen, seen)

    def _embeddings(self, images: Sequence[Image], tick: Callable[[], None]) -> Floats:
        rows = []
        for image in images:
            tick()
            rows.append(self.embed(image))
        return np.stack(rows)


def squared_distances(a: Floats, b: Floats) -> Floats:
    """Squared Euclidean distances float32 (N, M) of vectors (N, D) and (M, D), never below 0."""
    square = (a * a).sum(1, dtype=np.float64)[:, None] + (b * b).sum(1, dtype=np.float64)[None]
    product = np.zeros(square.shape)
    for start in range(0, a.shape[1], _CHUNK):  # sums of millions of float32 products lose digits
        product += a[:, start : start + _CHUNK] @ b[:, start : start + _CHUNK].T
    found = np.maximum(square - 2 * product, 0)
    # Where two vectors are the same the terms cancel but for rounding: far below what any metric shows.
    found[found < 1e-6 * square] = 0
    return np.asarray(found, np.float32)


def network_input(image: Image, mask: Mask | None = None) -> Image:
    """uint8 (SIDE, SIDE, 3); with a mask, black outside of it, as SeaS' IC-LPIPS(a) has it."""
    shown = image if mask is None else image * mask[..., None]
    small = Pillow.fromarray(np.ascontiguousarray(shown)).resize((SIDE, SIDE), Pillow.Resampling.BILINEAR)
    return np.asarray(small, np.uint8)


@dataclass(frozen=True)
class FeatureNetworks:
    """Those that are there, and a line for each published network that is not."""

    class_networks: tuple[ClassFeatureNetwork, ...]
    perceptual_networks: tuple[PerceptualNetwork, ...]
    missing: tuple[str, ...]


def find_networks(device: str = "auto") -> FeatureNetworks:
    """The stand-ins, and the published networks whose weights are on this machine. Unavailable: a broken file."""
    classes = [ClassFeatureNetwork("is_efflite", "kid_efflite", class_features)]
    looks = [PerceptualNetwork("ic_efflite", _efflite_embedding)]
    missing = []
    if (path := weights.find_weights(INCEPTION)) is not None:
        from core.evaluation.generation.inception_net import load

        classes.append(ClassFeatureNetwork("inception_score", "kid", _inception(load(path), device)))
    else:
        missing.append(_missing(INCEPTION, "Inception Score and KID", "is_efflite and kid_efflite"))
    if (path := weights.find_weights(LPIPS)) is not None:
        from core.evaluation.generation.lpips_net import load as load_lpips

        looks.append(PerceptualNetwork("ic_lpips", _lpips(load_lpips(path), device)))
    else:
        missing.append(_missing(LPIPS, "IC-LPIPS", "ic_efflite"))
    return FeatureNetworks(tuple(classes), tuple(looks), tuple(missing))


def _missing(name: str, metrics: str, instead: str) -> str:
    row = weights.weight_file(name)
    there = weights.models_dir() / row.file
    return (
        f"{metrics} left out: {row.file} ({row.size / 1e6:.0f} MB) is not on this machine. Run 'models fetch {name}', "
        f"or put the file from {row.url} at {there}. Reported instead under names of their own: {instead}."
    )


def _efflite_embedding(image: Image) -> Floats:
    # The squared distance of two is 1 - mean cosine over all places, in 0..2.
    features = patch_features(image, stride=16, longest=SIDE)
    places = features.shape[0] * features.shape[1]
    return np.asarray(features.ravel() / np.sqrt(2 * places), np.float32)


def _inception(network: Any, device: str) -> Callable[[Image], tuple[Floats, Floats]]:
    import torch

    where = choose_device(device)
    network = network.to(where)

    def see(image: Image) -> tuple[Floats, Floats]:
        with torch.inference_mode():
            x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].to(where)
            pooled, logits = network(x)
        return pooled[0].cpu().numpy(), logits[0].cpu().numpy()

    return see


def _lpips(network: Any, device: str) -> Callable[[Image], Floats]:
    import torch

    where = choose_device(device)
    network = network.to(where)

    def see(image: Image) -> Floats:
        with torch.inference_mode():
            x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].to(where)
            found: Floats = network(x.float() / 127.5 - 1)[0].cpu().numpy()
        return found

    return see
