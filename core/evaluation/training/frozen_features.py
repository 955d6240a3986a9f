"""Frozen ImageNet features of a photo at three scales: ResNet-18's first blocks where its weights are, else packaged.

Needs no torch until a photo is looked at.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from core.errors import Unavailable
from core.features.extract import FEATURES, LAYERS, Scales, scale_features
from core.images.geometry import resized
from core.types import Image

PackedScales = npt.NDArray[np.float16]
"""float16 (h, w, C): all scales as one map of the finest one's size; see ``pack_scales``."""

TrunkName = Literal["efficientnet", "resnet18"]
WEIGHTS = "resnet18"
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_lock = threading.Lock()


@dataclass(frozen=True)
class FrozenTrunk:
    """``see(photo, side)`` gives maps float32 (side/4, side/4, c_1), (side/8, ..., c_2), (side/16, ..., c_3) of the
    photo stretched to ``side`` x ``side``; ``channels`` are c_j, ``kind`` says which features they are."""

    name: TrunkName
    kind: str
    channels: tuple[int, int, int]
    scale_features: Callable[[Image, int], Scales]


def trunk(wanted: str) -> FrozenTrunk:
    """``efficientnet``, ``resnet18``, or ``auto``: the paper's ResNet-18 where its weights are, else the other.

    Unavailable for ResNet-18 without its weights.
    """
    from core.evaluation.training.classifier import FILES, weights_file

    there = weights_file(WEIGHTS) is not None
    if wanted == "resnet18" and not there:
        raise Unavailable(
            f"features resnet18: {FILES[WEIGHTS]} (from download.pytorch.org/models) is neither in the folder of "
            "models nor in torch's; fetch it, or take trunk=efficientnet"
        )
    if wanted == "efficientnet" or (wanted == "auto" and not there):
        return FrozenTrunk("efficientnet", FEATURES, (LAYERS[0], LAYERS[1], LAYERS[2]), scale_features)
    return FrozenTrunk(
        "resnet18", "resnet18 imagenet blocks 1 to 3", (64, 128, 256), lambda i, s: resnet_features(_resnet(), i, s)
    )


@cache
def _resnet() -> Any:
    from core.evaluation.training.classifier import resnet, weights_file

    return resnet(WEIGHTS, 1000, weights_file(WEIGHTS), 0).eval()


def resnet_features(network: Any, image: Image, side: int) -> Scales:
    """The outputs of blocks 1 to 3 of a torchvision ResNet."""
    import torch

    photo = torch.from_numpy(resized(image, (side, side), "linear").astype(np.float32) / 255)
    x = ((photo - torch.tensor(_MEAN)) / torch.tensor(_STD)).permute(2, 0, 1)[None]
    found = []
    with torch.inference_mode(), _lock:
        x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
        for block in (network.layer1, network.layer2, network.layer3):
            x = block(x)
            found.append(x[0].permute(1, 2, 0).numpy().copy())
    return found[0], found[1], found[2]


def pack_scales(scales: Scales) -> PackedScales:
    """All scales as one map of the finest one's size: each 2x2 (4x4) cells hold the channels of one coarser cell.

    The inverse of torch's pixel_unshuffle by 2 and by 4. ValueError where a depth is no multiple of 4 or 16.
    """
    parts = []
    for j, scale in enumerate(scales):
        r = 2**j
        h, w, c = scale.shape
        if c % r**2:
            raise ValueError(f"scale {j + 1}: expected a multiple of {r**2} channels, got {c}")
        cells = scale.reshape(h, w, c // r**2, r, r).transpose(0, 3, 1, 4, 2)
        parts.append(cells.reshape(h * r, w * r, c // r**2))
    return np.concatenate(parts, axis=2).astype(np.float16)
