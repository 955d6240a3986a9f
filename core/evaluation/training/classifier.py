"""Networks that name an anomaly: torchvision's ResNets on the photo, or a linear layer on frozen features."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.device import derive_seed, numpy_rng, torch_generator
from core.errors import Unavailable
from core.evaluation.training.precision import PrecisionStep
from core.features.extract import patch_features
from core.images.geometry import resized
from core.types import Image
from core.weights import file_sha256, models_dir

FILES = {"resnet34": "resnet34-b627a593.pth", "resnet18": "resnet18-f37072fd.pth"}
"""torchvision's ImageNet weights, named by the start of their sha256; from download.pytorch.org/models."""

_FEATURE_SIDE = 256
_SCORING_BATCH_SIZE = 32


@dataclass(frozen=True)
class ClassifierInputs:
    """Photos as a network takes them: uint8 (N, side, side, 3), or float32 (N, D) features."""

    values: Tensor

    def batch(self, rows: Tensor | slice, device: torch.device) -> Tensor:
        """Rows as float tensors on ``device``; photos as (B, 3, side, side) in 0..1, as published not normalised."""
        values = self.values[rows].to(device)
        return values.permute(0, 3, 1, 2).float().div_(255) if values.dtype == torch.uint8 else values


def photo_inputs(images: Iterator[Image], side: int) -> ClassifierInputs:
    """Photos stretched to ``side`` x ``side``."""
    return ClassifierInputs(torch.from_numpy(np.stack([resized(image, (side, side), "linear") for image in images])))


def feature_inputs(images: Iterator[Image]) -> ClassifierInputs:
    """The mean and the maximum over the photo of each of core.features.extract' channels, float32 (N, 352)."""
    rows = []
    for image in images:
        found = patch_features(resized(image, (_FEATURE_SIDE, _FEATURE_SIDE), "linear"), 8).reshape(
            _FEATURE_SIDE**2 // 64, -1
        )
        rows.append(np.concatenate((found.mean(axis=0), found.max(axis=0))))
    return ClassifierInputs(torch.from_numpy(np.stack(rows)))


def weights_file(network: str) -> Path | None:
    """The ImageNet weights of a ResNet, in the folder of models or in torch's own; None if they are not there."""
    folders = (models_dir(), Path(torch.hub.get_dir()) / "checkpoints")
    return next((folder / FILES[network] for folder in folders if (folder / FILES[network]).is_file()), None)


def resnet(network: str, classes: int, weights: Path | None, seed: int) -> nn.Module:
    """A ResNet with a new last layer of ``classes`` outputs; Unavailable if the weights are broken."""
    from torchvision import models

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "classifier"))
        built: Any = getattr(models, network)(weights=None)
        if weights is not None:
            _load(built, weights)
        built.fc = nn.Linear(built.fc.in_features, classes)
    whole: nn.Module = built
    return whole


def _load(network: nn.Module, path: Path) -> None:
    wanted = path.stem.rpartition("-")[2]
    if not file_sha256(path).startswith(wanted):
        raise Unavailable(f"{path}: its content is not what its name says (sha256 {wanted}…); fetch it again")
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise Unavailable(f"{path}: the weights can't be read; fetch the file again") from error


def linear(inputs: ClassifierInputs, classes: int, seed: int) -> nn.Module:
    """A linear layer behind features brought to mean 0 and deviation 1 over the training set ``inputs``."""
    width = inputs.values.shape[1]
    scale = nn.BatchNorm1d(width, affine=False)
    # The set's own moments, once and for all: in evaluation mode the layer is then a fixed scaling.
    scale.running_mean = inputs.values.mean(0)
    scale.running_var = inputs.values.var(0, unbiased=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "classifier"))
        last = nn.Linear(width, classes)
    return nn.Sequential(scale, last)


def train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: PrecisionStep,
    inputs: ClassifierInputs,
    labels: Tensor,
    *,
    batch: int,
    passes: int,
    rng_key: tuple[int, int],
    each: Callable[[int, float], None],
) -> None:
    """``passes`` passes over the set in fresh orders; ``each(batches done, loss)`` after every batch, and may raise.

    ``rng_key`` is (seed, epoch). Scaling layers of a frozen trunk stay as they are; a ResNet's adapt.
    """
    network.train(not isinstance(network, nn.Sequential))
    generator = torch_generator(derive_seed(rng_key[0], "epoch", rng_key[1]))
    order = torch.cat([torch.randperm(len(labels), generator=generator) for _ in range(passes)])
    # Batch norm cannot learn from one photo alone.
    rows = [part for part in torch.split(order, batch) if len(part) > 1 or batch == 1]
    for done, part in enumerate(rows, 1):
        with step.autocast():
            logits = network(inputs.batch(part, step.device))
        loss = nn.functional.cross_entropy(logits.float(), labels[part].to(step.device))
        step.optimize(loss, optimizer)
        each(done, float(loss.detach()))


def batches_per_epoch(count: int, batch: int, passes: int) -> int:
    """How many batches an epoch has."""
    whole, rest = divmod(count * passes, batch)
    return whole + (rest > 1 or (rest == 1 and batch == 1))


@torch.inference_mode()
def predictions(network: nn.Module, step: PrecisionStep, inputs: ClassifierInputs) -> np.ndarray:
    """The most likely class of each row, int64 (N,)."""
    network.eval()
    found = []
    for start in range(0, len(inputs.values), _SCORING_BATCH_SIZE):
        with step.autocast():
            logits = network(inputs.batch(slice(start, start + _SCORING_BATCH_SIZE), step.device))
        found.append(logits.float().argmax(1).cpu().numpy())
    return np.concatenate(found)


def capped(labels: Sequence[int], most: int, seed: int) -> list[int]:
    """Places of at most ``most`` rows of each label, drawn once from ``seed``, in their order."""
    kept: list[int] = []
    for label in sorted(set(labels)):
        places = [i for i, own in enumerate(labels) if own == label]
        if len(places) > most:
            places = [places[i] for i in numpy_rng(seed, "cap", label).permutation(len(places))[:most]]
        kept += places
    return sorted(kept)
