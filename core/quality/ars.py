"""Does the mask hold something that does not belong there? GAA's anomaly region score.

A small discriminator learns what the product's good photos look like, patch by patch, and says of any photo
where it looks otherwise. It needs no anomaly to learn from. Torch is loaded only where one is trained.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from core.device import derive_seed, numpy_rng, torch_generator
from core.errors import Cancelled, InputError, MaskError, NotFound
from core.features.extract import CHANNELS, FEATURES, patch_features
from core.images import atomic_write, read_image
from core.progress import Steps
from core.stored import StoredFormat
from core.types import Image, Mask, check_image, check_mask

if TYPE_CHECKING:
    from torch import Tensor, nn

Floats = npt.NDArray[np.float32]
Wide = npt.NDArray[np.float64]

STRIDE = 8
LONGEST = 512
"""Cells of the score map are STRIDE pixels of the photo shrunk to a longer side of LONGEST."""

MARGIN = 0.5
"""th+ and th- of the loss (GAA, appendix B.2)."""

SIGMA = 1.2
"""Strength of the noise in units of the normals' own spread."""

FOLDS = 5
"""Parts of the patches of which each is adapted by what the others say."""

MAX_PHOTOS = 240
MAX_VECTORS = 120_000
"""More photos or patches than this are sampled: they add seconds and no knowledge."""

_HIDDEN = 32
_STEPS = 120
_BATCH = 512
_RATE = 2e-3
_DECAY = 1e-5
_FLOOR = 1e-3
_SLOPE = 0.2
_FORMAT = StoredFormat("discriminator")
_PROGRESS_EVERY = 10


@dataclass(frozen=True)
class Discriminator:
    """A trained discriminator; every array float32 and read-only.

    Patch feature f (D,) -> adapted feature q = (f - mean) @ adaptor -> squares q*q -> two linear layers with a
    leaky ReLU between them -> D(q), about +0.5 and more on good patches, -0.5 and less on anomalous ones.
    """

    mean: Floats
    adaptor: Floats
    hidden: Floats
    hidden_bias: Floats
    out: Floats
    out_bias: Floats
    seed: int = 0

    def score_map(self, image: Image) -> Floats:
        """float32 (H, W) in 0..1 of an image uint8 (H, W, 3): 0 looks good, 1 looks anomalous, 0.5 is the border.

        ``clip(1/2 - D / (2 MARGIN), 0, 1)`` for each patch, upsampled (bilinear) to the image's pixels. ImageError if
        the image is smaller than 32 pixels a side.
        """
        return upsampled(self.patch_scores(image), (image.shape[0], image.shape[1]))

    def patch_scores(self, image: Image) -> Floats:
        """The same as ``score_map`` before it is upsampled: float32 (h, w), small enough to keep for many photos."""
        features = patch_features(check_image(image), STRIDE, LONGEST)
        h, w = features.shape[:2]
        return self._patch_scores(features.reshape(h * w, CHANNELS)).reshape(h, w)

    def _patch_scores(self, features: Floats) -> Floats:
        q = (features - self.mean) @ self.adaptor
        hidden = (q * q) @ self.hidden + self.hidden_bias
        logits = np.where(hidden > 0, hidden, _SLOPE * hidden) @ self.out + self.out_bias
        return np.asarray(np.clip(0.5 - logits[:, 0] / (2 * MARGIN), 0, 1), np.float32)

    def save(self, path: Path) -> Path:
        """Write one safetensors file, whole or not at all, and return its path."""
        from safetensors.numpy import save

        about = json.dumps(_FORMAT.stamped({"features": FEATURES, "seed": self.seed}))
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {name: np.ascontiguousarray(getattr(self, name)) for name in _SHAPES}
        atomic_write(path, save(tensors, metadata={"about": about}))
        return path

    @classmethod
    def load(cls, path: Path) -> Discriminator:
        """What ``save`` wrote; NotFound; InputError if it is something else or on other features; NewerFormat."""
        from safetensors import SafetensorError, safe_open

        if not path.is_file():
            raise NotFound(f"{path}: there is no such file; train the discriminator first")
        try:
            with safe_open(path, "numpy") as file:
                about = _FORMAT.parse((file.metadata() or {}).get("about", "{}"), str(path))
                arrays = {name: file.get_tensor(name) for name in file.keys()}
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(f"{path}: expected a discriminator that Flawsmith saved; train it again") from error
        if about.get("features") != FEATURES or {name: a.shape for name, a in arrays.items()} != _SHAPES:
            other = about.get("features", "something else")
            raise InputError(f"{path}: expected a discriminator on {FEATURES!r}, got {other!r}; train it again")
        if type(seed := about.get("seed")) is not int:
            raise InputError(f"{path}: expected the seed it was trained with, got {seed!r}; train it again")
        return cls(**{name: a.astype(np.float32) for name, a in arrays.items()}, seed=seed)


