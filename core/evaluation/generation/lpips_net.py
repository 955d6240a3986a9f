"""LPIPS with VGG16 as vectors: the squared distance of two vectors is the LPIPS distance of two images.

So every image passes the network once, however many it is compared with. Loaded only when it is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import Unavailable

_SLICES = ((0, 4), (4, 9), (9, 16), (16, 23), (23, 30))
"""Which of VGG16's layers make up each of the five maps that are compared."""


class LpipsVectors(nn.Module):
    """Images float (N, 3, H, W) in -1..1 to vectors (N, D)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """LPIPS(a, b) = sum_l mean_hw w_l . (a_l - b_l)^2, a_l of unit length (Zhang et al. 2018, eq. 1)."""
        maps = self.network.net(self.network.scaling_layer(images))
        parts = []
        for features, layer in zip(maps, self.network.lins, strict=True):
            unit = features / torch.sqrt(1e-8 + features.square().sum(1, keepdim=True))
            weight = layer.model[-1].weight.clamp(min=0)
            places = features.shape[2] * features.shape[3]
            parts.append((unit * (weight / places).sqrt()).flatten(1))
        return torch.cat(parts, 1)


def load(path: Path) -> LpipsVectors:
    """VGG16's ImageNet weights from the file; LPIPS' own few come with torchmetrics. Unavailable if they don't fit."""
    from torchmetrics.functional.image.lpips import _LPIPS

    network = _LPIPS(net="vgg", pnet_rand=True)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        renamed = {
            f"slice{k + 1}.{n}.{what}": state[f"features.{n}.{what}"]
            for k, (first, end) in enumerate(_SLICES)
            for n in range(first, end)
            for what in ("weight", "bias")
            if f"features.{n}.{what}" in state
        }
        network.net.load_state_dict(renamed)
    except Exception as error:  # a broken file fails in many ways, all with the same cure
        raise Unavailable(
            f"{path}: not the VGG16 weights that LPIPS needs; delete it and run 'models fetch vgg16_lpips'"
        ) from error
    return LpipsVectors(network)
