"""The Inception network that Inception Score and KID are published with: FID's, of 2015-12-05.

Torchvision's Inception v3 with the differences of that graph: 1,008 classes, average pools that leave the padding
out, a max pool in the last block, and TensorFlow 1's way of resizing. Loaded only when it is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.models import inception as blocks

from core.errors import Unavailable

SIDE = 299
CLASSES = 1008
FEATURES = 2048


def _average(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1, count_include_pad=False)


class _FidInceptionA(blocks.InceptionA):
    def _forward(self, x: Tensor) -> list[Tensor]:
        wide = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return [self.branch1x1(x), wide, double, self.branch_pool(_average(x))]


class _FidInceptionC(blocks.InceptionC):
    def _forward(self, x: Tensor) -> list[Tensor]:
        wide = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return [self.branch1x1(x), wide, double, self.branch_pool(_average(x))]


class _FidInceptionE(blocks.InceptionE):
    def _pool(self, x: Tensor) -> Tensor:
        return _average(x)

    def _forward(self, x: Tensor) -> list[Tensor]:
        wide = self.branch3x3_1(x)
        wide = torch.cat([self.branch3x3_2a(wide), self.branch3x3_2b(wide)], 1)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        double = torch.cat([self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)], 1)
        return [self.branch1x1(x), wide, double, self.branch_pool(self._pool(x))]


class _FidInceptionLastE(_FidInceptionE):
    def _pool(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, kernel_size=3, stride=1, padding=1)


class InceptionFID(blocks.Inception3):
    """Images uint8 (N, 3, H, W) to pooled features (N, 2048) and logits without bias (N, 1008)."""

    def __init__(self) -> None:
        super().__init__(num_classes=CLASSES, aux_logits=False, init_weights=False)
        for name, inputs, pool in (("Mixed_5b", 192, 32), ("Mixed_5c", 256, 64), ("Mixed_5d", 288, 64)):
            setattr(self, name, _FidInceptionA(inputs, pool_features=pool))
        for name, channels in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
            setattr(self, name, _FidInceptionC(768, channels_7x7=channels))
        self.Mixed_7b, self.Mixed_7c = _FidInceptionE(1280), _FidInceptionLastE(2048)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Any:
        x = (resize_like_tensorflow(images.float(), SIDE) - 128) / 128
        for name, child in self.named_children():
            if name not in ("avgpool", "dropout", "fc"):
                x = child(x)
        pooled = x.mean((2, 3))
        return pooled, pooled @ self.fc.weight.T


def resize_like_tensorflow(x: Tensor, side: int) -> Tensor:
    """Bilinear as TensorFlow 1 does it: output pixel k is read at k * size / side, no smoothing."""

    def taps(size: int) -> tuple[Tensor, Tensor, Tensor]:
        at = torch.arange(side, dtype=torch.float32, device=x.device) * (size / side)
        low = at.long()
        return low, (low + 1).clamp(max=size - 1), at - low

    top, bottom, down = taps(x.shape[2])
    left, right, across = taps(x.shape[3])
    upper, lower = x[:, :, top], x[:, :, bottom]
    upper = upper[..., left] + (upper[..., right] - upper[..., left]) * across
    lower = lower[..., left] + (lower[..., right] - lower[..., left]) * across
    return upper + (lower - upper) * down[:, None]


def load(path: Path) -> InceptionFID:
    """The network with the weights of the file; Unavailable if it holds anything else."""
    network = InceptionFID()
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a broken file fails in many ways, all with the same cure
        raise Unavailable(
            f"{path}: not the Inception weights that Inception Score and KID need; "
            "delete it and run 'models fetch inception_fid'"
        ) from error
    return network