def upsampled(cells: Floats, shape: tuple[int, int]) -> Floats:
    """Cells float32 (h, w) of a photo of ``shape`` (H, W) as its score map float32 (H, W), bilinear."""
    height, width = shape
    shrunk = min(1.0, LONGEST / max(height, width))
    # Cells may reach beyond the photo's edge: stretch them to what they cover, then cut.
    size = (max(width, round(cells.shape[1] * STRIDE / shrunk)), max(height, round(cells.shape[0] * STRIDE / shrunk)))
    full = cv2.resize(cells, size, interpolation=cv2.INTER_LINEAR)[:height, :width]
    return np.ascontiguousarray(full, np.float32)


def anomaly_region_score(discriminator: Discriminator, image: Image, mask: Mask) -> float:
    """ARS of one pair, in 0..1: mean over the mask of what the discriminator sees there.

    ARS, score_map, mask <-> ARS, U(B_D(F(I_g))), M_Align (GAA, eq. 7): sum(S * M) / sum(M). 0: nothing in the mask
    looks anomalous; 1: all of it clearly does. Anomalous pixels outside the mask neither help nor hurt.
    MaskError if the mask is empty or of another size.
    """
    return region_score(discriminator.score_map(image), mask)


def region_score(scores: Floats, mask: Mask) -> float:
    """Mean of a score map float (H, W) over the bool (H, W) mask: eq. 7 for a map that is there already."""
    inside = check_mask(mask, (scores.shape[0], scores.shape[1]))
    if not inside.any():
        raise MaskError("anomaly region score: the mask is empty; score pairs that have an anomaly")
    return float(scores[inside].mean(dtype=np.float64))


