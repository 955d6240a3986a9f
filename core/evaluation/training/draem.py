"""DRAEM's discriminative sub-network (Zavrtanik et al., ICCV 2021) and its focal loss: the papers' localizer.

Name here ↔ name in the released code: encoder ↔ block1..block6, lift ↔ up_b, up1..up4, merge ↔ db_b, db1..db4,
head ↔ fin_out. The papers on generated anomalies call it with 3 channels in (the photo alone; DRAEM itself adds its
reconstruction) and 2 out, and train it by the focal loss only: DRAEM's L2 and SSIM terms belong to the reconstructive
network, which is not used.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

DOWN = (1, 2, 4, 8, 8, 8)
"""Widths of the encoder's levels, in base widths; a 2x2 maximum between levels."""
UP = (8, 4, 2, 1, 1)
"""Widths of the decoder's levels, coarse to fine."""
MULTIPLE = 2 ** (len(DOWN) - 1)
"""A side of the input must be a multiple of this."""


class DiscriminativeNetwork(nn.Module):
    """float (B, 3, H, W) in 0..1 to logits (B, 2, H, W): good, anomalous. H and W are multiples of MULTIPLE."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        sides = [3, *(width * k for k in DOWN)]
        self.encoder = nn.ModuleList([_double_conv(a, b) for a, b in zip(sides, sides[1:], strict=False)])
        self.pool = nn.MaxPool2d(2)
        coarse = [width * DOWN[-1], *(width * k for k in UP)]
        skips = [width * k for k in reversed(DOWN[:-1])]
        self.lift = nn.ModuleList([_upsample(a, b) for a, b in zip(coarse, coarse[1:], strict=False)])
        self.merge = nn.ModuleList([_double_conv(b + s, b) for b, s in zip(coarse[1:], skips, strict=True)])
        self.head = nn.Conv2d(width, 2, 3, padding=1)
        self.apply(_init_weights)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 2, H, W)."""
        levels: list[Tensor] = []
        for i, block in enumerate(self.encoder):
            x = block(self.pool(x) if i else x)
            levels.append(x)
        for lift, merge, skip in zip(self.lift, self.merge, reversed(levels[:-1]), strict=True):
            x = merge(torch.cat((lift(x), skip), 1))
        logits: Tensor = self.head(x)
        return logits


def _conv(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def _double_conv(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*_conv(inputs, outputs), *_conv(outputs, outputs))


def _upsample(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), *_conv(inputs, outputs))


def _init_weights(module: nn.Module) -> None:
    """The released initial weights: N(0, 0.02²) for convolutions, N(1, 0.02²) for the scales of batch norm."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def focal_loss(logits: Tensor, masks: Tensor, gamma: float = 2.0) -> Tensor:
    """Mean over all pixels of -(1 - p)^γ log p, with p the softmax probability of the true class (Lin et al., eq. 4).

    ``logits`` (B, 2, H, W), ``masks`` bool (B, H, W). The classes weigh the same, as in the released code; its
    smoothing by 1e-5, which only guards the logarithm, is not needed with a log-softmax.
    """
    log_p = torch.log_softmax(logits.float(), 1).gather(1, masks[:, None].long())
    return (-((1 - log_p.exp()) ** gamma) * log_p).mean()