def load_or_train_discriminator(
    photos: Sequence[Path],
    folder: Path,
    progress: Steps | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Discriminator:
    """The discriminator trained on these files (seed 0), trained now if ``folder`` does not hold it yet.

    The file's name is a digest of the features and of the photos' own names, so files must be named by their content
    as the store names them; another photo, or one less, is another discriminator. Errors as train_discriminator.
    """
    photos = sorted(photos, key=lambda photo: photo.name)
    names = "/".join(photo.name for photo in photos)
    path = folder / f"{hashlib.sha256(f'{FEATURES}/{names}'.encode()).hexdigest()[:16]}.safetensors"
    try:
        return Discriminator.load(path)
    except (NotFound, InputError):  # not there yet, or of another version
        found = train_discriminator(photos, 0, progress, cancelled)
        found.save(path)
        return found


def train_discriminator(
    normals: Sequence[Image | Path],
    seed: int = 0,
    progress: Steps | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Discriminator:
    """A discriminator of the product on ``normals``, photos of good parts (uint8 (H, W, 3) or files).

    Adapted features q of normal patches against q + n, n ~ N(0, SIGMA^2), with the margin loss
    ``max(0, th+ - D(q)) + max(0, th- + D(q + n))`` (SimpleNet, eq. 6; GAA, appendix B.2). Two things differ from
    SimpleNet because the patch features have length 1: its adaptor, a linear layer, is set to whiten the normals'
    features, and its discriminator sees their squares. Noise of one strength in every raw direction is told from
    normals by directions that no defect takes, and then says nothing about defects.

    Same photos and seed, same discriminator on one machine. ``progress(done, total)`` counts photos, then steps.
    At most MAX_PHOTOS photos are read, drawn by the seed. InputError without photos; Cancelled.
    """
    if not normals:
        raise InputError("anomaly region score: there are no photos of good parts to learn from; add some")
    rng = numpy_rng(seed, "ars")
    chosen = list(range(len(normals)))
    if len(chosen) > MAX_PHOTOS:
        chosen = sorted(rng.permutation(len(chosen))[:MAX_PHOTOS].tolist())
    total = len(chosen) + _STEPS // _PROGRESS_EVERY
    step = _stepper(total, progress, cancelled)
    quota = MAX_VECTORS // len(chosen)
    parts = []
    for done, k in enumerate(chosen):
        step(done)
        features = _features(normals[k])
        if len(features) > quota:
            features = features[rng.permutation(len(features))[:quota]]
        parts.append(features)
    vectors = np.concatenate(parts)
    mean, adaptor, adapted = _whitened(vectors)
    layers = _fit(adapted, seed, lambda k: step(len(chosen) + k))
    if progress is not None:
        progress(total, total)
    return Discriminator(mean, adaptor, *layers, seed=seed)


_SHAPES: dict[str, tuple[int, ...]] = {
    "mean": (CHANNELS,),
    "adaptor": (CHANNELS, CHANNELS),
    "hidden": (CHANNELS, _HIDDEN),
    "hidden_bias": (_HIDDEN,),
    "out": (_HIDDEN, 1),
    "out_bias": (1,),
}


def _features(photo: Image | Path) -> Floats:
    image = read_image(photo) if isinstance(photo, Path) else check_image(photo)
    return patch_features(image, STRIDE, LONGEST).reshape(-1, CHANNELS)


def _stepper(total: int, progress: Steps | None, cancelled: Callable[[], bool] | None) -> Callable[[int], None]:
    def step(done: int) -> None:
        if cancelled is not None and cancelled():
            raise Cancelled("learning the good photos was stopped")
        if progress is not None:
            progress(done, total)

    return step


def _whitened(vectors: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean (D,) and matrix (D, D) that give features of normals unit spread in every direction; and theirs, (N, D).

    Each of FOLDS parts is whitened by what the others say: a photo that taught the matrix lies closer to it than the
    next one will, the more so the fewer there are, and it is the next one that must look good.
    """
    wide = vectors.astype(np.float64)
    folds = np.array_split(wide, min(FOLDS, len(wide)))
    counts, sums = np.array([len(f) for f in folds]), np.array([f.sum(axis=0) for f in folds])
    squares = np.array([f.T @ f for f in folds])
    mean, roots, axes = _root(counts.sum(), sums.sum(axis=0), squares.sum(axis=0))
    parts = []
    for k, fold in enumerate(folds):
        rest = (counts.sum() - counts[k], sums.sum(axis=0) - sums[k], squares.sum(axis=0) - squares[k])
        there, root, own = _root(*rest) if rest[0] else (mean, roots, axes)
        # Symmetric, then turned to the axes of all, so that every fold's numbers mean the same.
        parts.append((fold - there) @ (own * root) @ own.T @ axes)
    seen = np.concatenate(parts)
    scale = np.maximum(seen.std(axis=0), 1.0)
    return (
        mean.astype(np.float32),
        np.asarray(axes * roots / scale, np.float32),
        np.asarray(seen / scale, np.float32),
    )


def _root(count: float, total: Wide, squares: Wide) -> tuple[Wide, Wide, Wide]:
    """Mean, 1 / spread along the main axes, and these axes as columns, from sums over ``count`` vectors."""
    mean = total / count
    spread, axes = np.linalg.eigh(squares / count - np.outer(mean, mean))
    # The floor keeps directions in which the photos at hand hardly differ from deciding everything.
    floor = max(float(spread[-1]) * _FLOOR, 1e-12)
    return mean, 1 / np.sqrt(np.maximum(spread, 0) + floor), axes


def _fit(adapted: Floats, seed: int, news: Callable[[int], None]) -> tuple[Floats, Floats, Floats, Floats]:
    """Train on adapted features (N, D); the layers with their batch norms folded in, as Discriminator takes them."""
    import torch
    from torch import nn

    rng = torch_generator(derive_seed(seed, "ars", "fit"))
    with torch.random.fork_rng(devices=[]):  # Linear draws its first values from the generator that all share
        first, last = nn.Linear(CHANNELS, _HIDDEN), nn.Linear(_HIDDEN, 1)
    for layer in (first, last):
        nn.init.xavier_normal_(layer.weight, generator=rng)
        nn.init.zeros_(layer.bias)
    before, after = nn.BatchNorm1d(CHANNELS), nn.BatchNorm1d(_HIDDEN)
    network = nn.Sequential(before, first, after, nn.LeakyReLU(_SLOPE), last)
    optimizer = torch.optim.Adam(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    q = torch.from_numpy(adapted)
    for k in range(_STEPS):
        if k % _PROGRESS_EVERY == 0:
            news(k // _PROGRESS_EVERY)
        good = q[torch.randint(len(q), (_BATCH,), generator=rng)]
        odd = good + SIGMA * torch.randn(good.shape, generator=rng)
        said = network(torch.cat([good, odd]).square())[:, 0]
        loss = (MARGIN - said[:_BATCH]).clamp(min=0).mean() + (MARGIN + said[_BATCH:]).clamp(min=0).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        scale, shift = _affine(before)
        scale2, shift2 = _affine(after)
        hidden = (first.weight * scale).T * scale2
        bias = (first.weight @ shift + first.bias) * scale2 + shift2
        return hidden.numpy(), bias.numpy(), last.weight.T.numpy().copy(), last.bias.numpy().copy()


def _affine(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """A trained batch norm as scale and shift."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return scale, norm.bias - norm.running_mean * scale
